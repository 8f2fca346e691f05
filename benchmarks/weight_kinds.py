"""How fast is a network with signed-binary, binary or ternary weights, and why?

    python -m benchmarks.weight_kinds [resnet18] [--activations float,int8,int7] [--autotune]

One network per kind of weights, made with random weights (seed 0) by ``signbin new``, every layer
with the tile its own kind is best served by. All kinds are timed by turns on one core: the sum of
the low-bit layers' own times, epilogues and window sums included, and the whole network. Beside
them stands what explains the times: vector operations counted from the weights, and the code. A
run replaces the rows of its activations, and leaves others that were made in the same way that day.

What few non-zeros bring, in times of the sparsest:

    python -m benchmarks.weight_kinds --isa auto --activations int8 --section low_density \\
        --kinds signed_binary:0.12,signed_binary:0.2,signed_binary:0.357,binary:1
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.networks import compile_run, run_signbin
from benchmarks.options import add_turns, make_parser
from benchmarks.program_layers import ProgramLayers
from benchmarks.results import record, todays
from benchmarks.roofline import Peaks, measure_peaks
from signbin import native
from signbin.errors import SpecError
from signbin.measure import (
    CalmCores,
    InProcess,
    Schedule,
    Side,
    choose_cores,
    paired_ratio,
    take_turns,
)
from signbin.plan import Strategy, Target
from signbin.plan.cost import WalkCounts, lane_waste, vector_lanes, walk_counts
from signbin.plan.layer import Layer, weighted_layers
from signbin.plan.stats import pattern_stats
from signbin.runtime import Program
from signbin.spec import LowBitWeight
from signbin.verbs.bench import random_images

# The first one is what the others are compared with. Binary weights have no zeros.
KINDS: Final = "signed_binary:0.357,binary:1,ternary:0.71,ternary:0.357"
SECTIONS: Final = ("weight_kinds", "low_density")
_WEIGHTS: Final = ("signed_binary", "binary", "ternary")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A compiled network of one kind."""

    weights: str
    density: float
    program: Program
    layers: tuple[Layer, ...]

    @property
    def name(self) -> str:
        """Of its sides."""
        return f"{self.weights}-{self.density}"


@dataclasses.dataclass(frozen=True)
class Way:
    """How the networks of one comparison run. jit: walks may become machine code."""

    activations: str
    jit: bool


def read_kinds(text: str) -> list[tuple[str, float]]:
    """Kinds of weights with their densities: "signed_binary:0.12,binary:1". SpecError else."""
    kinds = []
    for one in text.split(","):
        weights, _, density = one.partition(":")
        if weights not in _WEIGHTS or not _is_share(density):
            raise SpecError(
                "kind of weights", value=one, allowed=f"{', '.join(_WEIGHTS)} and :0 to 1"
            )
        kinds.append((weights, float(density)))
    return kinds


def _is_share(text: str) -> bool:
    try:
        return 0 < float(text) <= 1
    except ValueError:
        return False


def make_entries(way: Way, options: argparse.Namespace, folder: Path) -> Iterator[Entry]:
    """``signbin new`` and ``signbin compile`` for every kind; runs are made once."""
    for weights, density in read_kinds(options.kinds):
        run = folder / f"{options.network}-{weights}-{density}"
        if not run.exists():
            kind = ("--weights", weights, "--density", str(density), "--seed", "0")
            run_signbin("new", options.network, *kind, "-o", str(run))
        extra = ("--isa", options.isa, *(["--autotune"] if options.autotune else []))
        model = compile_run(run, way.activations, extra).model
        program = Program.load(model, isa=options.isa, jit=way.jit)
        model.unlink()
        low_bit = (
            layer
            for layer in weighted_layers(program.graph, 1)
            if isinstance(layer.weight, LowBitWeight)
        )
        yield Entry(weights, density, program, tuple(low_bit))


def measure_kinds(
    entries: Sequence[Entry], schedule: Schedule, peaks: Peaks, calm: CalmCores
) -> list[dict[str, Any]]:
    """One row per kind: times, ratios to the first kind, counts, and the floor of the load-adds."""
    images = random_images(entries[0].program.graph, 1)
    sides: list[Side] = []
    for entry in entries:
        names = frozenset(layer.name for layer in entry.layers)
        sides.append(ProgramLayers(f"{entry.name} layers", entry.program, images, names))
        sides.append(InProcess(f"{entry.name} whole", partial(entry.program, images)))
    times = take_turns(sides, schedule, calm)
    rows = []
    for entry in entries:
        row = {"weights": entry.weights, "density": entry.density, **describe(entry)}
        # A vector is 32 bytes of floats or of codes: the ports that read and add do not care.
        load_adds = 1e6 * row["operations_millions"]["load_adds"]
        row["floor_ms"] = 1e3 * load_adds / peaks.load_adds_per_s
        for part in ("layers", "whole"):
            base, own = times[f"{entries[0].name} {part}"], times[f"{entry.name} {part}"]
            row[part] = {**own.to_json(), **paired_ratio(own, base).to_json()}
        rows.append(row)
    return rows


