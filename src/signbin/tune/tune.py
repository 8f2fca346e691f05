"""Measure instead of predicting: the candidates of all layers, timed in the network itself."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from signbin import native
from signbin.artifact import Artifact
from signbin.errors import SpecError
from signbin.ir import Graph
from signbin.ir.graph import ConstRef
from signbin.plan import Candidate, Layer, LayerPlan, Plan, weighted_layers
from signbin.runtime import Program, StepTime
from signbin.spec import IntegerWeight, LowBitWeight
from signbin.tune.cache import DEFAULT_CACHE, TimesCache
from signbin.tune.candidates import CandidateTimes, name_of, settle, shortlist

__all__ = ["Autotune", "TimedProgram", "autotune"]

_ROUNDS: Final = 6
_RUNS_OF_A_TURN: Final = 4  # the first brings the program's code and weights close


class TimedProgram(Protocol):
    """What is timed: a Program."""

    def profile(
        self, images: np.ndarray[tuple[int, ...], np.dtype[np.float32]], /
    ) -> Sequence[StepTime]:
        """Run once; the time of every step."""


def _ignore_progress(done: int, total: int) -> None:
    del done, total


def _ignore_warning(text: str) -> None:
    del text


@dataclasses.dataclass(frozen=True)
class Autotune:
    """How to measure.

    cache: a JSON file that keeps the times; None measures everything. seconds: no further round of
    measurements is begun after that long; the first one is always completed. progress: is told how
    many of how many turns are done. warn: is told what is wrong with the cache. open_program: makes
    the program of an artifact whose plan is to be timed.
    """

    cache: Path | None = DEFAULT_CACHE
    seconds: float = 30.0
    progress: Callable[[int, int], None] = _ignore_progress
    warn: Callable[[str], None] = _ignore_warning
    open_program: Callable[[Artifact, str], TimedProgram] = lambda artifact, isa: Program(
        artifact, isa=isa
    )

    def __post_init__(self) -> None:
        if not math.isfinite(self.seconds) or self.seconds <= 0:
            allowed = "a positive number of seconds"
            raise SpecError("time to measure in", value=self.seconds, allowed=allowed)


def autotune(artifact: Artifact, isa: str, how: Autotune, *, forced: bool = False) -> Plan:
    """The artifact's plan with the measured-fastest candidate for every layer with weights.

    Of each layer the best predicted candidates of every kind are timed (candidates.shortlist): the
    n-th ones of all layers in one program, so that a layer reads what it reads in the network, in
    the layout it has there. Programs run one image on one thread, by turns of a few runs, the
    first of which is not timed; a candidate's time is the least of all. Layers whose candidates
    are all in the cache are not timed; where that is every layer, nothing runs. A cached time was
    taken with the same CPU, instruction set, caches and kernels, for a layer of the same shape,
    attributes and weights.

    artifact: with a plan. forced: a strategy was forced: only its tiles compete. What a layer
    computes does not depend on its candidate, beyond the order of float32 sums.
    """
    plan = artifact.plan
    if plan is None:
        raise SpecError("artifact to tune", value=None, allowed="an artifact with a plan")
    cache = TimesCache(how.cache, how.warn)
    keys = _keys(artifact.graph, plan)
    lists = {layer.layer: shortlist(layer, forced=forced) for layer in plan.layers}
    unknown = {
        name
        for name, candidates in lists.items()
        if len(candidates) > 1 and not _known(candidates, cache.times(keys[name]))
    }
    found = _measure(artifact, plan, {name: lists[name] for name in unknown}, isa, how)
    for name, times in found.items():
        cache.add(keys[name], times)
    if found:
        cache.save()
    return dataclasses.replace(
        plan,
        layers=tuple(
            _settled(layer, lists[layer.layer], cache.times(keys[layer.layer]))
            for layer in plan.layers
        ),
    )


def _known(candidates: Sequence[Candidate], times: CandidateTimes) -> bool:
    return all(name_of(candidate) in times for candidate in candidates)


def _settled(layer: LayerPlan, candidates: Sequence[Candidate], times: CandidateTimes) -> LayerPlan:
    names = [name_of(candidate) for candidate in candidates]
    competing = {name: times[name] for name in names if name in times}
    return settle(layer, competing) if competing else layer


def _measure(
    artifact: Artifact,
    plan: Plan,
    lists: Mapping[str, Sequence[Candidate]],
    isa: str,
    how: Autotune,
) -> dict[str, dict[str, float]]:
    """Milliseconds of every candidate of the layers in ``lists``."""
    variants = max(map(len, lists.values()), default=0)
    programs = []
    for number in range(variants):
        tried = {name: options[number % len(options)] for name, options in lists.items()}
        planned = dataclasses.replace(artifact, plan=_with(plan, tried))
        programs.append((tried, how.open_program(planned, isa)))
    shape = artifact.graph.inputs[0].type.shape[1:]
    image = np.random.default_rng(0).standard_normal((1, *shape)).astype(np.float32)
    best: dict[str, dict[str, float]] = {name: {} for name in lists}
    started, turns = time.monotonic(), _ROUNDS * variants
    for turn in range(turns):
        if turn % variants == 0 and turn and time.monotonic() - started > how.seconds:
            break
        tried, program = programs[turn % variants]
        program.profile(image)
        for _ in range(1, _RUNS_OF_A_TURN):
            _keep_least(program.profile(image), tried, best)
        how.progress(turn + 1, turns)
    if variants:
        how.progress(turns, turns)
    return best


def _keep_least(
    steps: Sequence[StepTime], tried: Mapping[str, Candidate], best: dict[str, dict[str, float]]
) -> None:
    for step in steps:
        if step.name in tried:
            name, times = name_of(tried[step.name]), best[step.name]
            times[name] = min(step.ms, times.get(name, math.inf))


def _with(plan: Plan, tried: Mapping[str, Candidate]) -> Plan:
    layers = []
    for layer in plan.layers:
        candidate = tried.get(layer.layer)
        if candidate is not None:
            layer = dataclasses.replace(  # noqa: PLW2901 - the same layer, run another way
                layer, strategy=candidate.strategy, parameters=candidate.parameters
            )
        layers.append(layer)
    return dataclasses.replace(plan, layers=tuple(layers))


def _keys(graph: Graph, plan: Plan) -> dict[str, str]:
    """For every layer a digest of all that its times depend on."""
    kernels = [dataclasses.astuple(kernel) for kernel in native.kernels()]
    machine = [native.cpu()["name"], plan.target, native.version(), kernels]
    return {
        layer.name: _digest([*machine, *_described(graph, layer)])
        for layer in weighted_layers(graph, images=1)
    }


def _described(graph: Graph, layer: Layer) -> list[object]:
    node = graph.node(layer.name)
    attributes = {
        name: "constant" if isinstance(value, ConstRef) else str(value)
        for name, value in node.attributes.items()
    }
    types = [str(graph.type_of(name).shape[1:]) for name in node.inputs]
    weight = layer.weight
    codes = weight.codes if isinstance(weight, LowBitWeight | IntegerWeight) else weight
    digest = hashlib.sha256(np.ascontiguousarray(codes).tobytes()).hexdigest()
    kinds = [layer.op, layer.activations, node.type.dtype, layer.top, layer.value_set.value]
    return [*kinds, types, layer.weight.shape, layer.output, attributes, digest]


def _digest(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
