"""What loading may take: files come from strangers, and claim what they like."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator
from typing import Final

from signbin import native
from signbin.errors import ExecutionError
from signbin.ir import Graph
from signbin.plan import SHARED_SUMS, LayerPlan, Plan, Target, make_plan, sums_of, weighted_layers
from signbin.spec import LowBitWeight
from signbin.sums import Budget, OverBudget

__all__ = [
    "MOST_MEMORY",
    "MOST_SECONDS",
    "TRUSTED",
    "budget_of",
    "check_memory",
    "expect_memory",
    "within_budget",
]

MOST_SECONDS: Final = 60.0
MOST_MEMORY: Final = 8 * 1024**3
TRUSTED: Final = Budget(memory=MOST_MEMORY)
"""For plans that were made here: any time."""
_LARGEST_ELEMENT: Final = 4
_BYTES_PER_CHANNEL: Final = 64  # of everything a step keeps for a channel of its output


def budget_of(max_seconds: float, max_memory: float) -> Budget:
    """So much from now on; ExecutionError for what is no number of seconds, of bytes."""
    for name, value in (("max_seconds", max_seconds), ("max_memory", max_memory)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise ExecutionError(name, value=value, allowed="a number, at least 0")
    return Budget(time.monotonic() + max_seconds, max_memory)


def check_memory(graph: Graph, budget: Budget) -> None:
    """ExecutionError where the largest value of an image, or the steps' constants, take more."""
    types = [value.type for value in graph.inputs] + [node.type for node in graph.nodes]
    largest = _LARGEST_ELEMENT * max(math.prod(type_.shape[1:]) for type_ in types)
    constants = _BYTES_PER_CHANNEL * sum(node.type.shape[1] for node in graph.nodes)
    expect_memory(graph.name, max(largest, constants), budget)


def expect_memory(name: str, needed: int, budget: Budget) -> None:
    """ExecutionError where the graph of this name needs more bytes than it may."""
    if needed > budget.memory:
        raise ExecutionError(
            f"memory of graph {name}",
            value=f"{needed:,} bytes",
            allowed=f"at most {budget.memory:,}",
            remedy="pass a larger max_memory, if the file is to be trusted",
        )


def within_budget(graph: Graph, plan: Plan, target: Target, budget: Budget) -> Plan:
    """The plan, with other decisions for layers whose sums take more than the budget."""
    refused = dict(_refused(graph, plan, budget))
    if not refused:
        return plan
    instead = make_plan(graph, native.kernels(), target)
    return Plan(
        plan.target,
        tuple(
            _replaced(layer, instead.for_layer(layer.layer), refused[layer.layer])
            if layer.layer in refused
            else layer
            for layer in plan.layers
        ),
    )


def _refused(graph: Graph, plan: Plan, budget: Budget) -> Iterator[tuple[str, str]]:
    """Name and reason of every layer whose sums cannot be had; those of the others are kept."""
    for layer in weighted_layers(graph, 1):
        decided, weight = plan.for_layer(layer.name), layer.weight
        if decided.strategy in SHARED_SUMS and isinstance(weight, LowBitWeight):
            try:
                sums_of(weight, decided.strategy, decided.parameters, layer.groups, budget)
            except OverBudget as error:
                yield layer.name, str(error)


def _replaced(planned: LayerPlan, instead: LayerPlan, reason: str) -> LayerPlan:
    why = f"{instead.why}; not {planned.strategy.value}, as was planned: {reason}"
    return dataclasses.replace(instead, why=why)
