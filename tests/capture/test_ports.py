"""Models of several inputs and outputs, and of values of any rank, from PyTorch to a program."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import signbin
from signbin.capture import capture
from signbin.diagnose import measure_exactness
from signbin.errors import CaptureError


class Pair(NamedTuple):
    """What a model may return."""

    total: torch.Tensor
    half: torch.Tensor


class Network(nn.Module):
    """Two images in, and what ``result`` makes of three values out."""

    def __init__(self, result):
        super().__init__()
        torch.manual_seed(3)
        self.left, self.right = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(2, 8, 1)
        self.head = nn.Linear(8, 5)
        self.result = result

    def forward(self, image, mask):
        features = torch.relu(self.left(image) + self.right(mask))
        pooled = features.mean((2, 3))
        return self.result(features, pooled, self.head(pooled))


RESULTS = {
    "tuple": lambda features, pooled, scores: (scores, features),
    "list in dict": lambda features, pooled, scores: {"scores": scores, "both": [pooled, features]},
    "twice": lambda features, pooled, scores: (scores, scores, {"again": scores}),
    "dict of one": lambda features, pooled, scores: {"scores": scores},
    "tuple of one": lambda features, pooled, scores: (scores,),
    "view": lambda features, pooled, scores: (features.flatten(2), scores.unsqueeze(1)),
}


def expect_same(found, wanted):
    if isinstance(wanted, torch.Tensor):
        np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-4, atol=1e-5)
    elif isinstance(wanted, dict):
        assert isinstance(found, dict)
        assert list(found) == list(wanted)
        for key, each in wanted.items():
            expect_same(found[key], each)
    else:
        assert type(found) is type(wanted)
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            expect_same(one, other)


@pytest.mark.parametrize("result", RESULTS)
def test_a_program_returns_what_the_model_returns(result):
    model = Network(RESULTS[result]).eval()
    images = (torch.randn(2, 3, 9, 7), torch.randn(2, 2, 9, 7))
    program = signbin.compile(model, images)
    assert [value.name for value in program.graph.inputs] == ["image", "mask"]
    with torch.no_grad():
        expected = model(*images)
    expect_same(program(*images), expected)
    expect_same(program(mask=images[1], image=images[0]), expected)


def test_a_named_tuple_comes_back_as_a_tuple():
    model = Network(lambda features, pooled, scores: Pair(scores, pooled)).eval()
    images = (torch.randn(1, 3, 9, 7), torch.randn(1, 2, 9, 7))
    program = signbin.compile(model, images)
    with torch.no_grad():
        expect_same(program(*images), tuple(model(*images)))


def test_one_array_comes_back_where_the_model_returns_one():
    graph = capture(
        Network(lambda features, pooled, scores: scores).eval(),
        (torch.randn(1, 3, 9, 7), torch.randn(1, 2, 9, 7)),
    )
    assert graph.form is None


class Tokens(nn.Module):
    """Linear layers over the last axis of values of three axes."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.first, self.second = nn.Linear(12, 24), nn.Linear(24, 12)
        self.head = nn.Linear(60, 3)

    def forward(self, tokens):
        tokens = tokens + self.second(torch.relu(self.first(tokens)))
        return self.head(tokens.flatten(1))


def test_linear_layers_over_tokens_agree_with_pytorch():
    model, tokens = Tokens().eval(), torch.randn(3, 5, 12)
    program = signbin.compile(model, (tokens,))
    with torch.no_grad():
        expect_same(program(tokens), model(tokens))


def test_eight_bit_tokens_are_exact_to_the_interpreter():
    from signbin.ir import interpret

    model, tokens = Tokens().eval(), torch.randn(8, 5, 12)
    program = signbin.compile(
        model, (tokens,), activations=signbin.QuantizedActivations(tokens.numpy())
    )
    expected = interpret(program.graph, {"tokens": tokens.numpy()})
    traced = program.trace(tokens)
    assert any(node.type.dtype == "u8" for node in program.graph.nodes)
    for name, value in traced.items():
        np.testing.assert_array_equal(value, expected[name])


MOVED = {
    "factor per pixel": lambda x: x * torch.ones(1, 1, 7, 7),
    "outer product": lambda x: x.mean((2, 3), keepdim=True) * x[:, :1],
    "softmax over rows": lambda x: x.softmax(2),
    "amax over channels": lambda x: x.amax(1),
    "broadcast": lambda x: x + x.mean((2, 3), keepdim=True),
    "bias per pixel": lambda x: x + torch.linspace(-1, 1, 49).view(1, 1, 7, 7),
    "offset slice": lambda x: x[:, :, 1::2, ::2],
    "crop": lambda x: x[:, :, :4],
    "every second channel": lambda x: x[:, ::2],
    "rows joined": lambda x: torch.cat([x, x.relu()], 2),
    "rows split": lambda x: x.chunk(2, 2)[1],
    "pixels transposed": lambda x: x.transpose(2, 3),
    "channels last": lambda x: x.permute(0, 2, 3, 1),
    "mean over channels": lambda x: x.mean(1, keepdim=True),
    "mean over far axes": lambda x: x.mean((1, 3)),
    "standardised": lambda x: (x - 0.25) / torch.tensor([0.5, 1.0, 2.0, 4.0]).view(1, 4, 1, 1),
}


