"""Every row of the operator table: what is captured computes what PyTorch computes."""

from __future__ import annotations

import importlib

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from signbin.capture.export import export
from signbin.draft import OPERATORS


@pytest.fixture(autouse=True)
def _one_export(monkeypatch):
    """Graph and PyTorch's values come from one export, which takes most of the time.

    That two exports of a model name its values alike is a claim of test_capture.py.
    """
    made = []

    def exported(model, inputs):
        if not made:
            made.append(export(model, inputs))
        return made[0]

    for name in ("capture", "reference"):
        monkeypatch.setattr(importlib.import_module(f"signbin.capture.{name}"), "export", exported)


class Calls(nn.Module):
    """A forward given as a function."""

    def __init__(self, function, **parameters):
        super().__init__()
        self.function = function
        for name, value in parameters.items():
            setattr(self, name, value)

    def forward(self, *inputs):
        return self.function(self, *inputs)


IMAGE = (3, 6, 9, 8)
LAYERS = {
    "conv": (nn.Conv2d(6, 5, 3), ["conv2d"]),
    "conv without bias": (nn.Conv2d(6, 5, 3, bias=False), ["conv2d"]),
    "conv stride and padding": (nn.Conv2d(6, 5, (3, 5), (2, 1), (1, 2)), ["conv2d"]),
    "conv dilated": (nn.Conv2d(6, 5, 3, dilation=(2, 1), padding=(2, 1)), ["conv2d"]),
    "conv grouped": (nn.Conv2d(6, 4, 3, groups=2), ["conv2d"]),
    "conv depthwise": (nn.Conv2d(6, 12, 3, groups=6), ["conv2d"]),
    "conv same": (nn.Conv2d(6, 5, (3, 5), padding="same", dilation=(2, 1)), ["conv2d"]),
    "conv valid": (nn.Conv2d(6, 5, 3, padding="valid"), ["conv2d"]),
    "conv even same": (nn.Conv2d(6, 5, 2, padding="same", dilation=2), ["conv2d"]),
    "conv even same, one side more": (nn.Conv2d(6, 5, (2, 4), padding="same"), ["conv2d"]),
    "max pool ceil": (nn.MaxPool2d((3, 2), 2, ceil_mode=True), ["max_pool2d"]),
    "max pool ceil padded": (nn.MaxPool2d(3, 3, 1, ceil_mode=True), ["max_pool2d"]),
    "max pool ceil dilated": (nn.MaxPool2d(2, 3, 1, 2, ceil_mode=True), ["max_pool2d"]),
    "max pool ceil of whole windows": (nn.MaxPool2d((3, 2), ceil_mode=True), ["max_pool2d"]),
    "avg pool ceil": (nn.AvgPool2d((2, 3), 2, ceil_mode=True), ["avg_pool2d"]),
    "avg pool ceil exclusive": (
        nn.AvgPool2d(3, 3, 1, ceil_mode=True, count_include_pad=False),
        ["avg_pool2d"],
    ),
    "avg pool ceil padded": (
        nn.AvgPool2d((3, 2), (3, 4), 1, ceil_mode=True),
        ["subsample_pad", "avg_pool2d"],
    ),
    "batch norm": (nn.BatchNorm2d(6, eps=0.01), ["batch_norm"]),
    "batch norm without affine": (nn.BatchNorm2d(6, affine=False), ["batch_norm"]),
    "relu": (nn.ReLU(), ["relu"]),
    "leaky relu": (nn.LeakyReLU(0.3), ["leaky_relu"]),
    "leaky relu default": (nn.LeakyReLU(), ["leaky_relu"]),
    "prelu shared": (nn.PReLU(init=-0.4), ["prelu"]),
    "hardtanh": (nn.Hardtanh(-0.5, 0.25), ["clamp"]),
    "relu6": (nn.ReLU6(), ["clamp"]),
    "sigmoid": (nn.Sigmoid(), ["unary"]),
    "tanh": (nn.Tanh(), ["unary"]),
    "silu": (nn.SiLU(), ["unary"]),
    "hard sigmoid": (nn.Hardsigmoid(), ["unary"]),
    "hard swish": (nn.Hardswish(inplace=True), ["unary"]),
    "gelu": (nn.GELU(), ["unary"]),
    "gelu by tanh": (nn.GELU(approximate="tanh"), ["unary"]),
    "elu": (nn.ELU(), ["unary"]),
    "elu of alpha": (nn.ELU(0.3, inplace=True), ["unary"]),
    "softplus": (nn.Softplus(), ["unary"]),
    "mish": (nn.Mish(), ["unary"]),
    "max pool": (nn.MaxPool2d(3, 2, 1), ["max_pool2d"]),
    "max pool dilated": (nn.MaxPool2d((2, 3), dilation=2), ["max_pool2d"]),
    "avg pool": (nn.AvgPool2d((2, 3)), ["avg_pool2d"]),
    "avg pool padded": (nn.AvgPool2d(3, 2, 1), ["avg_pool2d"]),
    "avg pool exclusive": (nn.AvgPool2d(3, 2, 1, count_include_pad=False), ["avg_pool2d"]),
    "global pool": (nn.AdaptiveAvgPool2d(1), ["global_avg_pool"]),
    "adaptive pool": (nn.AdaptiveAvgPool2d((3, 2)), ["avg_pool2d"]),
    "flatten": (nn.Flatten(), ["flatten"]),
    "group norm": (nn.GroupNorm(3, 6), ["reshape", "layer_norm", "reshape", "channel_bias"]),
    "instance norm": (nn.InstanceNorm2d(6), ["reshape", "layer_norm", "reshape"]),
    "instance norm with affine": (
        nn.InstanceNorm2d(6, affine=True),
        ["reshape", "layer_norm", "channel_bias", "reshape"],
    ),
    "root mean square norm": (
        nn.RMSNorm(8),
        ["multiply", "reduce", "affine", "unary", "unary", "expand", "multiply", "affine"],
    ),
    "transposed conv": (nn.ConvTranspose2d(6, 4, 2, 2), ["conv2d", "depth_to_space"]),
    "transposed conv of one pixel apart": (nn.ConvTranspose2d(6, 4, 3), ["conv2d"]),
    **{
        f"transposed conv {number}": (layer, ["conv2d", "depth_to_space"])
        for number, layer in enumerate(
            nn.ConvTranspose2d(6, 4, (3, 4), stride, padding, more, groups, dilation=dilation)
            for stride in ((2, 2), (3, 2), (4, 1))
            for padding in (0, 1)
            for groups in (1, 2)
            for dilation, more in (((1, 1), 0), ((2, 3), 1))
        )
    },
}


