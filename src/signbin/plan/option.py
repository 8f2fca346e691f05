"""One way a strategy could run a layer, and how its additions are counted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from signbin.plan.cost import vector_lanes
from signbin.plan.layer import Layer
from signbin.plan.operations import Operations
from signbin.plan.target import Target

__all__ = ["FLAGS", "Counted", "Counting", "Option", "fewest", "in_units_of"]

FLAGS: Final = MappingProxyType(
    {"vectors": range(1, 33), "zeros": range(2), "two_groups": range(2)}
)
"""What a plan may state of every strategy on low-bit weights: V, and which sums are made."""


@dataclasses.dataclass(frozen=True)
class Option:
    """One way a strategy could run a layer: its tile and predicted cost.

    cost: predicted vector operations of the target per vector of output pixels, see cost.py.
    summary: the numbers behind it, for the plan's ``why``.
    """

    parameters: Mapping[str, int]
    cost: float
    summary: str


@dataclasses.dataclass(frozen=True)
class Counted:
    """What a strategy does for a layer at best: with these parameters, of those tried."""

    parameters: Mapping[str, int]
    operations: Operations


def fewest(
    tried: Iterable[Mapping[str, int]], operations: Callable[[Mapping[str, int]], Operations]
) -> Counted:
    """The parameters of fewest additions, the first of equals."""
    counted = [Counted(parameters, operations(parameters)) for parameters in tried]
    return min(counted, key=lambda entry: entry.operations.additions)


@dataclasses.dataclass(frozen=True)
class Counting:
    """How to read a strategy's additions, in words for people.

    unit: what they are where they are no additions of numbers; they compare with no others then.
    sampled: how they were scaled up where not all weights were counted. missing: what a count
    that is not there would need. Each is "" where there is nothing to say.
    """

    unit: str = ""
    sampled: str = ""
    missing: str = ""


def in_units_of(target: Target, machine: Target, layer: Layer, cost: float) -> float:
    """A cost of the vectors and additions of the machine that runs a kernel in the target's."""
    lanes = vector_lanes(layer, machine)
    return cost / machine.add_per_cycle * target.add_per_cycle * target.lanes / lanes
