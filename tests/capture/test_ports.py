"""Models of several inputs and outputs, and of values of any rank, from PyTorch to a program."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import signbin
from signbin.capture import capture


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