# PyTorch says that it copies the image where one side is padded more.
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_captures_to_the_expected_ops_with_pytorchs_values(case, captured_like_pytorch):
    layer, ops = LAYERS[case]
    graph = captured_like_pytorch(layer, torch.randn(IMAGE))
    assert [node.op for node in graph.nodes] == ops


def _prelu_per_channel(self, x):
    return F.prelu(x, self.slope)


FUNCTIONS = {
    "prelu per channel": (_prelu_per_channel, {"slope": torch.linspace(-1, 1, 6)}, ["prelu"]),
    "clamp": (lambda self, x: x.clamp(-0.5, 0.5), {}, ["clamp"]),
    "clamp from below": (lambda self, x: x.clamp(min=-0.5), {}, ["clamp"]),
    "clamp from above": (lambda self, x: torch.clamp_max(x, 0.5), {}, ["clamp"]),
    "clamp at zero is relu": (lambda self, x: x.clamp_min(0), {}, ["relu"]),
    "functions": (
        lambda self, x: x.abs().exp(),
        {},
        ["unary", "unary"],
    ),
    "sign": (lambda self, x: x.sign_(), {}, ["unary"]),
    "reciprocal": (
        lambda self, x: (1.5 + x.sigmoid_()).reciprocal(),
        {},
        ["unary", "channel_bias", "unary"],
    ),
    "functions in place": (
        lambda self, x: F.silu(F.hardswish(x, inplace=True), inplace=True).tanh_(),
        {},
        ["unary", "unary", "unary"],
    ),
    "add": (lambda self, x: x + F.relu(x), {}, ["relu", "add"]),
    "add (1,C,1,1)": (
        lambda self, x: x + self.b,
        {"b": nn.Parameter(torch.linspace(0, 1, 6).reshape(1, 6, 1, 1))},
        ["channel_bias"],
    ),
    "add (C,1,1) from the left": (
        lambda self, x: self.b + x,
        {"b": torch.linspace(0, 1, 6).reshape(6, 1, 1)},
        ["channel_bias"],
    ),
    "add an expanded parameter": (
        lambda self, x: x + self.b.expand_as(x),
        {"b": nn.Parameter(torch.linspace(0, 1, 6).reshape(1, 6, 1, 1))},
        ["channel_bias"],
    ),
    "add a number": (lambda self, x: x + 1.5, {}, ["channel_bias"]),
    "subtract": (lambda self, x: x - F.relu(x), {}, ["relu", "subtract"]),
    "add of alpha": (
        lambda self, x: torch.add(x, F.relu(x), alpha=2),
        {},
        ["relu", "batch_norm", "add"],
    ),
    "subtract of alpha": (
        lambda self, x: torch.sub(x, F.relu(x), alpha=0.5),
        {},
        ["relu", "batch_norm", "add"],
    ),
    "multiply": (lambda self, x: x * x.sigmoid(), {}, ["unary", "multiply"]),
    "gate of channels": (
        lambda self, x: x.mean((2, 3), keepdim=True).sigmoid() * x,
        {},
        ["global_avg_pool", "unary", "multiply"],
    ),
    "gate of pixels": (
        lambda self, x: x * F.conv2d(x, self.w),
        {"w": torch.ones(1, 6, 1, 1)},
        ["conv2d", "multiply"],
    ),
    "quotient": (lambda self, x: x / x.exp(), {}, ["unary", "unary", "multiply"]),
    "number by value": (lambda self, x: 3 / x.exp(), {}, ["unary", "unary", "batch_norm"]),
    "multiply by a number": (lambda self, x: x.mul_(0.5), {}, ["batch_norm"]),
    "divide by a number": (lambda self, x: x / 6, {}, ["batch_norm"]),
    "negate": (lambda self, x: -x, {}, ["batch_norm"]),
    "subtract a number": (lambda self, x: x - 0.5, {}, ["channel_bias"]),
    "subtract from a number": (lambda self, x: 1 - x, {}, ["batch_norm"]),
    "subtract from a parameter": (
        lambda self, x: self.b - x,
        {"b": torch.linspace(0, 1, 6).reshape(6, 1, 1)},
        ["batch_norm"],
    ),
    "rsub": (lambda self, x: torch.rsub(x, 2, alpha=3), {}, ["batch_norm"]),
    "normalise": (
        lambda self, x: (x - self.m) / self.s,
        {
            "m": torch.linspace(0, 1, 6).reshape(1, 6, 1, 1),
            "s": torch.linspace(0.5, 2, 6).reshape(1, 6, 1, 1),
        },
        ["channel_bias", "batch_norm"],
    ),
    "layer scale": (
        lambda self, x: x + self.g * F.relu(x),
        {"g": nn.Parameter(torch.linspace(0.5, 2, 6).reshape(6, 1, 1))},
        ["relu", "batch_norm", "add"],
    ),
    "softmax": (lambda self, x: x.softmax(1), {}, ["softmax"]),
    "softmax of vectors": (
        lambda self, x: F.softmax(x.mean((2, 3)), dim=-1),
        {},
        ["global_avg_pool", "flatten", "softmax"],
    ),
    "sum": (lambda self, x: x.sum((2, 3)), {}, ["global_avg_pool", "batch_norm", "flatten"]),
    "sum kept": (
        lambda self, x: torch.sum(x, (-1, -2), keepdim=True),
        {},
        ["global_avg_pool", "batch_norm"],
    ),
    "amax": (lambda self, x: x.amax((2, 3)), {}, ["max_pool2d", "flatten"]),
    "amax kept": (lambda self, x: x.amax((2, 3), keepdim=True), {}, ["max_pool2d"]),
    "adaptive max pool": (lambda self, x: F.adaptive_max_pool2d(x, 1), {}, ["max_pool2d"]),
    "mean": (lambda self, x: x.mean((2, 3)), {}, ["global_avg_pool", "flatten"]),
    "mean kept": (lambda self, x: x.mean((-1, -2), keepdim=True), {}, ["global_avg_pool"]),
    "view": (lambda self, x: x.view(x.size(0), -1), {}, ["flatten"]),
    "reshape": (lambda self, x: x.reshape(x.shape[0], 432), {}, ["flatten"]),
    "transpose": (lambda self, x: x.transpose(1, 3), {}, ["transpose"]),
    "permute": (lambda self, x: x.permute(0, 2, 3, 1), {}, ["transpose"]),
    "slice": (lambda self, x: x.flatten(2)[:, :, 1:7:2], {}, ["reshape", "slice"]),
    "select": (lambda self, x: x[:, :, 2], {}, ["slice", "reshape"]),
    "unbind": (lambda self, x: torch.unbind(x, 3)[1], {}, ["slice", "reshape"]),
    "expand": (lambda self, x: x[:, :1].expand(-1, 5, -1, -1), {}, ["slice_channels", "expand"]),
    "reduce": (lambda self, x: x.amin(3, keepdim=True), {}, ["reduce"]),
    "mean of rows": (lambda self, x: x.mean(3), {}, ["reduce", "reshape"]),
    "layer_norm": (lambda self, x: F.layer_norm(x, (8,)), {}, ["layer_norm"]),
    "affine": (lambda self, x: x * self.w, {"w": torch.randn(8)}, ["affine"]),
    "affine of an image": (lambda self, x: x + self.w, {"w": torch.randn(1, 6, 9, 8)}, ["affine"]),
    "matmul": (lambda self, x: x @ x.transpose(2, 3), {}, ["transpose", "matmul"]),
    "constant": (
        lambda self, x: torch.cat([self.w.expand(x.shape[0], -1, -1, -1), x], 1),
        {"w": torch.randn(1, 2, 9, 8)},
        ["constant", "concat"],
    ),
    "conv1d": (
        lambda self, x: F.relu(F.conv1d(x.flatten(2), self.w, padding=1)).flatten(1),
        {"w": torch.randn(5, 6, 3)},
        ["reshape", "conv2d", "relu", "flatten"],
    ),
    "softmax of columns": (lambda self, x: x.softmax(-1), {}, ["softmax"]),
    "flatten of pixels": (
        lambda self, x: F.linear(x.flatten(2), self.w),
        {"w": torch.randn(5, 72)},
        ["reshape", "linear"],
    ),
    "squeeze": (
        lambda self, x: F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1),
        {},
        ["global_avg_pool", "flatten"],
    ),
    "option A": (
        lambda self, x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 1)),
        {},
        ["subsample_pad"],
    ),
    "subsampled unequally": (lambda self, x: x[:, :, ::3, ::2], {}, ["subsample_pad"]),
    "images padded": (lambda self, x: F.pad(x, (0, 1, 2, 0)), {}, ["subsample_pad"]),
    "images padded twice": (
        lambda self, x: F.pad(F.pad(x, (0, 1)), (1, 1, 2, 0, 1, 0)),
        {},
        ["subsample_pad"],
    ),
    "padded images subsampled": (
        lambda self, x: F.pad(x, (1, 0, 1, 2))[:, :, ::2, ::3],
        {},
        ["subsample_pad"],
    ),
    "subsampled images padded": (
        lambda self, x: F.pad(x[:, :, ::2], (1, 0, 1, 2)).relu(),
        {},
        ["subsample_pad", "subsample_pad", "relu"],
    ),
    "rows subsampled twice": (lambda self, x: x[:, :, ::2][:, :, ::2], {}, ["subsample_pad"]),
    "joined": (lambda self, x: torch.cat([x, x.relu()], 1), {}, ["relu", "concat"]),
    "joined from the back": (lambda self, x: torch.concat((x, x), -3), {}, ["concat"]),
    "one joined": (lambda self, x: torch.cat([x.relu()], 1), {}, ["relu"]),
    "vectors joined": (
        lambda self, x: torch.cat([x.flatten(1), x.mean((2, 3))], 1),
        {},
        ["flatten", "global_avg_pool", "flatten", "concat"],
    ),
    "channels taken": (lambda self, x: x[:, 1:4], {}, ["slice_channels"]),
    "last channels taken": (lambda self, x: x[:, -2:].relu(), {}, ["slice_channels", "relu"]),
    "all channels taken": (lambda self, x: x[:, 0:99].relu(), {}, ["relu"]),
    "halves": (
        lambda self, x: torch.add(*x.chunk(2, 1)),
        {},
        ["slice_channels", "slice_channels", "add"],
    ),
    "one half": (lambda self, x: x.chunk(2, dim=1)[1], {}, ["slice_channels"]),
    "unequal parts": (
        lambda self, x: torch.cat(torch.split(x, [1, 5], 1)[::-1], 1),
        {},
        ["slice_channels", "slice_channels", "concat"],
    ),
    "parts of two": (
        lambda self, x: sum(torch.split(x, 2, dim=1)),
        {},
        [*["slice_channels"] * 3, "channel_bias", "add", "add"],
    ),
    "shuffled": (lambda self, x: F.channel_shuffle(x, 3), {}, ["channel_shuffle"]),
    "shuffled as torchvision does": (
        lambda self, x: x.view(-1, 2, 3, 9, 8).transpose(1, 2).contiguous().view(-1, 6, 9, 8),
        {},
        ["channel_shuffle"],
    ),
    "shuffled by permute": (
        lambda self, x: x.reshape(x.shape[0], 3, 2, 9, 8).permute(0, 2, 1, 3, 4).flatten(1, 2),
        {},
        ["channel_shuffle"],
    ),
    "upsampled": (lambda self, x: F.interpolate(x, scale_factor=2), {}, ["resize_nearest"]),
    "resized": (lambda self, x: F.interpolate(x, (5, 23)), {}, ["resize_nearest"]),
    "resized by scales": (
        lambda self, x: F.interpolate(x, scale_factor=(1.7, 0.6)),
        {},
        ["resize_nearest"],
    ),
    "resized by the scale its size has": (
        lambda self, x: F.interpolate(x, scale_factor=1.3, recompute_scale_factor=True),
        {},
        ["resize_nearest"],
    ),
    "resized exactly": (
        lambda self, x: F.interpolate(x, (5, 23), mode="nearest-exact"),
        {},
        ["resize_nearest"],
    ),
    "upsampled by a layer": (
        lambda self, x: nn.Upsample(scale_factor=3)(x),
        {},
        ["resize_nearest"],
    ),
    "between pixels": (
        lambda self, x: F.interpolate(x, scale_factor=2, mode="bilinear"),
        {},
        ["resize_linear"],
    ),
    "between pixels, corner to corner": (
        lambda self, x: F.interpolate(x, (13, 21), mode="bilinear", align_corners=True),
        {},
        ["resize_linear"],
    ),
    "between pixels, by odd scales": (
        lambda self, x: F.interpolate(x, scale_factor=(1.7, 0.6), mode="bilinear"),
        {},
        ["resize_linear"],
    ),
    "bicubic": (
        lambda self, x: F.interpolate(x, (13, 5), mode="bicubic"),
        {},
        ["transpose", "linear", "transpose", "linear"],
    ),
    "bicubic, corner to corner": (
        lambda self, x: F.interpolate(x, (13, 5), mode="bicubic", align_corners=True),
        {},
        ["transpose", "linear", "transpose", "linear"],
    ),
    "antialiased": (
        lambda self, x: F.interpolate(x, (4, 17), mode="bilinear", antialias=True),
        {},
        ["transpose", "linear", "transpose", "linear"],
    ),
    "antialiased bicubic": (
        lambda self, x: F.interpolate(x, (4, 17), mode="bicubic", antialias=True),
        {},
        ["transpose", "linear", "transpose", "linear"],
    ),
    "pixels of channels": (
        lambda self, x: F.pixel_shuffle(x[:, :4], 2),
        {},
        ["slice_channels", "depth_to_space"],
    ),
    "channels of pixels": (
        lambda self, x: F.pixel_unshuffle(x[:, :, :, :6], 3),
        {},
        ["pad", "space_to_depth"],
    ),
    "averages of uneven windows": (
        lambda self, x: F.adaptive_avg_pool2d(x, (4, 11)),
        {},
        ["transpose", "linear", "transpose", "linear"],
    ),
    "largest of uneven windows": (
        lambda self, x: F.adaptive_max_pool2d(x, (4, 5)),
        {},
        [*["take", "reshape", "reduce", "reshape"] * 2],
    ),
    "largest of even windows": (
        lambda self, x: F.adaptive_max_pool2d(x, (3, 2)),
        {},
        ["max_pool2d"],
    ),
    "powers": (
        lambda self, x: (x.square() + 1.5) ** 0.5 + x**3,
        {},
        ["multiply", "channel_bias", "unary", "multiply", "multiply", "add"],
    ),
    "any power": (
        lambda self, x: (x.abs() + 0.5) ** 1.3,
        {},
        ["unary", "channel_bias", "unary", "affine", "unary"],
    ),
    "inverse roots": (
        lambda self, x: (x.abs() + 0.5).rsqrt() + (x.abs() + 0.5) ** -1.5,
        {},
        [
            *("unary", "channel_bias", "unary", "unary", "unary", "channel_bias", "unary"),
            *("multiply", "unary", "add"),
        ],
    ),
    "logarithms and erf": (
        lambda self, x: (x.abs() + 0.1).log() + torch.erf(x) + (x.abs() + 1).sqrt(),
        {},
        ["unary", "channel_bias", "unary", "unary", "add", "unary", "channel_bias", "unary", "add"],
    ),
    "logarithm of softmax": (
        lambda self, x: F.log_softmax(x, 1),
        {},
        ["reduce", "expand", "subtract", "unary", "reduce", "unary", "expand", "subtract"],
    ),
    "larger and lesser": (
        lambda self, x: torch.maximum(x, -x) + torch.minimum(x, x.mean(1, keepdim=True)),
        {},
        [
            *("batch_norm", "reshape", "reshape", "concat", "reduce", "reduce", "expand"),
            *("reshape", "concat", "reduce", "add", "reshape"),
        ],
    ),
    "turned round": (lambda self, x: x.flip(1, 3), {}, ["take", "take"]),
    "rolled": (lambda self, x: torch.roll(x, (1, -2), (2, 3)), {}, ["take", "take"]),
    "chosen": (
        lambda self, x: x.index_select(2, self.places) + x[:, :, self.places],
        {"places": nn.Buffer(torch.tensor([2, 0, 8, 5]))},
        ["take", "take", "add"],
    ),
    "repeated": (lambda self, x: x.repeat(1, 2, 1, 3), {}, ["take", "take"]),
    "gated by its other half": (
        lambda self, x: F.glu(x, 1),
        {},
        ["slice", "slice", "unary", "multiply"],
    ),
    "selu": (lambda self, x: F.selu(x), {}, ["unary", "affine"]),
    "celu": (lambda self, x: F.celu(x, 0.5) + F.celu(x), {}, None),
    "logarithm of the sigmoid": (
        lambda self, x: F.logsigmoid(x),
        {},
        ["affine", "unary", "affine"],
    ),
    "variance": (
        lambda self, x: x.var(1, keepdim=True) + x.std((1, 2, 3), keepdim=True, correction=0),
        {},
        None,
    ),
    "variance of images": (lambda self, x: x.var((2, 3)), {}, None),
    "extremes of an axis": (
        lambda self, x: x.max(1).values + x.min(1, keepdim=True)[0].squeeze(1),
        {},
        ["reduce", "reduce", "add", "reshape"],
    ),
    "local response norm": (lambda self, x: F.local_response_norm(x, 5, 0.01, 0.75, 2.0), {}, None),
    "volumes, the largest": (
        lambda self, x: F.max_pool3d(x[:, :, None], (1, 2, 3), (1, 2, 1), (0, 1, 1)),
        {},
        None,
    ),
    "volumes, averages": (
        lambda self, x: F.avg_pool3d(x.unflatten(1, (2, 3)), 3, 2, 1),
        {},
        None,
    ),
    "lines padded": (lambda self, x: F.pad(x.flatten(2), (2, 0), value=0.5), {}, None),
    "lines mirrored": (lambda self, x: F.pad(x.flatten(2), (2, 3), mode="reflect"), {}, None),
    "lines resized": (
        lambda self, x: F.interpolate(x.flatten(2), scale_factor=1.5),
        {},
        ["reshape", "resize_nearest", "reshape"],
    ),
    "in a border of ones": (lambda self, x: F.pad(x, (1, 0, 2, 3), value=1.0), {}, ["pad"]),
    "in a border below all": (
        lambda self, x: F.max_pool2d(F.pad(x, (1, 1, 0, 1), value=-10.0), 2),
        {},
        ["pad", "max_pool2d"],
    ),
    "mirrored": (lambda self, x: nn.ReflectionPad2d((1, 2, 3, 0))(x), {}, ["pad"]),
    "repeated at the edge": (lambda self, x: nn.ReplicationPad2d(3)(x), {}, ["pad"]),
    "around": (lambda self, x: F.pad(x, (1, 2, 0, 3), mode="circular"), {}, ["pad"]),
    "border of nothing": (lambda self, x: F.pad(x, (0, 0, 0, 0)).relu(), {}, ["relu"]),
    "cut by a border": (lambda self, x: F.pad(x, (-1, 2, 0, -3)), {}, ["pad"]),
    "cut": (lambda self, x: x[:, :, 1:-2, 3:], {}, ["pad"]),
    "every second after the first": (
        lambda self, x: x[:, :, 1::2].relu(),
        {},
        ["pad", "subsample_pad", "relu"],
    ),
    "every third, not to the end": (
        lambda self, x: x[:, :, :5:3, :7:3],
        {},
        ["pad", "subsample_pad"],
    ),
    "channels padded": (
        lambda self, x: F.pad(x, (0, 0, 0, 0, 0, 3)).relu(),
        {},
        ["subsample_pad", "relu"],
    ),
    "dropped": (
        lambda self, x: F.dropout(x.detach().contiguous(), 0.5, False).relu(),
        {},
        ["relu"],
    ),
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_a_function_captures_to_the_expected_ops_with_pytorchs_values(case, captured_like_pytorch):
    function, parameters, ops = FUNCTIONS[case]
    graph = captured_like_pytorch(Calls(function, **parameters), torch.randn(IMAGE))
    assert ops is None or [node.op for node in graph.nodes] == ops


