"""Which layers are expected to sum their inputs less their mean."""

import re
from pathlib import Path

import numpy as np
import pytest

from signbin.analysis.centring import LEAST_LOSS, LEAST_WEIGHTS, is_centred, mean_over_deviation
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.plan import weighted_layers
from signbin.spec import LowBitWeight

NATIVE = Path(__file__).parents[2] / "native/src/operands"


def graph_of(channels, filters, *between, binary=True):
    """A convolution, what stands between, and a 3 x 3 convolution with low-bit weights."""
    rng = np.random.default_rng(0)
    kind = TensorType("f32", (BATCH, channels, 8, 8))
    first = rng.standard_normal((channels, 3, 1, 1)).astype(np.float32)
    codes = np.where(rng.standard_normal((filters, channels, 3, 3)) > 0, 1, -1).astype(np.int8)
    codes = codes if binary else codes * (rng.random(codes.shape) > 0.5)
    constants = {"a": first, "b": LowBitWeight(codes, np.ones(filters, np.float32))}
    nodes = [Node("first", "conv2d", ("x",), {"weight": ConstRef("a")}, kind)]
    for number, (op, given) in enumerate(between):
        nodes.append(Node(f"n{number}", op, (nodes[-1].name,), given, kind))
    last = {"weight": ConstRef("b"), "padding": (1, 1)}
    out = TensorType("f32", (BATCH, filters, 8, 8))
    nodes.append(Node("last", "conv2d", (nodes[-1].name,), last, out))
    given = Value("x", TensorType("f32", (BATCH, 3, 8, 8)))
    return Graph("g", (given,), tuple(nodes), ("last",), constants)


def centred(graph):
    layer = next(one for one in weighted_layers(graph, 1) if one.name == "last")
    return is_centred(graph, layer)


def test_limits_are_those_of_the_program():
    (loss,) = re.findall(r"LEAST_LOSS = ([\d.]+)f", (NATIVE / "centre.c").read_text())
    (shift,) = re.findall(r"SB_LEAST_CENTRED = 1 << (\d+)", (NATIVE / "centre.h").read_text())
    assert (float(loss), 1 << int(shift)) == (LEAST_LOSS, LEAST_WEIGHTS)


@pytest.mark.parametrize(("slope", "numbers"), [(0.0, 1), (0.25, 1), (0.0, 4), (0.1, 9)])
def test_the_ratio_is_that_of_drawn_numbers(slope, numbers):
    drawn = np.random.default_rng(0).standard_normal((200_000, numbers)).max(axis=1)
    activated = np.where(drawn > 0, drawn, slope * drawn)
    expected = activated.mean() / activated.std()
    # Of 200,000 numbers a mean is known to some 0.3 %.
    assert mean_over_deviation(slope, numbers) == pytest.approx(expected, rel=0.01)


RELU, CLAMP = ("relu", {}), ("clamp", {"low": -2.0, "high": 2.0})
POOL = ("max_pool2d", {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1)})


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (graph_of(256, 64, RELU), True),
        (graph_of(128, 64, RELU), False),
        (graph_of(128, 64, RELU, POOL, CLAMP), True),
        (graph_of(256, 64, ("leaky_relu", {"slope": 0.25})), False),
        (graph_of(256, 64), False),
        (graph_of(256, 16, RELU), False),
        (graph_of(256, 64, RELU, binary=False), False),
    ],
    ids=["wide", "narrow", "pooled", "leaky", "no activation", "few weights", "ternary"],
)
def test_layers_are_centred_where_a_mean_would_cost_digits(graph, expected):
    assert centred(graph) == expected
