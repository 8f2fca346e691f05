"""Our side of the grid: a layer with weights of a scheme, every way that could run it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.coded_layer import coded_layer, rounded
from benchmarks.grid_layers import GridLayer, Scheme
from benchmarks.grid_peers import rows_for
from benchmarks.layers import LAYER, images_for, one_layer, random_weight
from benchmarks.linear_layers import linear_graph
from benchmarks.program_layers import ProgramLayers
from signbin import native
from signbin.artifact import Artifact
from signbin.ir import Constant, Graph, interpret
from signbin.measure import Agreement, InProcess, Side, agreement
from signbin.plan import Candidate, LayerPlan, Plan
from signbin.runtime import Program
from signbin.spec import IntegerWeight, LowBitWeight

__all__ = ["OurLayer", "Way", "kind_of", "ours_of", "ways_of"]

_WIDER: Final = 8.0
"""Ways that are predicted to take more times as long as the planner's are not measured."""


@dataclasses.dataclass(frozen=True, eq=False)
class OurLayer:
    """A graph with the layer in it, by name; its input, and how an output of it agrees."""

    graph: Graph
    node: str
    given: NDArray[np.float32]
    agreement: Callable[[NDArray[Any]], Agreement]

    @property
    def images(self) -> int:
        """Rows of a call, which the planner is told."""
        return len(self.given)

    def side(self, name: str, program: Program) -> Side:
        """A linear layer is timed as a call from Python, a convolution by the program's record."""
        if self.node == LAYER:
            return ProgramLayers(name, program, self.given)
        return InProcess(name, lambda: program(self.given))


@dataclasses.dataclass(frozen=True, eq=False)
class Way:
    """A program that runs the layer one way. chosen: as the planner wants it."""

    name: str
    program: Program
    chosen: bool


def ours_of(layer: GridLayer, scheme: Scheme, activations: str) -> OurLayer:
    """The layer with random weights of the scheme."""
    if layer.op == "linear":
        return _linear(layer, scheme, activations)
    if activations == "u8":
        coded = coded_layer(layer.shape, scheme.kind, scheme.density)
        return OurLayer(coded.quantized(), LAYER, coded.numbers, coded.agreement)
    graph = one_layer(layer.shape, random_weight(layer.shape, scheme.kind, scheme.density))
    images = images_for(layer.shape)
    expected = interpret(graph, {"x": images})[LAYER]
    return OurLayer(graph, LAYER, images, lambda made: agreement(made, expected))


def _linear(layer: GridLayer, scheme: Scheme, activations: str) -> OurLayer:
    weight = _flat(random_weight(layer.shape, scheme.kind, scheme.density))
    if activations == "u8" and isinstance(weight, np.ndarray):
        weight = IntegerWeight(*rounded(weight))
    rows = rows_for(layer)
    dense = weight if isinstance(weight, np.ndarray) else weight.scale[:, None] * weight.codes
    expected = rows @ dense.astype(np.float32).T
    graph = linear_graph(weight, activations)
    return OurLayer(graph, "y", rows, lambda made: agreement(made, expected))


def _flat(weight: Constant) -> Constant:
    """(K, C, 1, 1) as (K, C)."""
    if isinstance(weight, LowBitWeight):
        return LowBitWeight(weight.codes[:, :, 0, 0].copy(), weight.scale)
    assert isinstance(weight, np.ndarray)
    return weight[:, :, 0, 0].copy()


def ways_of(ours: OurLayer, isa: str) -> list[Way]:
    """The planner's way first, then the best predicted one of every other kind of kernel.

    With AVX-512, also what the planner chooses among AVX2 kernels, where it differs.
    """
    chosen = Program(Artifact(ours.graph), isa=isa, images=ours.images)
    layer = chosen.plan.for_layer(ours.node)
    own = kind_of(layer.strategy.value, layer.parameters)
    ways = [Way(_name(own, isa), chosen, True)]
    for name, candidate in alternatives(layer).items():
        plan = _with(chosen.plan, layer, candidate)
        program = Program(Artifact(ours.graph, plan), isa=isa)
        ways.append(Way(_name(name, isa), program, False))
    if native.resolve_isa(isa).startswith("avx512"):
        narrow = Program(Artifact(ours.graph), isa="avx2", images=ours.images)
        if narrow.kernels[ours.node] != chosen.kernels[ours.node]:
            layer = narrow.plan.for_layer(ours.node)
            name = _name(kind_of(layer.strategy.value, layer.parameters), "avx2")
            ways.append(Way(name, narrow, False))
    return ways


def alternatives(layer: LayerPlan) -> dict[str, Candidate]:
    """By kind of kernel, the best predicted candidate of those that were not chosen."""
    own = kind_of(layer.strategy.value, layer.parameters)
    bound = _WIDER * min(candidate.cost for candidate in layer.candidates)
    found: dict[str, Candidate] = {}
    for candidate in sorted(layer.candidates, key=lambda candidate: candidate.cost):
        kind = kind_of(candidate.strategy.value, candidate.parameters)
        if kind != own and math.isfinite(candidate.cost) and candidate.cost <= bound:
            found.setdefault(kind, candidate)
    return found


def kind_of(strategy: str, parameters: Mapping[str, int]) -> str:
    """A strategy, and whether its code is generated."""
    return f"generated {strategy}" if parameters.get("generated") else strategy


def _name(kind: str, isa: str) -> str:
    return kind if isa == "auto" else f"{kind} {isa}"


def _with(plan: Plan, layer: LayerPlan, candidate: Candidate) -> Plan:
    changed = dataclasses.replace(
        layer, strategy=candidate.strategy, parameters=candidate.parameters
    )
    layers = tuple(changed if one is layer else one for one in plan.layers)
    return dataclasses.replace(plan, layers=layers)
