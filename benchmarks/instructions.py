"""How many instructions does each kernel execute? Counted by valgrind's callgrind.

    python -m benchmarks.instructions [--shapes resnet18] [--weights signed_binary,float]

Counts do not depend on load or clock, so they show what a change of a kernel really did. Each
row is one call of a program of a single layer, the conversions of its input and output and the
way in from Python (some ten thousand instructions) included. Valgrind 3.19 emulates a CPU with
AVX2 and without AVX-512.

One process under valgrind calls all layers, with a call of getppid before and after each: there
callgrind writes down what it has counted, and starts again.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.layers import LAYER, Shape, images_for, one_layer, random_weight, read_shapes
from benchmarks.options import add_layers, make_parser
from benchmarks.results import record
from signbin.artifact import Artifact
from signbin.errors import ExecutionError
from signbin.plan import Strategy
from signbin.runtime import Program

_MARK: Final = "getppid"
_COUNT: Final = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Job:
    """One row: a shape of a network with weights of a kind."""

    network: str
    shape: Shape
    weights: str


def make_program(job: Job, options: argparse.Namespace) -> Program:
    """The layer alone, dense for float weights, else as planned."""
    weight = random_weight(job.shape, job.weights, options.density)
    strategy = Strategy.DENSE if job.weights == "float" else None
    graph = one_layer(job.shape, weight, alone=True)
    return Program(Artifact(graph), isa=options.isa, strategy=strategy)


def count_instructions(arguments: Sequence[str], layers: int) -> list[int]:
    """Instructions of one call of every layer, in order."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise ExecutionError("instruction counts need valgrind", remedy="apt-get install valgrind")
    with tempfile.TemporaryDirectory() as folder:
        counter = [valgrind, "--tool=callgrind", f"--dump-before={_MARK}"]
        counter += [f"--callgrind-out-file={folder}/count"]
        command = [*counter, sys.executable, "-m", "benchmarks.instructions", *arguments, "--call"]
        done = subprocess.run(
            command,
            cwd=Path(__file__).parents[1],
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        # count.1 ends at the first mark, count.2 at the second: between them is the first layer.
        dumps = [Path(folder) / f"count.{2 * index + 2}" for index in range(layers)]
        found = [_COUNT.search(dump.read_text()) for dump in dumps if dump.exists()]
    counts = [int(match[1]) for match in found if match is not None]
    if done.returncode or len(counts) != layers:
        raise ExecutionError("valgrind", value=done.stderr.strip().splitlines()[-1:])
    return counts


def jobs_of(options: argparse.Namespace) -> list[Job]:
    """All rows, in order."""
    return [
        Job(network, shape, weights)
        for network in options.shapes.split(",")
        for weights in options.weights.split(",")
        for shape in read_shapes(network)
    ]


def call_once(job: Job, options: argparse.Namespace) -> None:
    """What runs under valgrind: one call to warm up, and one between two marks."""
    program, images = make_program(job, options), images_for(job.shape)
    program(images)
    os.getppid()
    program(images)
    os.getppid()


def describe(job: Job, instructions: int, options: argparse.Namespace) -> dict[str, Any]:
    """One row: kernel, instructions of a call, and per dense multiply-accumulate."""
    program = make_program(job, options)
    return {
        "network": job.network,
        "shape": job.shape.name,
        "layer": str(job.shape),
        "weights": job.weights,
        "density": options.density if job.weights in ("signed_binary", "ternary") else 1.0,
        "kernel": program.kernels[LAYER],
        "parameters": dict(program.plan.for_layer(LAYER).parameters),
        "instructions": instructions,
        "instructions_per_mac": instructions / job.shape.macs,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Count all rows, print them, record them."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _options(given)
    jobs = jobs_of(options)
    if options.call:
        for job in jobs:
            call_once(job, options)
        return 0
    counts = count_instructions(given, len(jobs))
    rows = [describe(job, count, options) for job, count in zip(jobs, counts, strict=True)]
    for row in rows:
        sys.stderr.write(
            f"{row['weights']:14} {row['layer']:26} {row['instructions']:>14,} instructions "
            f"({row['instructions_per_mac']:.4f} per MAC)  {row['kernel']}\n"
        )
    path = record("instructions", {"rows": rows}, options.results)
    sys.stdout.write(f"wrote {path}\n")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    add_layers(parser, "resnet18", "signed_binary,float")
    parser.add_argument("--call", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
