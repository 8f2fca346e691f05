"""The least time one core could need: measured peaks of the machine over counted work."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.layers import Shape
from signbin.errors import ExecutionError
from signbin.ir import Graph
from signbin.plan import LayerPlan, Strategy
from signbin.plan.stats import pattern_stats
from signbin.spec import LowBitWeight

_SOURCE: Final = Path(__file__).parent / "peaks.c"
_LANES: Final = 8  # numbers in a vector of load_adds_per_s


@dataclasses.dataclass(frozen=True)
class Peaks:
    """What one core was measured to do at most.

    fma_per_s: fp32 multiply-adds. load_adds_per_s: vectors of 8 numbers read from L1 and added.
    bytes_per_s: read from memory.
    """

    fma_per_s: float
    load_adds_per_s: float
    bytes_per_s: float


def measure_peaks(core: int) -> Peaks:
    """Compile and run peaks.c on a core; ExecutionError without a C compiler."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise ExecutionError("the roofline needs a C compiler", remedy="install gcc, or set CC")
    native = ["-march=native"] if platform.machine() in ("x86_64", "AMD64") else []
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder) / "peaks"
        flags = ["-O2", "-ffp-contract=fast", *native]
        subprocess.run([compiler, *flags, str(_SOURCE), "-o", str(binary)], check=True)
        pinned = ["taskset", "-c", str(core)] if shutil.which("taskset") else []
        done = subprocess.run([*pinned, str(binary)], check=True, capture_output=True, text=True)
    return Peaks(**json.loads(done.stdout))


def dense_floor_ms(shape: Shape, peaks: Peaks, batch: int = 1) -> float:
    """Multiply-adds at the peak rate, or the images through memory, whichever takes longer."""
    return _longest_ms(shape.macs / peaks.fma_per_s, shape, peaks, batch)


def planned_floor_ms(
    shape: Shape, graph: Graph, plan: LayerPlan, peaks: Peaks, batch: int = 1
) -> float:
    """The floor of the strategy that was chosen.

    bucket: one vector load-add per input with a non-zero pattern and vector of 8 output pixels;
    neither boundaries nor offsets nor idle lanes are counted, so no walk with this F can be
    faster. dense: as :func:`dense_floor_ms`.
    """
    weight = graph.constants["weight"]
    if plan.strategy is not Strategy.BUCKET or not isinstance(weight, LowBitWeight):
        return dense_floor_ms(shape, peaks, batch)
    filters = plan.parameters["filters"]
    stats = pattern_stats(weight, filters, convolution_groups=shape.groups)
    vectors = shape.output[0] * shape.output[1] / _LANES
    return _longest_ms(stats.load_adds * vectors / peaks.load_adds_per_s, shape, peaks, batch)


def _longest_ms(seconds_per_image: float, shape: Shape, peaks: Peaks, batch: int) -> float:
    # Images that fit a cache need not come from memory: then only the arithmetic counts.
    moved_s = shape.moved_bytes * batch / peaks.bytes_per_s if batch > 1 else 0.0
    return 1e3 * max(seconds_per_image * batch, moved_s)
