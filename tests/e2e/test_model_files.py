"""Networks of today, from PyTorch and from the files that it exports: as float, and on codes."""

import copy
import io
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import signbin
from signbin import native
from signbin.diagnose import measure_exactness
from signbin.onnx_reader import read_onnx
from signbin.quant import QConv2d, QLinear, QuantConfig, SignedBinary, quantize_
from signbin.spec import LowBitWeight
from signbin.verbs.compile import compile_graph

IMAGE = (3, 37, 53)
ISAS = list(dict.fromkeys(row.isa for row in native.kernels() if row.usable))
TOLERANCE = 2e-5  # of the largest output: float32 sums of some hundred terms, in another order


def unit(inputs: int, outputs: int, act: type[nn.Module] = nn.ReLU, **takes) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False, **takes)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), act())


class Unet(nn.Module):
    """Down twice and up again, by transposed convolutions or between pixels."""

    def __init__(self, transposed: bool) -> None:
        super().__init__()
        self.first, self.second, self.third = unit(3, 6), unit(6, 8), unit(8, 12)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(inputs, outputs, 2, 2)
            if transposed
            else nn.Conv2d(inputs, outputs, 1)
            for inputs, outputs in ((12, 8), (8, 6))
        )
        self.joined, self.last = unit(16, 8), nn.Conv2d(12, 2, 1)
        self.transposed = transposed

    def up(self, x: Tensor, skip: Tensor, layer: nn.Module) -> Tensor:
        if self.transposed:
            x = layer(x)
            below, beside = (a - b for a, b in zip(skip.shape[2:], x.shape[2:], strict=True))
            x = F.pad(x, (0, beside, 0, below))
        else:
            x = layer(F.interpolate(x, skip.shape[2:], mode="bilinear", align_corners=True))
        return torch.cat([skip, x], 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.first(x)
        two = self.second(F.max_pool2d(one, 2))
        three = self.third(F.max_pool2d(two, 2))
        two = self.joined(self.up(three, two, self.ups[0]))
        return self.last(self.up(two, one, self.ups[1]))


class Detector(nn.Module):
    """The neck and head of a YOLO: SiLU, spatial pyramid pooling, boxes by softmax over bins."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.deep = unit(3, 8, nn.SiLU, stride=2), unit(8, 16, nn.SiLU, stride=2)
        self.pyramid = nn.Conv2d(64, 16, 1)
        self.merged = unit(24, 12, nn.SiLU)
        self.boxes, self.classes = nn.Conv2d(12, 16, 1), nn.Conv2d(12, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.stem(F.pad(x, (0, 3, 0, 3)))
        coarse = pooled = self.deep(fine)
        pools = [coarse]
        for _ in range(3):
            pooled = F.max_pool2d(pooled, 5, 1, 2)
            pools.append(pooled)
        coarse = self.pyramid(torch.cat(pools, 1))
        x = self.merged(torch.cat([F.interpolate(coarse, scale_factor=2.0), fine], 1))
        boxes = self.boxes(x).flatten(2).unflatten(1, (4, 4)).transpose(1, 2).softmax(1)
        weights = torch.arange(4, dtype=torch.float32).reshape(1, 4, 1, 1)
        return torch.cat([(boxes * weights).sum(1), self.classes(x).flatten(2).sigmoid()], 1)


class Grouped(nn.Module):
    """Group norm and instance norm, pooled to columns."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 12, 3, 2, 1), nn.GroupNorm(4, 12)
        self.second, self.instance = nn.Conv2d(12, 8, 3, 1, 1), nn.InstanceNorm2d(8, affine=True)
        self.head = nn.Linear(8 * 9, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.norm(self.first(x)))
        x = F.relu(self.instance(self.second(x)))
        return self.head(F.adaptive_avg_pool2d(x, (1, 9)).flatten(1))


class ConvNext(nn.Module):
    """Depthwise 7x7, layer norm over channels, a hidden layer with GELU, a scale per channel."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 4, 4)
        self.wide = nn.Conv2d(12, 12, 7, padding=3, groups=12)
        self.norm, self.hidden, self.narrow = nn.LayerNorm(12), nn.Linear(12, 48), nn.Linear(48, 12)
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, 12))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.norm(self.wide(x).permute(0, 2, 3, 1))
        y = self.scale * self.narrow(F.gelu(self.hidden(y)))
        return x + y.permute(0, 3, 1, 2)


class GoogLeNet(nn.Module):
    """Four branches that meet, behind pools whose last window reaches beyond the image."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = unit(3, 8, stride=2)
        self.one, self.two = nn.Conv2d(8, 5, 1), nn.Sequential(nn.Conv2d(8, 4, 1), unit(4, 6))
        self.three, self.pooled = unit(8, 7), nn.Conv2d(8, 4, 1)
        self.head = nn.Linear(22, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.stem(x), 3, 2, ceil_mode=True)
        pooled = self.pooled(F.max_pool2d(x, 3, 1, 1, ceil_mode=True))
        x = torch.cat([F.relu(self.one(x)), self.two(x), self.three(x), pooled], 1)
        return F.log_softmax(self.head(F.adaptive_avg_pool2d(x, 1).flatten(1)), 1)


class Sharper(nn.Module):
    """Super-resolution: pixels out of channels, added to the image resized."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = unit(12, 16, nn.Mish), unit(16, 16, nn.Mish)
        self.last = nn.Conv2d(16, 27, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :36, :52]
        small = self.last(self.second(self.first(F.pixel_unshuffle(x, 2))))
        return F.pixel_shuffle(small, 3) + F.interpolate(x, scale_factor=1.5, mode="bilinear")


NETWORKS = {
    "U-Net, transposed": lambda: Unet(transposed=True),
    "U-Net, bilinear": lambda: Unet(transposed=False),
    "YOLO": Detector,
    "group norm": Grouped,
    "ConvNeXt": ConvNext,
    "GoogLeNet": GoogLeNet,
    "super-resolution": Sharper,
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor, np.ndarray]:
    """With low-bit weights, and batch norms as a few images leave them; images; what it says."""
    torch.manual_seed(0)
    model = NETWORKS[request.param]()
    images = torch.randn(4, *IMAGE)
    quantize_(model, QuantConfig(SignedBinary(density=0.3)))
    with torch.no_grad():
        for _ in range(10):
            model.train()(images)
        expected = model.eval()(images).numpy()
    return model, images, expected


def with_float_layers(module: nn.Module) -> nn.Module:
    """Layers with the weights that they compute with, which exporters know."""
    for name, child in module.named_children():
        quantised = isinstance(child, QConv2d | QLinear)
        setattr(module, name, child.to_float() if quantised else with_float_layers(child))
    return module


def exported(model: nn.Module, images: Tensor) -> bytes:
    """The file that PyTorch's exporter without further packages writes, its batch free."""
    file, model = io.BytesIO(), with_float_layers(copy.deepcopy(model)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (images,),
            file,
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "N"}, "y": {0: "N"}},
            opset_version=17,
        )
    return file.getvalue()


