"""How fast are convolutions by table, against walks with and without generated code?

    python -m benchmarks.table_layers [--weights binary] [--isa avx2] [--networks resnet18]

Layers from codes to codes in the layout they have inside a network, one thread; times are the
program's own record of the layer. All ways give the same codes, which is checked first; then they
take turns. Ratios are the walk's time / the table's, of least times. Networks, with drawn weights
in all low-bit layers, are called as a whole, without generated code: as the planner has it, and
with every low-bit layer walked.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.coded_layer import CodedLayer, coded_layer
from benchmarks.layers import LAYER, read_shapes
from benchmarks.options import add_layers, add_turns, make_parser
from benchmarks.program_layers import ProgramLayers
from benchmarks.results import record, todays
from signbin import native
from signbin.artifact import Artifact
from signbin.errors import ExecutionError
from signbin.ir import Graph
from signbin.measure import InProcess, Schedule, Side, Times, choose_cores, take_turns
from signbin.plan import Candidate, LayerPlan, Plan, Strategy, Target, make_plan
from signbin.runtime import Program
from signbin.spec import ValueSet
from signbin.verbs.check.schemes import Scheme, as_scheme, low_bit_layers

SECTION: Final = "table_layers"
WAYS: Final[Mapping[str, tuple[Strategy, bool]]] = {
    "table": (Strategy.TABLE, False),
    "walk": (Strategy.BUCKET, True),
    "walk_without_code": (Strategy.BUCKET, False),
    "dense": (Strategy.DENSE, False),
}
"""Strategy, and whether machine code may be generated."""


def measure_layer(layer: CodedLayer, isa: str, schedule: Schedule) -> dict[str, Any]:
    """One row: every way's times, and what the planner chooses with and without code."""
    graph = layer.quantized()
    plan = make_plan(graph, native.kernels(), Target.from_cpu(native.cpu(), isa))
    ways = _ways(plan.for_layer(LAYER))
    programs = {
        name: Program(Artifact(graph, _taking(plan, way)), isa=isa) for name, way in ways.items()
    }
    _require_same(layer, programs)
    sides: list[Side] = [
        ProgramLayers(name, program, layer.numbers) for name, program in programs.items()
    ]
    times = take_turns(sides, schedule)
    without_code = [name for name in ways if name != "walk"]
    return {
        "shape": layer.shape.name,
        "layer": str(layer.shape),
        "macs": layer.shape.macs,
        "ways": {name: times[name].to_json() for name in ways},
        "kernels": {name: program.kernels[LAYER] for name, program in programs.items()},
        "planned": min(ways, key=lambda name: ways[name].cost),
        "planned_without_code": min(without_code, key=lambda name: ways[name].cost),
    }


def _ways(layer: LayerPlan) -> dict[str, Candidate]:
    """Of every way the candidate that is predicted to be fastest; a walk with code if there is."""
    found: dict[str, Candidate] = {}
    for name, (strategy, code) in WAYS.items():
        serving = [
            one
            for one in layer.candidates
            if one.strategy is strategy and bool(one.parameters.get("generated")) is code
        ]
        if serving and math.isfinite(serving[0].cost):
            found[name] = min(serving, key=lambda one: one.cost)
    return found


def _taking(plan: Plan, way: Candidate) -> Plan:
    layers = tuple(
        dataclasses.replace(layer, strategy=way.strategy, parameters=way.parameters)
        if layer.layer == LAYER
        else layer
        for layer in plan.layers
    )
    return dataclasses.replace(plan, layers=layers)


def _require_same(layer: CodedLayer, programs: Mapping[str, Program]) -> None:
    outputs = {name: made.trace(layer.numbers)[LAYER] for name, made in programs.items()}
    for name, output in outputs.items():
        if not np.array_equal(output, outputs["dense"]):
            allowed = "the codes of the dense layer"
            raise ExecutionError(f"{name} {layer.shape}", value="other codes", allowed=allowed)


