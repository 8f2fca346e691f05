"""How fast is each layer, against oneDNN fp32 and against what the machine allows?

For every shape and kind of weights: one layer in the middle of a network, its output compared
with oneDNN's first, then both timed by turns on one core. Ours is the program's own record of
that layer, epilogue included, in the layout it has inside a network; theirs has its weights
reordered beforehand and ReLU fused.

    python -m benchmarks.kernels [--shapes resnet18,resnet18-float] [--weights signed_binary,float]

Best against best, unless --both limits our kernels and oneDNN's (ONEDNN_MAX_CPU_ISA) to one
instruction set; such results are a section of their own.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.layers import LAYER, Shape, images_for, one_layer, random_weight, read_shapes
from benchmarks.options import add_layers, add_turns, make_parser
from benchmarks.program_layers import ProgramLayers
from benchmarks.results import record
from benchmarks.roofline import Peaks, dense_floor_ms, measure_peaks, planned_floor_ms
from signbin import native
from signbin.artifact import Artifact
from signbin.ir import Graph
from signbin.measure import (
    InProcess,
    Schedule,
    Side,
    agreement,
    choose_cores,
    paired_ratio,
    take_turns,
)
from signbin.plan import Strategy
from signbin.runtime import Program

_TOLERANCE: Final = 1e-4
_FLOAT_ONLY: Final = ("resnet18-float",)
_ONEDNN_LIMIT: Final = "ONEDNN_MAX_CPU_ISA"
LIMITS: Final = ("avx2",)
"""Instruction sets that oneDNN's kernels can be limited to, and ours with them."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What to measure for one row."""

    shape: Shape
    weights: str
    density: float
    isa: str
    schedule: Schedule


def measure_layer(job: Job, peaks: Peaks) -> dict[str, Any]:
    """One row: correctness, paired times, rates and floors."""
    from benchmarks.onednn import fastest_convolution  # noqa: PLC0415 - PyTorch is slow to load

    graph = one_layer(job.shape, random_weight(job.shape, job.weights, job.density))
    strategy = Strategy.DENSE if job.weights == "float" else None
    program = Program(Artifact(graph), isa=job.isa, strategy=strategy)
    images = images_for(job.shape)
    weight = graph.array(graph.node(LAYER).attributes["weight"])
    call, memory_format, expected = fastest_convolution(job.shape, weight, images)
    found = agreement(program(images), expected)
    found.require(f"{job.weights} {job.shape}", _TOLERANCE)
    sides: list[Side] = [ProgramLayers("ours", program, images), InProcess("onednn", call)]
    times = take_turns(sides, job.schedule)
    return {
        "shape": job.shape.name,
        "layer": str(job.shape),
        "weights": job.weights,
        "density": job.density if job.weights in ("signed_binary", "ternary") else 1.0,
        "macs": job.shape.macs,
        **_planned(program, graph, job.shape, peaks),
        **_rated(times["ours"].to_json(), job.shape.macs),
        **dataclasses.asdict(found),
        **paired_ratio(times["onednn"], times["ours"]).to_json(),
        "onednn": {
            **_rated(times["onednn"].to_json(), job.shape.macs),
            "memory_format": memory_format,
            "floor_ms": dense_floor_ms(job.shape, peaks),
        },
    }


def _planned(program: Program, graph: Graph, shape: Shape, peaks: Peaks) -> dict[str, Any]:
    plan = program.plan.for_layer(LAYER)
    return {
        "strategy": plan.strategy.value,
        "parameters": dict(plan.parameters),
        "kernel": program.kernels[LAYER],
        "floor_ms": planned_floor_ms(shape, graph, plan, peaks),
    }


def _rated(times: dict[str, Any], macs: int) -> dict[str, Any]:
    return {**times, "gmacs_per_s": macs / times["median_ms"] / 1e6}


def line(row: dict[str, Any]) -> str:
    """One row for people: both sides with the floor beside each time."""
    theirs = row["onednn"]
    return (
        f"{row['weights']:14} {row['layer']:26} {row['strategy']:7}"
        f"{row['median_ms']:9.4f} ms (floor {row['floor_ms']:.4f}) {row['gmacs_per_s']:7.1f} GMAC/s"
        f"   oneDNN {theirs['median_ms']:8.4f} ms (floor {theirs['floor_ms']:.4f})"
        f"   {row['ratio']:5.2f}x ({row['ratio_low']:.2f}-{row['ratio_high']:.2f})"
    )


def limit_onednn(options: argparse.Namespace) -> None:
    """Does what ``--both`` says, before oneDNN is loaded: it has no other door."""
    if options.both:
        options.isa = native.resolve_isa(options.both)
        os.environ[_ONEDNN_LIMIT] = options.both.upper()


def add_both(parser: argparse.ArgumentParser) -> None:
    """The option that :func:`limit_onednn` obeys."""
    parser.add_argument("--both", choices=LIMITS, help="limit ours and oneDNN to this one")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all rows, print them, record them."""
    options = _options(arguments)
    limit_onednn(options)
    cores = choose_cores(1)
    os.sched_setaffinity(0, cores)
    import torch  # noqa: PLC0415 - after the affinity is set

    torch.set_num_threads(1)
    peaks = measure_peaks(cores[0])
    schedule = Schedule(rounds=options.rounds)
    from benchmarks.onednn import call_ms  # noqa: PLC0415

    rows = []
    for name in options.shapes.split(","):
        for weights in ("float",) if name in _FLOAT_ONLY else options.weights.split(","):
            for shape in read_shapes(name):
                job = Job(shape, weights, options.density, options.isa, schedule)
                rows.append({"network": name, **measure_layer(job, peaks)})
                sys.stderr.write(line(rows[-1]) + "\n")
    content = {
        "rows": rows,
        "peaks": dataclasses.asdict(peaks),
        "onednn_call_ms": call_ms(),
        "isa": native.resolve_isa(options.isa),
        "onednn_max_cpu_isa": os.environ.get(_ONEDNN_LIMIT, ""),
        "torch": torch.__version__,
        "threads": 1,
        "cores": list(cores),
    }
    section = f"kernels_{options.both}" if options.both else "kernels"
    path = record(section, content, options.results)
    sys.stdout.write(f"wrote {path}\n")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    add_layers(parser, "resnet18,resnet18-float,resnet20,mobile", "signed_binary,float")
    add_both(parser)
    add_turns(parser, rounds=10)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
