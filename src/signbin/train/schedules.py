"""Learning rate over the steps of a run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from signbin.train.config import OptimizerConfig, ScheduleName

__all__ = ["SCHEDULES", "RunLength", "learning_rate"]

# Each maps the share of the run that is done, 0 <= done <= 1, to a factor.
SCHEDULES: Final[Mapping[ScheduleName, Callable[[float], float]]] = MappingProxyType(
    {
        ScheduleName.CONSTANT: lambda done: 1.0,
        ScheduleName.LINEAR: lambda done: 1.0 - done,
        ScheduleName.COSINE: lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
    }
)


@dataclasses.dataclass(frozen=True)
class RunLength:
    """How long a run is."""

    epochs: int
    steps_per_epoch: int

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.steps_per_epoch


def learning_rate(config: OptimizerConfig, step: int, length: RunLength) -> float:
    """The rate of step 0 <= step < length.steps: a linear rise, then the schedule.

    warm-up: ceil(warmup * steps) steps, the n-th at n / warm-up of the full rate. Constant, linear
    and cosine start at their first value after the warm-up and would reach the last one at step
    ``length.steps``. Schedule ``step``: the full rate times decay^(milestones among the epochs
    that are done). ``restarts``: a cosine between each two of: the warm-up's end, the milestones,
    the end of the run (Loshchilov, Hutter 2017).
    """
    warmup = math.ceil(config.warmup * length.steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    if config.schedule is ScheduleName.STEP:
        epoch = step // length.steps_per_epoch
        passed = sum(milestone <= epoch for milestone in config.milestones)
        return config.learning_rate * config.decay**passed
    start, end, schedule = warmup, length.steps, config.schedule
    if schedule is ScheduleName.RESTARTS:
        marks = [epochs * length.steps_per_epoch for epochs in config.milestones]
        start = max([start, *(mark for mark in marks if mark <= step)])
        end = min([end, *(mark for mark in marks if mark > step)])
        schedule = ScheduleName.COSINE
    done = (step - start) / max(end - start, 1)
    return config.learning_rate * SCHEDULES[schedule](done)