def describe(entry: Entry) -> dict[str, Any]:
    """Operations of all low-bit layers, in millions of vectors; the tiles."""
    totals = dict.fromkeys(("load_adds", "boundaries", "window_total", "merges"), 0.0)
    for layer in entry.layers:
        if entry.program.plan.for_layer(layer.name).strategy is Strategy.BUCKET:
            counts, vectors = _counted(entry.program, layer)
            for name in totals:
                totals[name] += getattr(counts, name) * vectors
    return {
        "operations_millions": {name: total / 1e6 for name, total in totals.items()},
        "code_bytes": entry.program.code_bytes,
        "plans": {
            layer.name: {
                "strategy": (plan := entry.program.plan.for_layer(layer.name)).strategy.value,
                **plan.parameters,
            }
            for layer in entry.layers
        },
    }


def _counted(program: Program, layer: Layer) -> tuple[WalkCounts, float]:
    """Counts per vector of output pixels, and vectors computed, idle lanes included."""
    assert isinstance(layer.weight, LowBitWeight)
    tile = program.plan.for_layer(layer.name).parameters
    stats = pattern_stats(layer.weight, tile["filters"], convolution_groups=layer.groups)
    lanes = vector_lanes(layer, Target.from_cpu(native.cpu(), program.isa))
    pixels = int(np.prod(layer.output))
    vectors = pixels / lanes * lane_waste(layer, tile["vectors"], lanes)
    return walk_counts(layer, stats, tile["chunk"]), vectors


def line(row: dict[str, Any]) -> str:
    """One row for people."""
    layers, whole = row["layers"], row["whole"]
    counts = row["operations_millions"]
    return (
        f"{row['activations']:6} {'jit' if row['jit'] else '   '}"
        f" {row['weights']:14} {row['density']:<6}"
        f"layers {layers['median_ms']:8.3f} ms ({layers['ratio']:.2f}x)"
        f"   whole {whole['median_ms']:8.3f} ms ({whole['ratio']:.2f}x)   "
        + ", ".join(f"{name} {value:.2f} M" for name, value in counts.items())
    )


def made_with(options: argparse.Namespace) -> dict[str, Any]:
    """What all rows of a record share."""
    return {
        "isa": native.resolve_isa(options.isa),
        "autotuned": options.autotune,
        "kinds": options.kinds,
    }


def other_rows(options: argparse.Namespace, asked: Sequence[str]) -> list[dict[str, Any]]:
    """Today's rows of the network with other activations, where they were made in the same way."""
    before = todays(options.section, options.results)
    if before is None or any(
        before.get(name) != value for name, value in made_with(options).items()
    ):
        return []
    return [
        row
        for row in before["rows"]
        if row["network"] == options.network and row["activations"] not in asked
    ]


def measure_way(
    way: Way, options: argparse.Namespace, folder: Path, peaks: Peaks, calm: CalmCores
) -> Iterator[dict[str, Any]]:
    """The rows of one comparison, with the peaks and the waits they were made with."""
    entries = tuple(make_entries(way, options, folder))
    found, asked = calm.calm, calm.asked
    measured = measure_kinds(entries, Schedule(rounds=options.rounds), peaks, calm)
    head = {"network": options.network, **dataclasses.asdict(way)}
    waits = {"calm_turns": calm.calm - found, "turns": calm.asked - asked}
    for row in measured:
        yield {**head, **row, "peaks": dataclasses.asdict(peaks), **waits}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every kind with every activations, print and record."""
    options = _options(arguments)
    cores = choose_cores(1)
    os.sched_setaffinity(0, cores)
    peaks = measure_peaks(cores[0])
    asked = options.activations.split(",")
    ways = [Way(activations, jit) for activations in asked for jit in (True, False)]
    rows, calm = [], CalmCores(cores, options.calm)
    with tempfile.TemporaryDirectory(prefix="signbin-kinds-") as folder:
        for way in ways:
            for row in measure_way(way, options, Path(folder), peaks, calm):
                rows.append(row)
                sys.stderr.write(line(row) + "\n")
    rows = [*other_rows(options, asked), *rows]
    content = {"rows": rows, **made_with(options), "threads": 1, "cores": list(cores)}
    sys.stdout.write(f"wrote {record(options.section, content, options.results)}\n")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("network", nargs="?", default="resnet18")
    parser.add_argument("--activations", default="float,int8,int7")
    parser.add_argument("--isa", default="avx2")
    parser.add_argument("--kinds", default=KINDS, help="weights:density, separated by commas")
    parser.add_argument("--autotune", action="store_true", help="measure tiles, do not predict")
    parser.add_argument("--section", default=SECTIONS[0], choices=SECTIONS, help="of the record")
    add_turns(parser, rounds=20, calm=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
