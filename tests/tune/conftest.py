"""A network with planned layers, and programs that take the time they are told."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from signbin import native
from signbin.artifact import Artifact
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.plan import Target, make_plan
from signbin.runtime import StepTime
from signbin.spec import LowBitWeight
from signbin.tune.candidates import name_of


def _graph(seed=0):
    rng = np.random.default_rng(seed)
    codes = (rng.random((2, 16, 16, 3, 3)) < 0.4).astype(np.int8)
    constants = {f"w{i}": LowBitWeight(codes[i], np.full(16, 0.1, np.float32)) for i in range(2)}
    type_ = TensorType("f32", (BATCH, 16, 8, 8))
    nodes = tuple(
        Node(
            f"conv{i}", "conv2d", (given,), {"weight": ConstRef(f"w{i}"), "padding": (1, 1)}, type_
        )
        for i, given in enumerate(("x", "conv0"))
    )
    return Graph("net", (Value("x", type_),), nodes, ("conv1",), constants)


def _artifact(seed=0, isa="portable", force=None):
    graph = _graph(seed)
    plan = make_plan(graph, native.kernels(), Target.from_cpu(native.cpu(), isa), force)
    return Artifact(graph, plan)


@dataclasses.dataclass
class Laboratory:
    """Opens programs whose layers take the milliseconds of ``times``; counts their runs."""

    times: dict
    otherwise: float = 9.0
    opened: int = 0
    runs: int = 0

    def open(self, artifact, isa):
        assert isa == "portable"
        self.opened += 1
        return _Program(self, artifact)

    def ms_of(self, layer):
        strategy, parameters = layer.strategy, layer.parameters
        for candidate in layer.candidates:
            if (candidate.strategy, candidate.parameters) == (strategy, parameters):
                return self.times.get((layer.layer, name_of(candidate)), self.otherwise)
        raise AssertionError("a tile that nobody planned")


class _Program:
    def __init__(self, laboratory, artifact):
        self._laboratory, self._artifact = laboratory, artifact

    def profile(self, images):
        self._laboratory.runs += 1
        assert images.shape == (1, 16, 8, 8)
        layers = self._artifact.plan.layers
        return [StepTime(one.layer, "kernel", self._laboratory.ms_of(one)) for one in layers]


@pytest.fixture
def make_artifact():
    return _artifact


@pytest.fixture
def laboratory():
    return Laboratory
