"""Every engine on ResNet-18's layers, timed on one core, each tuned for as long as the others.

A row is a layer, a kind of weights and a type of activations: every engine is tuned alone for so
many seconds (building a candidate counts), its outputs held against a dense program's or, on
codes, required to be equal to it; then the winners are timed by turns. Rows are written as they are
finished, so that a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.layers import LAYER, Shape, count_shapes, images_for, one_layer, random_weight
from benchmarks.program_layers import ProgramLayers
from signbin import native
from signbin.artifact import Artifact
from signbin.environment import environment
from signbin.errors import SignbinError
from signbin.files import write_whole
from signbin.ir import Constant, Graph
from signbin.measure import Schedule, choose_cores, take_turns
from signbin.passes import quantize_activations
from signbin.plan import (
    GroupSearch,
    MachineCode,
    Plan,
    Strategy,
    Target,
    make_plan,
)
from signbin.plan.cost import Tile, walk_cost, walk_counts
from signbin.plan.generated import generated_cost
from signbin.plan.grouping import regroup
from signbin.plan.layer import Layer, weighted_layers
from signbin.plan.operations import walk_operations
from signbin.plan.plan import LayerPlan
from signbin.plan.shared_sums import sums_option
from signbin.plan.stats import (
    LARGEST_GROUP,
    LARGEST_TERNARY_GROUP,
    entropy_bits,
    pattern_stats,
)
from signbin.plan.strategies import STRATEGIES
from signbin.runtime import Program
from signbin.spec import ActivationSpec, Kernel, LowBitWeight
from signbin.sums import additions_bound

KINDS: Final = {"signed_binary": 0.357, "ternary": 0.71, "binary": 1.0, "aligned": 0.357}
"""Of independent weights, by density; aligned: see :func:`aligned_weight`."""
_ALIGNED: Final = 8  # filters whose zeros coincide, in _ALIGNED_SHARE of all positions
_ALIGNED_SHARE: Final = 0.5
TYPES: Final = ("f32", "u8")
_RULES: Final = {rule.strategy: rule for rule in STRATEGIES}
_TRIAL_CALLS: Final = 5
_TOLERANCE: Final = 1e-4
_SUM_TILES: Final = ((8, 32), (16, 64), (32, 64), (32, 144), (32, 288), (64, 144), (64, 288))
_GROUPS: Final = (2, 3, 4, 5, 6, 7, 8)
_SHARE_OF_QGYM: Final = 0.5  # of the tuning time that one search of equality saturation may take

Candidate = tuple[float, Mapping[str, int]]


@dataclasses.dataclass(frozen=True)
class Engine:
    """What competes: a strategy; jit: with walks as machine code; grouped: filters regrouped.

    isa: of the program; walks of floats become machine code of AVX2 alone.
    """

    name: str
    strategy: Strategy
    jit: bool = False
    grouped: bool = False
    isa: str = "auto"
    options: Mapping[str, int] = dataclasses.field(default_factory=dict)


ENGINES: Final = (
    Engine("dense", Strategy.DENSE),
    Engine("sparse", Strategy.SPARSE),
    Engine("agr", Strategy.AGR),
    Engine("summerge", Strategy.SUMMERGE),
    Engine("cse", Strategy.CSE),
    Engine("qgym", Strategy.QGYM),
    Engine("bitserial", Strategy.BITSERIAL),
    Engine("bucket", Strategy.BUCKET),
    Engine("bucket, regrouped", Strategy.BUCKET, grouped=True),
    Engine("bucket, machine code", Strategy.BUCKET, jit=True, isa="avx2"),
)
BINARY_ALONE: Final = (
    Engine("summerge, two groups", Strategy.SUMMERGE, options={"two_groups": 1}),
    Engine("bucket, two groups", Strategy.BUCKET, options={"two_groups": 1}),
)


@dataclasses.dataclass(frozen=True)
class Job:
    """One row: a shape, how often ResNet-18 has it, and what its weights and inputs are."""

    shape: Shape
    times: int
    kind: str
    type: str

    @property
    def key(self) -> str:
        """What the row is found by."""
        return f"{self.shape.name} {self.kind} {self.type}"

    def graph(self) -> Graph:
        """The layer between two others, as in a network; on codes quantised throughout."""
        density = KINDS[self.kind]
        if self.kind == "aligned":
            weight: Constant = aligned_weight(self.shape, density)
        else:
            weight = random_weight(self.shape, self.kind, density)
        graph = one_layer(self.shape, weight)
        if self.type == "f32":
            return graph
        signed, unsigned = ActivationSpec(0.03125, 128, 8), ActivationSpec(0.015625, 0, 8)
        specs = {"x": signed} | dict.fromkeys(("before", LAYER, "after"), unsigned)
        return quantize_activations(graph, specs)


def aligned_weight(shape: Shape, density: float) -> LowBitWeight:
    """Signed-binary weights, half of whose positions are zero in all filters of a group of 8.

    The density is that of independent weights; the filters of a group have one sign.
    """
    rng = np.random.default_rng(0)
    groups, inputs = shape.filters // _ALIGNED, math.prod(shape.weight[1:])
    kept = rng.random((groups, 1, inputs)) >= _ALIGNED_SHARE
    used = rng.random((groups, _ALIGNED, inputs)) < density / (1 - _ALIGNED_SHARE)
    signs = rng.choice(np.array([-1, 1], np.int8), (groups, 1, 1))
    scale = np.full(shape.filters, (2 / (inputs * density)) ** 0.5, np.float32)
    return LowBitWeight(((kept & used) * signs).astype(np.int8).reshape(shape.weight), scale)


def jobs() -> list[Job]:
    """The distinct 3x3 convolutions of ResNet-18, with every kind and type."""
    return [
        Job(shape, times, kind, type_)
        for kind in KINDS
        for shape, times in count_shapes("resnet18").items()
        for type_ in TYPES
    ]


@dataclasses.dataclass(frozen=True)
class Tuned:
    """The fastest candidate an engine found, and how many it tried."""

    program: Program
    parameters: Mapping[str, int]
    side: ProgramLayers
    tried: int


def measure(path: Path, seconds: float, only: str = "", *, again: bool = False) -> dict[str, Any]:
    """Measure what ``path`` lacks, row by row, and return all of it.

    only: rows whose name has this in it. again: time rows that are there with the parameters they
    were tuned to, instead.
    """
    cores = choose_cores(1)
    os.sched_setaffinity(0, cores)
    document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"rows": {}}
    document |= {"environment": environment(), "tuning_seconds": seconds, "cores": list(cores)}
    document["layers"] = len(count_shapes("resnet18"))
    for job in jobs():
        row = document["rows"].get(job.key)
        if only not in job.key or (row is not None) is not again:
            continue
        document["rows"][job.key] = measure_row(job, seconds, row["engines"] if row else {})
        write_whole({path: (json.dumps(document, indent=1) + "\n").encode()})
        sys.stderr.write(f"{job.key} done\n")
    return dict(document)


def measure_row(job: Job, seconds: float, known: Mapping[str, Any]) -> dict[str, Any]:
    """Tune every engine that is not known, then time the winners by turns.

    Regrouped filters are walked with the parameters that are best for those in their own order.
    """
    graph = job.graph()
    layer, images = _layer(graph), images_for(job.shape)
    task = Task(graph, images, Program(Artifact(graph), strategy=Strategy.DENSE)(images))
    found: dict[str, Tuned] = {}
    for engine in (*ENGINES, *(BINARY_ALONE if job.kind == "binary" else ())):
        if engine.grouped:
            candidates: Sequence[Mapping[str, int]] = [found[engine.strategy.value].parameters]
        elif engine.name in known:
            candidates = [known[engine.name]["parameters"]]
        else:
            candidates = _sorted_candidates(engine, layer, seconds)
        best = tune(engine, task, candidates, seconds)
        if best is not None:
            tried = known.get(engine.name, {}).get("tried", best.tried)
            found[engine.name] = dataclasses.replace(best, tried=tried)
    sides = [one.side for one in found.values()]
    times = take_turns(sides, Schedule(rounds=16, warm_up_s=0.05, turn_s=0.05))
    return {
        "layer": str(job.shape),
        "times": job.times,
        "kind": job.kind,
        "type": job.type,
        "outputs": math.prod(layer.output),
        "multiply_adds": job.shape.macs,
        "bound": _bound(layer),
        "engines": {name: _row(one, layer, times[name].to_json()) for name, one in found.items()},
    }


def _row(one: Tuned, layer: Layer, times: Mapping[str, Any]) -> dict[str, Any]:
    plan = one.program.plan.for_layer(LAYER)
    rule = _RULES[plan.strategy]
    if plan.order:
        operations = walk_operations(layer, plan.parameters, plan.order)
    else:
        operations = rule.operations(layer, plan.parameters)
    return {
        "parameters": dict(plan.parameters),
        "kernel": one.program.kernels[LAYER],
        "adds": operations.additions,
        "multiplications": operations.multiplications,
        "bytes": one.program.program_bytes[LAYER] or operations.size_bytes,
        "tried": one.tried,
        "median_ms": times["median_ms"],
        "min_ms": times["min_ms"],
    }


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """A network with the layer, its input, and what a dense program makes of it."""

    graph: Graph
    images: NDArray[np.float32]
    expected: NDArray[np.float32]


def tune(
    engine: Engine, task: Task, candidates: Sequence[Mapping[str, int]], seconds: float
) -> Tuned | None:
    """The fastest candidate that ``seconds`` allow, at least one; None where none can serve."""
    layer = _layer(task.graph)
    end = time.monotonic() + seconds
    best, fastest, tried = None, float("inf"), 0
    for parameters in candidates:
        if tried and time.monotonic() >= end:
            break
        try:
            program = _program(engine, task.graph, layer, parameters)
        except SignbinError:  # a tile whose sums do not fit 16 bits, or offsets too far apart
            continue
        tried += 1
        _require(program(task.images), task.expected, engine, layer)
        side = ProgramLayers(engine.name, program, task.images)
        took = min(side.seconds() for _ in range(_TRIAL_CALLS))
        if took < fastest:
            best, fastest = Tuned(program, parameters, side, tried), took
    return None if best is None else dataclasses.replace(best, tried=tried)


def _sorted_candidates(engine: Engine, layer: Layer, seconds: float) -> Sequence[Mapping[str, int]]:
    """Parameters worth trying, the most promising first; none where the engine cannot serve."""
    if _RULES[engine.strategy].applies(layer) is not None:
        return ()
    candidates = sorted(_candidates(engine, layer, _target(engine), seconds), key=_first)
    return [parameters for _, parameters in candidates]


def _first(candidate: Candidate) -> float:
    return candidate[0]


def _require(
    found: NDArray[np.float32], expected: NDArray[np.float32], engine: Engine, layer: Layer
) -> None:
    largest = float(np.abs(expected).max())
    allowed = 0.0 if layer.activations == "u8" else _TOLERANCE * largest
    error = float(np.abs(found - expected).max())
    if error > allowed:
        raise AssertionError(f"{engine.name} is off by {error}; allowed: {allowed}")


def _program(engine: Engine, graph: Graph, layer: Layer, parameters: Mapping[str, int]) -> Program:
    """The graph with its layer planned just so."""
    target = _target(engine)
    plan = make_plan(graph, native.kernels(), target, images=1)
    chosen = LayerPlan(
        layer=LAYER,
        op=layer.op,
        value_set=layer.value_set.value,
        density=layer.density,
        macs=layer.macs,
        strategy=engine.strategy,
        parameters=parameters,
        why="tuned",
        candidates=(),
        order=_order(engine, layer, parameters),
    )
    rows = tuple(chosen if one.layer == LAYER else one for one in plan.layers)
    return Program(Artifact(graph, Plan(str(target), rows)), isa=engine.isa, jit=engine.jit)


def _order(
    engine: Engine, layer: Layer, parameters: Mapping[str, int]
) -> tuple[tuple[int, ...], ...]:
    if not engine.grouped:
        return ()
    return regroup(layer, parameters["filters"], parameters["chunk"], GroupSearch()).order


def _candidates(
    engine: Engine, layer: Layer, target: Target, seconds: float
) -> Iterator[Candidate]:
    """(predicted cost, parameters) of everything worth trying."""
    kernels = _kernels(engine, layer, target)
    if engine.strategy is Strategy.BUCKET:
        yield from _walks(engine, layer, kernels, target)
    elif engine.strategy in (Strategy.DENSE, Strategy.BITSERIAL):
        for option in _RULES[engine.strategy].options(layer, kernels, target):
            yield option.cost, {**option.parameters, **engine.options}
    else:
        for tile, kernel in itertools.product(_tiles(engine, layer, seconds), kernels):
            vectors = {**tile, "vectors": kernel.vectors}
            yield _sums_cost(engine, layer, tile, kernel, target), vectors


def _tiles(engine: Engine, layer: Layer, seconds: float) -> Iterator[Mapping[str, int]]:
    most = {"filters": layer.filters, "inputs": layer.inputs}
    tiles: Sequence[tuple[int, int]] = _SUM_TILES
    if engine.strategy is Strategy.SPARSE:
        tiles = tuple((1, inputs) for inputs in _long_tiles(layer))
    elif engine.strategy is Strategy.AGR:
        tiles = tuple(itertools.product(_GROUPS, _long_tiles(layer)))
    elif engine.strategy is Strategy.QGYM:
        tiles = ((8, 32),)
    for filters, inputs in tiles:
        tile = {
            "filters": min(filters, most["filters"]),
            "inputs": min(inputs, most["inputs"]),
            **engine.options,
        }
        if engine.strategy is Strategy.QGYM:
            tile["seconds"] = max(1, round(seconds * _SHARE_OF_QGYM))
        yield tile


def _long_tiles(layer: Layer) -> Sequence[int]:
    """All inputs; on codes as many as surely fit 16 bits, or do where that many are zero."""
    if layer.activations == "f32":
        return (layer.inputs,)
    least = 65535 // layer.top
    return sorted({min(layer.inputs, least * half // 2) for half in (2, 3, 5)})


def _sums_cost(
    engine: Engine, layer: Layer, tile: Mapping[str, int], kernel: Kernel, target: Target
) -> float:
    """By prediction where that is cheap: larger tiles are built only when their turn comes."""
    if engine.strategy in (Strategy.SPARSE, Strategy.AGR, Strategy.QGYM):
        return sums_option(layer, engine.strategy, tile, kernel, target).cost
    return abs(tile["filters"] * tile["inputs"] - 32 * 144) + 1e-3 * abs(kernel.vectors - 7)


def _walks(
    engine: Engine, layer: Layer, kernels: Sequence[Kernel], target: Target
) -> Iterator[Candidate]:
    two = bool(engine.options.get("two_groups"))
    largest = LARGEST_TERNARY_GROUP if two or layer.radix == 3 else LARGEST_GROUP
    assert isinstance(layer.weight, LowBitWeight)
    sizes = {-(-layer.channels // number) for number in range(1, 33)}
    chunks = sorted(size for size in sizes if size >= 16)
    for filters in range(2, largest + 1):
        stats = pattern_stats(layer.weight, filters)
        counted = [(chunk, walk_counts(layer, stats, chunk)) for chunk in chunks]
        for kernel, (chunk, counts) in itertools.product(kernels, counted):
            if not kernel.generated and layer.channels % chunk:
                continue  # compiled walks take equal chunks only, as in the planner
            tile = Tile(filters, kernel.vectors, chunk, kernel.together)
            price = generated_cost if kernel.generated else walk_cost
            cost = price(layer, counts, tile, target.running(kernel.isa))
            parameters = {"filters": filters, "vectors": kernel.vectors, "chunk": chunk}
            if kernel.generated:
                parameters["generated"] = 1
            yield cost, {**parameters, **engine.options}


def _kernels(engine: Engine, layer: Layer, target: Target) -> list[Kernel]:
    """The kernels of the best instruction set that has any for the engine."""
    rule = _RULES[engine.strategy]
    for isa in target.isas:
        found = [
            kernel
            for kernel in native.kernels()
            if (kernel.strategy, kernel.op, kernel.isa) == (rule.family, layer.op, isa)
            and kernel.usable
            and kernel.activations == layer.activations
            and (engine.strategy is not Strategy.BUCKET or kernel.generated is engine.jit)
        ]
        if found:
            return found
    return []


def _target(engine: Engine) -> Target:
    target = Target.from_cpu(native.cpu(), engine.isa)
    return target if engine.jit else dataclasses.replace(target, generation=MachineCode.OFF)


def _layer(graph: Graph) -> Layer:
    return next(layer for layer in weighted_layers(graph, 1) if layer.name == LAYER)


def _bound(layer: Layer) -> float:
    assert isinstance(layer.weight, LowBitWeight)
    return additions_bound(layer.filters, layer.inputs, entropy_bits(layer.weight))
