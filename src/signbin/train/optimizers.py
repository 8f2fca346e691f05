"""The rules that turn gradients into steps, and which weights each of them moves."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from signbin.quant import quantized_layers
from signbin.train.config import OptimizerConfig, OptimizerName
from signbin.train.schedules import RunLength, learning_rate

__all__ = ["JointOptimizer", "make_optimizer", "set_learning_rates"]

_LOW_BIT = "low_bit"


class JointOptimizer:
    """Several rules, each for parameters of its own, that take their steps together."""

    def __init__(self, rules: Sequence[Optimizer]) -> None:
        self.rules = tuple(rules)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of all rules."""
        return [group for rule in self.rules for group in rule.param_groups]

    def zero_grad(self, *, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        for rule in self.rules:
            rule.zero_grad(set_to_none=set_to_none)

    def step(self) -> None:
        """One step of every rule."""
        for rule in self.rules:
            rule.step()

    def state_dict(self) -> dict[str, Any]:
        """{"rules": the state of each}."""
        return {"rules": [rule.state_dict() for rule in self.rules]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`; ValueError where the number of rules differs."""
        for rule, its in zip(self.rules, state["rules"], strict=True):
            rule.load_state_dict(its)


def make_optimizer(
    model: nn.Module, config: OptimizerConfig, *, fused: bool = False
) -> Optimizer | JointOptimizer:
    """SGD (Nesterov momentum), Adam or AdamW; weight decay on weight tensors only.

    Biases, batch norm and PReLU slopes (tensors of one axis) are not decayed: decay would pull
    slopes and scales towards zero, not towards smaller functions. Latent weights of quantised
    layers follow ``config.low_bit``, if there is one. fused: torch's fused kernels, for parameters
    on a GPU.
    """
    low = config.low_bit
    latent = [] if low is None else [each.weight for each in quantized_layers(model).values()]
    apart = {id(weight) for weight in latent}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in apart]
    groups = [
        _group([each for each in rest if each.ndim > 1], config.weight_decay),
        _group([each for each in rest if each.ndim <= 1], 0.0),
    ]
    if low is None or not latent:
        return _rule(groups, config, fused=fused)
    low_bit = _group(latent, low.weight_decay) | {_LOW_BIT: True}
    if low.name in (None, config.name):
        return _rule([*groups, low_bit], config, fused=fused)
    other = dataclasses.replace(config, name=low.name)
    return JointOptimizer(
        [_rule(groups, config, fused=fused), _rule([low_bit], other, fused=fused)]
    )


def set_learning_rates(
    groups: Iterable[dict[str, Any]], config: OptimizerConfig, step: int, length: RunLength
) -> None:
    """The rates of step 0 <= step < length.steps, see :func:`learning_rate`, into all groups."""
    rate = learning_rate(config, step, length)
    low = config.low_bit
    low_rate = rate if low is None else rate / config.learning_rate * low.learning_rate
    for group in groups:
        group["lr"] = low_rate if group.get(_LOW_BIT) else rate


def _group(parameters: list[Any], weight_decay: float) -> dict[str, Any]:
    return {"params": parameters, "weight_decay": weight_decay}


def _rule(groups: list[dict[str, Any]], config: OptimizerConfig, *, fused: bool) -> Optimizer:
    options: dict[str, Any] = {"lr": config.learning_rate}
    if fused:
        options["fused"] = True
    if config.name is OptimizerName.SGD:
        return SGD(groups, momentum=config.momentum, nesterov=config.momentum > 0, **options)
    rule = AdamW if config.name is OptimizerName.ADAMW else Adam
    return rule(groups, **options)
