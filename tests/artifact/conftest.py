"""Small artifacts of every kind."""

from __future__ import annotations

import numpy as np
import pytest

from signbin.artifact import Artifact
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value, verify
from signbin.plan import Plan, Target, make_plan
from signbin.spec import IntegerWeight, Kernel, LowBitWeight, Preprocessing


def _codes(kind, shape, rng, density):
    signs = rng.choice(np.array([-1, 1], np.int8), shape)
    if kind == "binary":
        return signs
    mask = (rng.random(shape) < density).astype(np.int8)
    if kind == "ternary":
        return mask * signs
    filter_signs = rng.choice(np.array([-1, 1], np.int8), shape[0])
    return mask * filter_signs.reshape((-1,) + (1,) * (len(shape) - 1))


def _weight(kind, shape, *, seed=0, density=0.4, offset=False):
    rng = np.random.default_rng(seed)
    if kind == "f32":
        return rng.standard_normal(shape).astype(np.float32)
    if kind == "integer":
        return IntegerWeight.from_float(rng.standard_normal(shape).astype(np.float32))
    scale = rng.standard_normal(shape[0]).astype(np.float32)
    offsets = rng.standard_normal(shape[0]).astype(np.float32) if offset else None
    return LowBitWeight(_codes(kind, shape, rng, density), scale, offsets)


@pytest.fixture(scope="session")
def make_weight():
    return _weight


def _linear_graph(*weights):
    """Linear layers side by side on one input; the last one's value is the output."""
    channels = weights[0].shape[1]
    nodes = [
        Node(
            f"linear{index}",
            "linear",
            ("x",),
            {"weight": ConstRef(f"linear{index}.weight")},
            TensorType("f32", (BATCH, weight.shape[0])),
        )
        for index, weight in enumerate(weights)
    ]
    constants = {f"linear{index}.weight": weight for index, weight in enumerate(weights)}
    inputs = (Value("x", TensorType("f32", (BATCH, channels))),)
    graph = Graph("layers", inputs, tuple(nodes), (nodes[-1].name,), constants)
    verify(graph)
    return graph


def _conv_graph(weight, size=5, bias=None):
    filters, channels, height, _ = weight.shape
    attributes = {"weight": ConstRef("conv.weight"), "padding": (height // 2, height // 2)}
    constants = {"conv.weight": weight}
    if bias is not None:
        attributes["bias"], constants["conv.bias"] = ConstRef("conv.bias"), bias
    shape = (BATCH, filters, size + 1 - height % 2, size + 1 - height % 2)
    graph = Graph(
        "conv",
        (Value("x", TensorType("f32", (BATCH, channels, size, size))),),
        (
            Node("conv", "conv2d", ("x",), attributes, TensorType("f32", shape), "stem"),
            Node("pool", "global_avg_pool", ("conv",), {}, TensorType("f32", (*shape[:2], 1, 1))),
            Node("flat", "flatten", ("pool",), {}, TensorType("f32", shape[:2])),
        ),
        ("flat",),
        constants,
    )
    verify(graph)
    return graph


@pytest.fixture(scope="session")
def linear_graph():
    return _linear_graph


@pytest.fixture(scope="session")
def conv_graph():
    return _conv_graph


@pytest.fixture(scope="session")
def full_artifact() -> Artifact:
    """Every member of the header filled."""
    weight = _weight("signed_binary", (3, 1, 3, 3), offset=True)
    graph = _conv_graph(weight, bias=np.array([0.5, -1, 2], np.float32))
    kernels = [
        Kernel("dense", "dense", "conv2d", "portable", True, 4, 1),
        Kernel("bucket", "bucket", "conv2d", "portable", True, 8, 2),
    ]
    plan: Plan = make_plan(graph, kernels, Target.portable())
    preprocessing = Preprocessing(1, 5, 5, (0.5,), (0.25,), resize=8)
    return Artifact(graph, plan, preprocessing, ("ä", "b", "c"), {"seed": "1", "recipe": "x\ny"})