MATRIX_FUNCTIONS = {
    "linear": lambda self, x: F.linear(x, self.w, self.b),
    "linear without bias": lambda self, x: F.linear(x, self.w),
    "addmm": lambda self, x: torch.addmm(self.b, x, self.w.t()),
    "mm": lambda self, x: x.mm(self.w.t()),
    "matmul": lambda self, x: x @ self.w.t(),
}


@pytest.mark.parametrize("case", MATRIX_FUNCTIONS)
def test_every_form_of_a_matrix_product_becomes_linear(case, captured_like_pytorch):
    parameters = {"w": nn.Parameter(torch.randn(4, 7)), "b": nn.Parameter(torch.randn(4))}
    graph = captured_like_pytorch(Calls(MATRIX_FUNCTIONS[case], **parameters), torch.randn(3, 7))
    assert [node.op for node in graph.nodes] == ["linear"]


def test_batch_norm_after_linear_works_on_features(captured_like_pytorch):
    model = nn.Sequential(nn.Linear(7, 5), nn.BatchNorm1d(5), nn.PReLU(5), nn.Linear(5, 2))
    graph = captured_like_pytorch(model, torch.randn(4, 7))
    assert [node.op for node in graph.nodes] == ["linear", "batch_norm", "prelu", "linear"]