class Function(nn.Module):
    """A layer, so that there is something to plan, and a function of its result."""

    def __init__(self, function):
        super().__init__()
        torch.manual_seed(7)
        self.layer, self.function = nn.Conv2d(4, 4, 1), function

    def forward(self, image):
        return self.function(self.layer(image))


@pytest.mark.parametrize("case", MOVED)
def test_what_goes_along_axes_agrees_with_pytorch(case):
    model, images = Function(MOVED[case]).eval(), torch.randn(2, 4, 7, 7)
    program = signbin.compile(model, (images,))
    with torch.no_grad():
        expect_same(program(images), model(images))


class Encoder(nn.Module):
    """Patches, a class token, positions, two layers of attention."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(8)
        self.patch = nn.Conv2d(3, 32, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 32))
        self.positions = nn.Parameter(torch.randn(1, 17, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, activation="gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, nn.LayerNorm(32), enable_nested_tensor=False)
        self.head = nn.Linear(32, 10)

    def forward(self, image):
        x = self.patch(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.layers(x)[:, 0])


class Keywords(nn.Module):
    """Convolutions, normalisation and pools over lines."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(9)
        self.layers = nn.Sequential(
            nn.Conv1d(40, 32, 5, stride=2, padding=2),
            nn.BatchNorm1d(32),
            nn.ReLU(),
            nn.Conv1d(32, 32, 3, padding="same", groups=4),
            nn.BatchNorm1d(32),
            nn.SiLU(),
            nn.MaxPool1d(2),
            nn.Conv1d(32, 24, 3, padding=1, dilation=1),
            nn.AvgPool1d(3, padding=1),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
            nn.Linear(24, 12),
        )

    def forward(self, line):
        return self.layers(line)


class ConvNeXtBlock(nn.Module):
    """Linear layers over channels that come last, and a factor for each of them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(10)
        self.depthwise = nn.Conv2d(8, 8, 7, padding=3, groups=8)
        self.norm, self.up, self.down = nn.LayerNorm(8), nn.Linear(8, 32), nn.Linear(32, 8)
        self.factor = nn.Parameter(torch.rand(8))

    def forward(self, image):
        x = self.norm(self.depthwise(image).permute(0, 2, 3, 1))
        x = self.factor * self.down(nn.functional.gelu(self.up(x)))
        return image + x.permute(0, 3, 1, 2)


FAMILIES = {
    "transformer encoder": (Encoder, (3, 16, 16)),
    "keyword network": (Keywords, (40, 51)),
    "ConvNeXt block": (ConvNeXtBlock, (8, 12, 9)),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_agrees_with_pytorch_and_on_codes_with_the_interpreter(family):
    make, extents = FAMILIES[family]
    model, images = make().eval(), torch.randn(8, *extents)
    with torch.no_grad():
        expect_same(signbin.compile(model, (images,))(images), model(images))
    coded = signbin.compile(
        model, (images,), activations=signbin.QuantizedActivations(images.numpy())
    )
    # Every node on the operands that it had: the last bit of a softmax may turn a code.
    found = measure_exactness(coded.graph, coded.trace(images))
    assert found is not None
    assert found.values
    assert not found.differing


def test_attention_with_the_batch_second_is_refused_by_name():
    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2)

        def forward(self, x):
            return self.attention(x, x, x, need_weights=False)[0]

    with pytest.raises(CaptureError, match=r"attention .*batch_first=True"):
        capture(Layer(), (torch.randn(2, 5, 8),))


class Gated(nn.Module):
    """Squeeze and excitation with linear layers."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.body = nn.Conv2d(3, 16, 3, padding=1)
        self.down, self.up = nn.Linear(16, 4), nn.Linear(4, 16)
        self.last = nn.Conv2d(16, 4, 3)

    def forward(self, image):
        x = torch.relu(self.body(image))
        gate = torch.sigmoid(self.up(torch.relu(self.down(x.mean((2, 3))))))
        return self.last(x * gate.view(-1, 16, 1, 1)).flatten(1)


def test_gates_of_linear_layers_agree_with_pytorch():
    model, images = Gated().eval(), torch.randn(3, 3, 8, 10)
    program = signbin.compile(model, (images,))
    with torch.no_grad():
        expect_same(program(images), model(images))
