"""Where a program spends its time: its own record of every step, beside what was planned."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError, SpecError

__all__ = ["PlannedLayer", "Profile", "ProfiledLayer", "Profiler", "TimedStep", "measure_profile"]

_WARM_UP: Final = 2
_NO_WEIGHTS: Final = "direct"
_NO_WEIGHTS_WHY: Final = "no weights, one way to run it"


class TimedStep(Protocol):
    """One step of one run."""

    @property
    def name(self) -> str:
        """The node's."""

    @property
    def kernel(self) -> str:
        """The kernel that ran it."""

    @property
    def ms(self) -> float:
        """Milliseconds for the whole batch."""


class Profiler(Protocol):
    """A program that can time its steps."""

    def profile(self, images: NDArray[np.float32], /) -> Sequence[TimedStep]:
        """Run once; every step in execution order, the same ones each time."""


class PlannedLayer(Protocol):
    """What the plan says of a layer with weights."""

    @property
    def layer(self) -> str:
        """The node's name."""

    @property
    def strategy(self) -> enum.Enum:
        """How it runs."""

    @property
    def why(self) -> str:
        """The reason."""

    @property
    def density(self) -> float:
        """Non-zero codes / codes."""

    @property
    def macs(self) -> int:
        """Dense multiply-accumulates per image."""


@dataclasses.dataclass(frozen=True)
class ProfiledLayer:
    """One step: median ms over the repeats, share of the sum of all medians.

    module: what users know the step by, see :meth:`signbin.ir.Graph.modules`. gmacs_per_s: dense
    multiply-accumulates of the batch / time, so what is skipped counts as done. It and the density
    are None for a step without weights.
    """

    name: str
    kernel: str
    strategy: str
    why: str
    ms: float
    gmacs_per_s: float | None
    density: float | None
    share: float
    module: str = ""


@dataclasses.dataclass(frozen=True)
class Profile:
    """All steps, in execution order. total_ms: sum of their medians."""

    batch: int
    repeats: int
    total_ms: float
    layers: tuple[ProfiledLayer, ...]

    def to_json(self) -> dict[str, Any]:
        """A JSON object of all fields."""
        document = dataclasses.asdict(self)
        document["layers"] = [dataclasses.asdict(layer) for layer in self.layers]
        return document


def measure_profile(
    program: Profiler,
    plan: Sequence[PlannedLayer],
    images: NDArray[np.float32],
    *,
    repeats: int = 20,
    modules: Mapping[str, str] = MappingProxyType({}),
) -> Profile:
    """Run ``repeats`` times after a warm-up and take each step's median.

    modules: node name -> module, of the steps that came from one. Raises SpecError for no repeat,
    ExecutionError where the steps change between runs.
    """
    if repeats < 1:
        raise SpecError("repeats", value=repeats, allowed="1 or more")
    for _ in range(_WARM_UP):
        program.profile(images)
    runs = [program.profile(images) for _ in range(repeats)]
    steps = [(step.name, step.kernel) for step in runs[0]]
    if any([(step.name, step.kernel) for step in run] != steps for run in runs):
        raise ExecutionError("steps of a program", allowed="the same in every run")
    medians = np.median([[step.ms for step in run] for run in runs], axis=0)
    planned = {layer.layer: layer for layer in plan}
    total = float(medians.sum())
    layers = tuple(
        dataclasses.replace(
            _layer(step, float(ms), planned, _Scale(len(images), total)),
            module=modules.get(step[0], ""),
        )
        for step, ms in zip(steps, medians, strict=True)
    )
    return Profile(len(images), repeats, total, layers)


@dataclasses.dataclass(frozen=True)
class _Scale:
    batch: int
    total_ms: float


def _layer(
    step: tuple[str, str], ms: float, planned: Mapping[str, PlannedLayer], scale: _Scale
) -> ProfiledLayer:
    name, kernel = step
    share = ms / scale.total_ms if scale.total_ms else 0.0
    layer = planned.get(name)
    if layer is None:
        return ProfiledLayer(name, kernel, _NO_WEIGHTS, _NO_WEIGHTS_WHY, ms, None, None, share)
    rate = layer.macs * scale.batch / (1e6 * ms) if ms else None
    return ProfiledLayer(
        name, kernel, str(layer.strategy.value), layer.why, ms, rate, layer.density, share
    )
