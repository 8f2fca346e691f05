"""Milliseconds from a plan: what a step has to do, at rates that were measured on a CPU.

A step's time is a sum of few terms, each a count times a rate >= 0: the planner's cycles, the
numbers it reads and writes, the bytes of weights or walks it streams, the numbers whose sums get
back what centring took from the inputs, and its start. Rates differ
by kind: what the step computes, on floats or codes. They come from networks that were run, by
:func:`fit`; nothing here is run.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from signbin.analysis.centring import is_centred
from signbin.errors import SpecError
from signbin.ir import Graph, Node, resolve
from signbin.plan import Layer, LayerPlan, Plan, Strategy, Target, weighted_layers

__all__ = ["TERMS", "Rates", "StepWork", "fit", "predict", "step_works"]

TERMS: Final = ("cycles", "read", "written", "streamed", "centred", "start")
"""Cycles as planned; numbers read and written; inputs or weights that are not in cache; numbers
written whose inputs were centred; one."""
_LEAST_RATE: Final = 1e-15


@dataclasses.dataclass(frozen=True)
class StepWork:
    """What one node does for one image. kind: whose rates count. amounts: one per TERMS."""

    name: str
    kind: str
    amounts: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Rates:
    """How fast one CPU is, on one thread. kinds: milliseconds per unit of TERMS, by kind.

    widest: the CPU's own instruction set, "" where that is ``isa`` itself.
    """

    cpu: str
    isa: str
    source: str
    kinds: Mapping[str, tuple[float, ...]]
    widest: str = ""

    def __post_init__(self) -> None:
        for kind, rates in self.kinds.items():
            if len(rates) != len(TERMS) or not all(0 <= rate < math.inf for rate in rates):
                allowed = f"{len(TERMS)} numbers >= 0"
                raise SpecError(f"rates of {kind}", value=rates, allowed=allowed)


def step_works(graph: Graph, plan: Plan, target: Target) -> tuple[StepWork, ...]:
    """What every node of a lowered graph does, in execution order, as planned for a target."""
    layers = {layer.name: layer for layer in weighted_layers(graph, 1)}
    return tuple(
        _weighted(graph, node, layers[node.name], plan.for_layer(node.name), target)
        if node.name in layers
        else _direct(graph, node)
        for node in graph.nodes
    )


def predict(works: Iterable[StepWork], rates: Rates) -> dict[str, float]:
    """Milliseconds of every step. SpecError where the rates do not know a kind of step."""
    found = {}
    for work in works:
        if work.kind not in rates.kinds:
            known = ", ".join(sorted(rates.kinds))
            raise SpecError("kind of step", value=work.kind, allowed=known)
        found[work.name] = float(np.dot(work.amounts, rates.kinds[work.kind]))
    return found


def fit(measured: Sequence[tuple[StepWork, float]]) -> dict[str, tuple[float, ...]]:
    """Rates by kind: least squares of relative errors, no rate below zero.

    Steps weigh by the square root of their time: most of a network's time is in long ones, and
    most of what is learned in short ones. measured: milliseconds of each step, positive.
    """
    from scipy.optimize import nnls  # noqa: PLC0415 - only where rates are made

    kinds: dict[str, list[tuple[StepWork, float]]] = {}
    for work, ms in measured:
        kinds.setdefault(work.kind, []).append((work, ms))
    found = {}
    for kind, rows in kinds.items():
        times = np.array([ms for _, ms in rows])
        amounts = np.array([work.amounts for work, _ in rows])
        weights = 1 / np.sqrt(times)
        scale = np.maximum(amounts.max(axis=0), _LEAST_RATE)
        rates = nnls(amounts / scale * weights[:, None], times * weights)[0] / scale
        found[kind] = tuple(float(rate) for rate in rates)
    return found


def _weighted(
    graph: Graph, node: Node, layer: Layer, planned: LayerPlan, target: Target
) -> StepWork:
    """A layer with weights."""
    cost = min(one.cost for one in planned.candidates if one.why.startswith("chosen"))
    pixels = math.prod(layer.output)
    cycles = cost / target.add_per_cycle * pixels / target.lanes
    form = "depthwise" if layer.is_depthwise else layer.op
    walked = planned.strategy is not Strategy.DENSE
    generated = "generated " if planned.parameters.get("generated") else ""
    strategy = f"{generated}{planned.strategy.value}"
    streamed = cycles / max(1.0, pixels / target.lanes) if walked else layer.multiply_adds
    written = float(_numbers(node.type.shape))
    centred = written if walked and is_centred(graph, layer) else 0.0
    return StepWork(
        node.name,
        f"{strategy} {form} {layer.activations}",
        (cycles, _read(graph, node), written, streamed, centred, 1.0),
    )


def _direct(graph: Graph, node: Node) -> StepWork:
    """A node without weights: every number of a window is read."""
    window = resolve(node).get("kernel", (1, 1))
    written = float(_numbers(node.type.shape))
    taps = math.prod(window) if isinstance(window, tuple) else 1
    dtype = graph.type_of(node.inputs[0]).dtype
    form = "window" if taps > 1 else "direct"
    return StepWork(
        node.name,
        f"{form} {dtype}",
        (0.0, _read(graph, node), written, written * taps, 0.0, 1.0),
    )


def _read(graph: Graph, node: Node) -> float:
    return float(sum(_numbers(graph.type_of(name).shape) for name in node.inputs))


def _numbers(shape: Sequence[int]) -> int:
    return math.prod(shape[1:])
