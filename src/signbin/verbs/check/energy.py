"""What a layer would take of energy on a CPU: an estimate from its operations and bytes."""

from __future__ import annotations

import functools
import math
from typing import Final

from signbin.analysis import Action, Counts, EnergyTable, load_table
from signbin.analysis.energy import price
from signbin.analysis.units import convert
from signbin.plan import Layer, Target

__all__ = ["energy_of", "prices_in_words"]

_TABLES: Final = {"f32": "horowitz-45nm", "u8": "horowitz-45nm-codes"}
_LINE_BYTES: Final = 64
_BYTES: Final = {"f32": (4, 4), "u8": (2, 1)}
"""Of what is added up, and of a value: sums of codes have 16 bits."""


def energy_of(layer: Layer, additions: int, multiplications: int, stored: int, on: Target) -> float:
    """Microjoules of a layer for one image: counts x prices of an energy table.

    additions, multiplications: of the layer; an addition to a product is one multiply-add with it.
    Both are vector instructions that read an operand from L1, all lanes at work. stored: bytes of
    weights, once from memory outside the chip. Inputs and outputs move once between L2 and L1.
    Nothing that stands still is charged.
    """
    sum_bytes, value_bytes = _BYTES[layer.activations]
    summed, vector = max(0, additions - multiplications), on.lanes * _BYTES["f32"][0]
    numbers = layer.channels * layer.groups * layer.stride**2 + layer.filters
    operands = summed * sum_bytes + multiplications * value_bytes
    actions = {
        Action.VECTOR_ADD: summed * sum_bytes / vector,
        Action.LANE_ADD: summed,
        Action.VECTOR_MULTIPLY: multiplications * value_bytes / vector,
        Action.LANE_MULTIPLY: multiplications,
        Action.L1_ACCESS: operands / _LINE_BYTES,
        Action.L2_ACCESS: numbers * math.prod(layer.output) * value_bytes / _LINE_BYTES,
        Action.DRAM_READ: stored * 8,
    }
    priced = price(layer.name, Counts(0, actions), _table(layer.activations))
    return convert(priced.energy, _table(layer.activations).unit, "uJ")


def prices_in_words() -> str:
    """Whose prices these are, in words."""
    titles = " and ".join(_table(activations).title for activations in _TABLES)
    return f"estimated: {titles}, weights once from DRAM"


@functools.cache
def _table(activations: str) -> EnergyTable:
    return load_table(_TABLES[activations])
