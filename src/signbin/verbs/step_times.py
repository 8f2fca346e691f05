"""How long every step of a compiled model takes: measured here, or predicted for this machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from signbin import artifact, native
from signbin.analysis.latency import Rates, predict, step_works
from signbin.artifact import Artifact
from signbin.plan import Plan, Target
from signbin.runtime import Program
from signbin.verbs.check.machines import machine_of, rates_for
from signbin.verbs.profile import profile
from signbin.verbs.recognition import SourceKind, kind_of, refusal

__all__ = ["StepTimes", "timed_artifact"]

_REPEATS: Final = 10


@dataclasses.dataclass(frozen=True)
class StepTimes:
    """Milliseconds of every step of one image on one thread, and where they come from."""

    steps: Mapping[str, float]
    how: str = ""

    @property
    def total(self) -> float | None:
        """Of all steps; None where nobody knows."""
        return sum(self.steps.values()) if self.steps else None


def timed_artifact(path: Path, *, measure: bool) -> tuple[Artifact, StepTimes]:
    """A ``.sbn`` file with its plan, and the times of its steps.

    measure: whether it is run, on random images, as planned for this machine; else times are
    predicted where this machine is the one it was planned for and its speed is known. SpecError for
    a network in parts, FormatError for a damaged file, ExecutionError where it cannot be run.
    """
    if path.is_file() and kind_of(str(path)) is SourceKind.PARTS:
        raise refusal(str(path), "model", "a .sbn file of one engine")
    opened = artifact.read(path)
    if not measure:
        return opened, _predicted(opened)
    program = Program.load(path, threads=1)
    return dataclasses.replace(opened, plan=program.plan), _measured(program)


def _measured(program: Program) -> StepTimes:
    found = profile(program, repeats=_REPEATS)
    how = f"measured on {native.cpu()['name']}, {program.isa}: median of {_REPEATS} runs"
    return StepTimes({layer.name: layer.ms for layer in found.layers}, how)


def _predicted(opened: Artifact) -> StepTimes:
    machine = machine_of("auto")
    rates = rates_for(machine)
    if opened.plan is None or str(machine) != opened.plan.target or rates is None:
        return StepTimes({})
    return _at(opened, opened.plan, machine, rates)


def _at(opened: Artifact, plan: Plan, machine: Target, rates: Rates) -> StepTimes:
    works = step_works(opened.graph, plan, machine)
    if not all(work.kind in rates.kinds for work in works):
        return StepTimes({})
    return StepTimes(predict(works, rates), f"predicted: {rates.source}")
