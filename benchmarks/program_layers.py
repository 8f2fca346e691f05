"""A side that is layers of a program: the times are the program's own of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.layers import LAYER
from signbin.errors import ExecutionError
from signbin.measure import Profiler

__all__ = ["ProgramLayers"]


@dataclasses.dataclass(frozen=True)
class ProgramLayers:
    """Nodes of a program by name, their times added up; by default the one of ``one_layer``."""

    name: str
    program: Profiler
    images: NDArray[np.float32]
    layers: frozenset[str] = frozenset({LAYER})

    def run(self, count: int) -> Sequence[float]:
        """Seconds the layers took in each of ``count`` runs, after one that is not timed."""
        self.program.profile(self.images)
        return [self.seconds() for _ in range(count)]

    def seconds(self) -> float:
        """What the layers took in one run; ExecutionError where the program lacks one of them."""
        times = {step.name: step.ms for step in self.program.profile(self.images)}
        missing = self.layers - times.keys()
        if missing:
            raise ExecutionError(
                "layers of a program", value=sorted(missing), allowed=", ".join(times)
            )
        return sum(times[name] for name in self.layers) / 1e3