def measure_network(name: str, scheme: Scheme, isa: str, schedule: Schedule) -> dict[str, Any]:
    """One row: the network without generated code, planned and walked."""
    graph = _network(name, scheme)
    artifact, shape = Artifact(graph), graph.inputs[0].type.shape[1:]
    image = np.random.default_rng(0).standard_normal((1, *shape)).astype(np.float32)
    planned = Program(artifact, isa=isa, jit=False)
    walked = Program(artifact, isa=isa, jit=False, strategy=Strategy.BUCKET)
    if not np.array_equal(planned(image), walked(image)):
        raise ExecutionError(name, value="other numbers", allowed="those of the walked network")
    times: Mapping[str, Times] = take_turns(
        [_calls("planned", planned, image), _calls("walked", walked, image)], schedule
    )
    return {
        "network": name,
        "planned": times["planned"].to_json(),
        "walked": times["walked"].to_json(),
        "tables": sum(layer.strategy is Strategy.TABLE for layer in planned.plan.layers),
        "layers": len(planned.plan.layers),
    }


def _calls(name: str, program: Program, image: NDArray[np.float32]) -> InProcess:
    return InProcess(name, lambda: program(image))


def _network(name: str, scheme: Scheme) -> Graph:
    from benchmarks.latency_networks import example_of  # noqa: PLC0415 - loads PyTorch
    from signbin.capture import capture  # noqa: PLC0415 - loads PyTorch
    from signbin.passes import lower  # noqa: PLC0415 - with the above

    graph = lower(capture(*example_of(name)))
    return as_scheme(graph, low_bit_layers(graph), scheme)


def line(row: Mapping[str, Any]) -> str:
    """One row for people: least times."""
    if "network" in row:
        return (
            f"{row['network']} without code: {row['planned']['min_ms']:.3f} ms, walked "
            f"{row['walked']['min_ms']:.3f} ms, {row['tables']} of {row['layers']} by table"
        )
    told = "   ".join(f"{name} {times['min_ms']:.4f}" for name, times in row["ways"].items())
    planned = f"{row['planned']}, without code {row['planned_without_code']}"
    return f"{row['weights']:14} {row['isa']:10} {row['layer']:26} {told}   planned {planned}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all rows, print them, record them beside those of other weights and kernels."""
    options = _options(arguments)
    cores, isa = choose_cores(1), native.resolve_isa(options.isa)
    os.sched_setaffinity(0, cores)
    schedule = Schedule(rounds=options.rounds)
    common = {"weights": options.weights, "density": options.density, "isa": isa}
    rows, path = [], options.results
    for row in _measured(options, isa, schedule):
        rows.append({**common, **row})
        sys.stderr.write(line(rows[-1]) + "\n")
        content = {"rows": [*_others(rows, options), *rows], "threads": 1, "cores": list(cores)}
        path = record(SECTION, content, options.results)
    sys.stdout.write(f"wrote {path}\n")
    return 0


def _measured(
    options: argparse.Namespace, isa: str, schedule: Schedule
) -> Iterator[dict[str, Any]]:
    density = 1.0 if options.weights == "binary" else options.density
    scheme = Scheme(ValueSet(options.weights), density, codes=True)
    for name in filter(None, options.networks.split(",")):
        yield measure_network(name, scheme, isa, schedule)
    for shape in [
        one for name in filter(None, options.shapes.split(",")) for one in read_shapes(name)
    ]:
        layer = coded_layer(shape, options.weights, options.density)
        yield measure_layer(layer, isa, schedule)


def _others(rows: Sequence[Mapping[str, Any]], options: argparse.Namespace) -> list[Any]:
    """Rows of today that these do not replace."""
    kept = (todays(SECTION, options.results) or {"rows": []})["rows"]
    measured = {_what(row) for row in rows}
    return [row for row in kept if _what(row) not in measured]


def _what(row: Mapping[str, Any]) -> tuple[object, ...]:
    named = row.get("network") or row["shape"]
    return named, row["weights"], row["density"], row["isa"]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    add_layers(parser, "tables", "signed_binary")
    parser.add_argument("--networks", default="", help="of benchmarks/latency_networks.py")
    add_turns(parser, rounds=10)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
