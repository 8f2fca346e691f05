"""Kernel metadata as the native library lists it, and graphs of one layer."""

from __future__ import annotations

import numpy as np
import pytest

from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value, verify
from signbin.spec import Kernel, LowBitWeight


def _kernel(strategy, op, isa, filters=0, vectors=0, *, usable=True):
    name = f"sb_f32_{strategy}_{op}_f{filters}v{vectors}__{isa}"
    return Kernel(name, strategy, op, isa, usable, filters, vectors)


@pytest.fixture(scope="session")
def make_kernel():
    return _kernel


@pytest.fixture(scope="session")
def kernels():
    """Dense and bucket kernels of both ops for scalar and portable."""
    found = []
    for op in ("conv2d", "linear"):
        found += [_kernel("dense", op, "scalar", 1, 1), _kernel("dense", op, "portable", 4, 1)]
        found += [_kernel("bucket", op, "scalar", 8, 1)]
        found += [
            _kernel("bucket", op, "portable", filters, vectors)
            for filters in (4, 8)
            for vectors in (1, 2, 4)
        ]
    return tuple(found)


def _codes(kind, shape, density=0.35, seed=0):
    rng = np.random.default_rng(seed)
    signs = rng.choice(np.array([-1, 1], np.int8), shape)
    if kind == "binary":
        return signs
    mask = (rng.random(shape) < density).astype(np.int8)
    if kind == "ternary":
        return mask * signs
    mask[shape[0] // 2 :] *= -1
    return mask


def _weight(kind, shape, density=0.35, seed=0, offset=False):
    if kind == "float":
        return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    scale = np.ones(shape[0], np.float32)
    codes = _codes(kind, shape, density, seed)
    return LowBitWeight(codes, scale, -scale / 2 if offset else None)


@pytest.fixture(scope="session")
def make_weight():
    return _weight


def _graph(*weights, size=16, groups=1):
    """A chain of 3x3 (same padding) or 1x1 convolutions and, last, linear layers on its input."""
    nodes, constants, channels = [], {}, weights[0].shape[1] * groups
    inputs = (Value("x", TensorType("f32", (BATCH, channels, size, size))),)
    if len(weights[0].shape) == 2:
        inputs = (Value("x", TensorType("f32", (BATCH, channels))),)
    last = "x"
    for index, weight in enumerate(weights):
        name, constants[f"w{index}"] = f"layer{index}", weight
        attributes = {"weight": ConstRef(f"w{index}")}
        shape = (BATCH, weight.shape[0])
        if len(weight.shape) == 4:
            padding = weight.shape[2] // 2
            attributes |= {"padding": (padding, padding), "groups": groups}
            shape = (*shape, size, size)
        op = "conv2d" if len(weight.shape) == 4 else "linear"
        nodes.append(Node(name, op, (last,), attributes, TensorType("f32", shape)))
        last = name
    graph = Graph("chain", inputs, tuple(nodes), (last,), constants)
    verify(graph)
    return graph


@pytest.fixture(scope="session")
def make_graph():
    return _graph