def test_the_program_computes_what_pytorch_does(network) -> None:
    model, images, expected = network
    program = signbin.compile(model, (images[:1],))
    for isa in ISAS:
        actual = signbin.Program(program.artifact, isa=isa)(images.numpy())
        assert np.abs(actual - expected).max() <= TOLERANCE * np.abs(expected).max(), isa


def test_its_file_is_the_same_network_with_the_same_low_bit_layers(network) -> None:
    model, images, expected = network
    graph = read_onnx(exported(model, images[:1]))
    program = compile_graph(graph)
    actual = program(images.numpy())
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= TOLERANCE * np.abs(expected).max()
    captured = signbin.compile(model, (images[:1],))
    low_bit = [
        sorted(
            constant.shape
            for constant in each.graph.constants.values()
            if isinstance(constant, LowBitWeight)
        )
        for each in (program, captured)
    ]
    assert low_bit[0] == low_bit[1] != []


def test_every_node_on_codes_is_the_interpreters_bit_for_bit(network) -> None:
    model, images, _ = network
    activations = signbin.QuantizedActivations(samples=images.numpy(), bits=8)
    program = signbin.compile(model, (images[:1],), activations=activations)
    assert program.graph.has_codes
    for isa in ISAS:
        values = signbin.Program(program.artifact, isa=isa).trace(images[:2].numpy())
        exactness = measure_exactness(program.graph, values)
        assert exactness is not None
        assert (exactness.differing, exactness.first) == (0, None), isa