DECOMPOSED = {
    "convolution": lambda self, x: torch.ops.aten.convolution(
        x, self.w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1
    ),
    "max_pool2d_with_indices": lambda self, x: torch.ops.aten.max_pool2d_with_indices(
        x, [2, 2], [2, 2]
    )[0],
    "_native_batch_norm_legit_no_training": lambda self, x: (
        torch.ops.aten._native_batch_norm_legit_no_training(
            x, None, None, self.v, self.v, 0.1, 1e-5
        )[0]
    ),
    "constant_pad_nd": lambda self, x: torch.ops.aten.constant_pad_nd(x, [0, 0, 0, 0, 1, 1]),
    "reflection_pad2d": lambda self, x: torch.ops.aten.reflection_pad2d(x, [1, 2, 3, 0]),
    "replication_pad2d": lambda self, x: torch.ops.aten.replication_pad2d(x, [1, 2, 3, 0]),
    "upsample_nearest2d": lambda self, x: torch.ops.aten.upsample_nearest2d(x, [12, 9], 1.4, None),
    "_upsample_nearest_exact2d": lambda self, x: torch.ops.aten._upsample_nearest_exact2d(
        x, [12, 9]
    ),
}


@pytest.mark.parametrize("case", DECOMPOSED)
def test_decomposed_forms_are_captured_too(case, captured_like_pytorch):
    parameters = {"w": torch.randn(4, 6, 3, 3), "v": torch.rand(6) + 0.5}
    graph = captured_like_pytorch(Calls(DECOMPOSED[case], **parameters), torch.randn(IMAGE))
    assert len(graph.nodes) == 1


def test_rows_name_operators_that_exist():
    for name in OPERATORS:
        if name != "getitem":
            library, operator, overload = name.split(".")
            assert hasattr(getattr(getattr(torch.ops, library), operator), overload), name
