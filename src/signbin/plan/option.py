"""One way a strategy could run a layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from signbin.plan.cost import vector_lanes
from signbin.plan.layer import Layer
from signbin.plan.target import Target
from signbin.spec import Kernel

__all__ = ["Option", "in_units_of"]


@dataclasses.dataclass(frozen=True)
class Option:
    """One way a strategy could run a layer: its tile and predicted cost.

    cost: predicted vector operations of the target per vector of output pixels, see cost.py.
    summary: the numbers behind it, for the plan's ``why``.
    """

    parameters: Mapping[str, int]
    cost: float
    summary: str


def in_units_of(target: Target, kernel: Kernel, layer: Layer, cost: float) -> float:
    """A cost of the kernel's own vectors and additions in those of the target."""
    machine = target.running(kernel.isa)
    lanes = vector_lanes(layer, machine)
    return cost / machine.add_per_cycle * target.add_per_cycle * target.lanes / lanes
