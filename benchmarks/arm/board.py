"""How fast is a board? Layers of ResNet-18, on 8-bit codes, by products and by walks.

    python -m benchmarks.arm.board -o board.json [--seconds 1]

Needs numpy and signbin alone, and runs on any Linux. Every way of running a layer is first compared
with the scalar kernels, bit for bit, then timed in turns on one thread: the least and the median of
its calls, in milliseconds. docs/edge.md says where to send the file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.coded_layer import coded_layer
from benchmarks.layers import LAYER, read_shapes
from signbin import native
from signbin.artifact import Artifact
from signbin.environment import environment
from signbin.errors import ExecutionError
from signbin.files import write_whole
from signbin.plan import Strategy, Target
from signbin.runtime import Program

_SHAPES: Final = ("layer1.0.conv1", "layer2.0.conv2", "layer3.0.conv2", "layer4.0.conv2")
_WEIGHTS: Final = ("signed_binary", 0.35)
_CALLS: Final = 3
_WAYS: Final = {
    "products": (Strategy.DENSE, False),
    "walk": (Strategy.BUCKET, False),
    "generated walk": (Strategy.BUCKET, True),
}


def measured(seconds: float) -> Iterator[dict[str, Any]]:
    """A row per layer and way. ExecutionError where outputs differ."""
    for shape in read_shapes("resnet18"):
        if shape.name not in _SHAPES:
            continue
        coded = coded_layer(shape, *_WEIGHTS)
        made = Artifact(coded.quantized())
        expected = Program(made, isa="scalar")(coded.numbers)
        programs = {
            way: Program(made, strategy=strategy, jit=jit) for way, (strategy, jit) in _WAYS.items()
        }
        for way, program in programs.items():
            if not np.array_equal(program(coded.numbers), expected):
                raise ExecutionError(f"{shape.name}, {way}", reason="other bits than scalar code")
        for way, times in _timed(programs, coded.numbers, seconds).items():
            yield {
                "layer": shape.name,
                "shape": str(shape),
                "way": way,
                "kernel": programs[way].kernels[LAYER],
                "macs": shape.macs,
                "least_ms": min(times),
                "median_ms": statistics.median(times),
                "calls": len(times),
            }


def _timed(
    programs: dict[str, Program], images: np.ndarray[Any, Any], seconds: float
) -> dict[str, list[float]]:
    """Milliseconds of the layer's own step, in turns."""
    times: dict[str, list[float]] = {way: [] for way in programs}
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(times["walk"]) < _CALLS:
        for way, program in programs.items():
            steps = program.profile(images)
            times[way].append(next(step.ms for step in steps if step.name == LAYER))
    return times


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a line each, and write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=1.0, help="for every layer")
    options = parser.parse_args(arguments)
    rows = []
    for row in measured(options.seconds):
        rows.append(row)
        rate = row["macs"] / row["least_ms"] / 1e6
        line = f"{row['shape']}, {row['way']}: {row['least_ms']:.3f} ms, {rate:.1f} GMAC/s"
        sys.stdout.write(f"{line} ({row['kernel']})\n")
    planned_for = str(Target.from_cpu(native.cpu()))
    document = {"environment": environment(), "target": planned_for, "rows": rows}
    write_whole({options.output: (json.dumps(document, indent=1) + "\n").encode()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
