"""Learning rate over the steps of a run, as a factor of the configured rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from torch import nn
from torch.optim import SGD, Adam, Optimizer

from signbin.train.config import OptimizerConfig, OptimizerName, ScheduleName

__all__ = ["SCHEDULES", "learning_rate", "make_optimizer"]

# Each maps the share of the run that is done, 0 <= done <= 1, to a factor.
SCHEDULES: Final[Mapping[ScheduleName, Callable[[float], float]]] = MappingProxyType(
    {
        ScheduleName.CONSTANT: lambda done: 1.0,
        ScheduleName.LINEAR: lambda done: 1.0 - done,
        ScheduleName.COSINE: lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
    }
)


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """The rate of step 0 <= step < steps: a linear rise over the warm-up, then the schedule.

    warm-up: ceil(warmup * steps) steps, the n-th at n / warm-up of the full rate. The schedule
    starts at its first value after the warm-up and would reach its last one at step ``steps``.
    """
    warmup = math.ceil(config.warmup * steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(steps - warmup, 1)
    return config.learning_rate * SCHEDULES[config.schedule](done)


def make_optimizer(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """SGD (Nesterov momentum) or Adam; weight decay on weight tensors only.

    Biases, batch norm and PReLU slopes (tensors of one axis) are not decayed: decay would pull
    slopes and scales towards zero, not towards smaller functions.
    """
    decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if config.name is OptimizerName.ADAM:
        return Adam(groups, lr=config.learning_rate)
    momentum = config.momentum
    return SGD(groups, lr=config.learning_rate, momentum=momentum, nesterov=momentum > 0)
