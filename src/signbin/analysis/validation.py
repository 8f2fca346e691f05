"""The SIGMA-like model held against runs of the simulator STONNE.

Twice: on the very operands the simulator drew, where cycles must agree exactly and energy to its
printed digits, and on independent draws of the stated density, averaged over seeds.
"""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Final

import numpy as np

from signbin.analysis.energy import Estimate, ProcessingArray, estimate
from signbin.analysis.workload import gemm

__all__ = ["SimulatorRun", "Validation", "simulator_runs", "validate"]

_RUNS: Final = Path(__file__).parent / "references" / "stonne.toml"


@dataclasses.dataclass(frozen=True)
class SimulatorRun:
    """One run: shape (M, N, K), stationary sparsity in percent, cycles and total energy."""

    shape: tuple[int, int, int]
    multipliers: int
    bandwidth: int
    sparsity: int
    cycles: int
    energy: float

    @property
    def array(self) -> ProcessingArray:
        """The model of the simulated array."""
        return ProcessingArray("sigma", f"sigma-{self.multipliers}-{self.bandwidth}")

    @property
    def density(self) -> float:
        """1 - sparsity, as stated."""
        return round(1 - self.sparsity / 100, 2)


@dataclasses.dataclass(frozen=True)
class Validation:
    """Ours beside a run of the simulator; errors are (ours - reference) / reference."""

    reference: SimulatorRun
    cycles: float
    energy: float

    @property
    def cycles_error(self) -> float:
        """Relative error of the cycles."""
        return self.cycles / self.reference.cycles - 1

    @property
    def energy_error(self) -> float:
        """Relative error of the total energy."""
        return self.energy / self.reference.energy - 1


def simulator_runs() -> tuple[SimulatorRun, ...]:
    """The recorded runs."""
    runs = tomllib.loads(_RUNS.read_text(encoding="utf-8"))["run"]
    return tuple(SimulatorRun(**{**run, "shape": tuple(run["shape"])}) for run in runs)


def validate(pattern: str = "stonne", seeds: int = 1) -> tuple[Validation, ...]:
    """Every reference with our figure; "independent" averages over ``seeds`` seeds."""
    return tuple(_validate(reference, pattern, seeds) for reference in simulator_runs())


def _validate(reference: SimulatorRun, pattern: str, seeds: int) -> Validation:
    runs: list[Estimate] = [
        estimate(
            [gemm(reference.shape, reference.density, pattern=pattern, seed=seed)],
            reference.array,
            "stonne",
        )
        for seed in range(seeds)
    ]
    cycles = float(np.mean([run.cycles for run in runs]))
    return Validation(reference, cycles, float(np.mean([run.energy for run in runs])))
