"""What the quantised layers of a network cost here, by density: measured in the network itself."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from signbin import native
from signbin.artifact import Artifact
from signbin.errors import SpecError
from signbin.ir import Graph
from signbin.layer_costs import CostUnit, LayerCosts, LayerShape, NetworkCosts
from signbin.plan import (
    GroupSearch,
    Layer,
    MachineCode,
    Target,
    expected_additions,
    expected_patterns,
    make_plan,
    predicted_cycles,
    random_weight,
    weighted_layers,
)
from signbin.runtime import Program
from signbin.spec import LowBitWeight

__all__ = ["TimeLayers", "counted_costs", "measured_costs", "rising"]

_DENSITIES: Final = (0.5, 0.36, 0.26, 0.18, 0.12, 0.08, 0.05, 0.03, 0.015, 0.0)
_POINTS: Final = 24  # of a curve; between them it is straight
_RUNS_OF_A_TURN: Final = 4  # the first brings the program's code and weights close
_LEAST_ROUNDS: Final = 5
_GROUPING: Final = GroupSearch(seconds=5.0)  # as programs are compiled


def _ignore_progress(done: int, total: int) -> None:
    del done, total


@dataclasses.dataclass(frozen=True)
class TimeLayers:
    """How to measure.

    seconds: no further round of measurements is begun after that long; the first five are always
    completed. progress: is told how many of how many programs are made.
    """

    seconds: float = 10.0
    progress: Callable[[int, int], None] = _ignore_progress

    def __post_init__(self) -> None:
        if not math.isfinite(self.seconds) or self.seconds <= 0:
            allowed = "a positive number of seconds"
            raise SpecError("time to measure in", value=self.seconds, allowed=allowed)


def counted_costs(graph: Graph, modules: Sequence[str]) -> NetworkCosts:
    """Additions of one image, as expected (plan.expected_additions); the same on every machine.

    graph: lowered. modules: the quantised layers. Layers with float weights multiply, and count
    nothing. SpecError where a module has no weight of one sign per filter in the graph.
    """
    found = []
    for module, nodes in _layers_of(graph, modules).items():
        counts = _curve_counts(nodes[0].inputs)
        costs = tuple(sum(_additions(node, count) for node in nodes) for count in counts)
        found.append(LayerCosts(module, _shapes(nodes), counts, costs, costs))
    return NetworkCosts(CostUnit.ADDITIONS, "any machine", "", {}, False, 0.0, tuple(found))


def measured_costs(
    graph: Graph, modules: Sequence[str], isa: str, how: TimeLayers | None = None
) -> NetworkCosts:
    """Milliseconds of one image on one thread of this machine, by density of every layer.

    The network is compiled with random signed-binary weights of ten densities, the same in all
    layers, as ``signbin compile`` does it, and run by turns; of every step the least time counts.
    So each layer is known by (what the planner predicts, milliseconds) at ten densities; between
    them, times follow the prediction in straight lines. fixed: all other steps, and the call.
    """
    how, isa = how or TimeLayers(), native.resolve_isa(isa)
    target = Target.from_cpu(native.cpu(), isa)
    layers = _layers_of(graph, modules)
    programs = []
    for number, density in enumerate(_DENSITIES):
        programs.append(_Timed(_program(graph, layers, density, isa)))
        how.progress(number + 1, len(_DENSITIES))
    _take_turns(programs, how.seconds)
    names = {node.name for nodes in layers.values() for node in nodes}
    rest = [program.total - program.of(names) for program in programs]
    curves = tuple(
        _curve(module, nodes, programs, lambda layer, count: _cycles(layer, count, target))
        for module, nodes in layers.items()
    )
    caches = {name: getattr(target, name) for name in ("l1_bytes", "l2_bytes", "l3_bytes")}
    return NetworkCosts(
        unit=CostUnit.MILLISECONDS,
        target=f"{native.cpu()['name']}, {target}",
        isa=isa,
        caches=caches,
        generates=target.generation is MachineCode.ON,
        fixed=max(0.0, statistics.median(rest)),
        layers=curves,
    )


def rising(values: Sequence[float]) -> tuple[float, ...]:
    """The nearest sequence, by squares, that never falls: pool adjacent violators (Ayer 1955).

    >>> rising([1.0, 3.0, 2.0, 4.0])
    (1.0, 2.5, 2.5, 4.0)
    """
    blocks: list[tuple[float, int]] = []
    for value in values:
        blocks.append((float(value), 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (low, few), (high, many) = blocks.pop(), blocks.pop()
            blocks.append(((low * few + high * many) / (few + many), few + many))
    return tuple(mean for mean, count in blocks for _ in range(count))


class _Timed:
    """A program and the least times seen so far, milliseconds."""

    def __init__(self, program: Program) -> None:
        self.program, self.total = program, math.inf
        self.steps: dict[str, float] = {}

    def take_turn(self, image: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
        self.program(image)
        for _ in range(1, _RUNS_OF_A_TURN):
            start = time.perf_counter()
            self.program(image)
            self.total = min(self.total, 1e3 * (time.perf_counter() - start))
        self.program.profile(image)
        for _ in range(1, _RUNS_OF_A_TURN):
            for step in self.program.profile(image):
                self.steps[step.name] = min(step.ms, self.steps.get(step.name, math.inf))

    def of(self, names: set[str]) -> float:
        return sum(self.steps[name] for name in names)


def _take_turns(programs: Sequence[_Timed], seconds: float) -> None:
    shape = programs[0].program.graph.inputs[0].type.shape[1:]
    image = np.random.default_rng(0).standard_normal((1, *shape)).astype(np.float32)
    started, rounds = time.monotonic(), 0
    while rounds < _LEAST_ROUNDS or time.monotonic() - started < seconds:
        for program in programs:
            program.take_turn(image)
        rounds += 1


def _curve(
    module: str,
    nodes: Sequence[Layer],
    programs: Sequence[_Timed],
    work_of: Callable[[Layer, int], float],
) -> LayerCosts:
    """Measured at some counts, the curve at many."""
    known = [max(1, round(density * nodes[0].inputs)) for density in _DENSITIES][::-1]
    times = [program.of({node.name for node in nodes}) for program in programs][::-1]
    work = rising([sum(work_of(node, count) for node in nodes) for count in known])
    counts = _curve_counts(nodes[0].inputs)
    predicted = rising([sum(work_of(node, count) for node in nodes) for count in counts])
    costs = np.interp(predicted, work, rising(times))
    return LayerCosts(module, _shapes(nodes), counts, predicted, tuple(map(float, costs)))


def _additions(layer: Layer, count: int) -> float:
    return expected_additions(_at(layer, count), count) * math.prod(layer.output)


def _cycles(layer: Layer, count: int, target: Target) -> float:
    at = _at(layer, count)
    return predicted_cycles(at, native.kernels(), target, expected_patterns(at, count))


def _program(
    graph: Graph, layers: Mapping[str, Sequence[Layer]], density: float, isa: str
) -> Program:
    """The network with random weights, compiled as a trained one is."""
    constants = dict(graph.constants)
    for module, nodes in layers.items():
        count = max(1, round(density * nodes[0].inputs))
        constants[f"{module}.weight"] = _at(nodes[0], count).weight
    drawn = dataclasses.replace(graph, constants=constants)
    target = Target.from_cpu(native.cpu(), isa)
    plan = make_plan(drawn, native.kernels(), target, grouping=_GROUPING)
    return Program(Artifact(drawn, plan), isa=isa)


def _at(layer: Layer, count: int) -> Layer:
    """The layer with random weights of that many codes, centred where its own are."""
    centred = isinstance(layer.weight, LowBitWeight) and layer.weight.offset is not None
    weight = random_weight(layer.weight.shape, count, centred=centred)
    return dataclasses.replace(layer, weight=weight)


def _curve_counts(inputs: int) -> tuple[int, ...]:
    """From one code to half of a filter's weights, in equal ratios."""
    spaced = np.geomspace(1, max(1, inputs // 2), _POINTS)
    return tuple(sorted({round(count) for count in spaced}))


def _shapes(nodes: Sequence[Layer]) -> tuple[LayerShape, ...]:
    return tuple(
        LayerShape(node.op, node.weight.shape, node.groups, node.stride, node.output)
        for node in nodes
    )


def _layers_of(graph: Graph, modules: Sequence[str]) -> dict[str, list[Layer]]:
    """The layers of every module, in the order of ``modules``."""
    found: dict[str, list[Layer]] = {module: [] for module in modules}
    owners = graph.layer_modules()
    for layer in weighted_layers(graph, 1):
        module = owners.get(layer.name, "")
        if module in found:
            if not isinstance(layer.weight, LowBitWeight) or layer.radix != 2:
                raise SpecError(
                    f"weights of {module}",
                    value=layer.value_set.values,
                    allowed="filters of one sign",
                )
            found[module].append(layer)
    for module, nodes in found.items():
        if not nodes:
            raise SpecError(f"layer {module}", value="none in the network", allowed="one")
    return found
