"""Equality saturation as a strategy: as the other engines, but counted on some sub-blocks."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from signbin.errors import SpecError
from signbin.plan.layer import Layer
from signbin.plan.option import Counted, Counting
from signbin.plan.plan import Strategy
from signbin.plan.shared_sums import SharedSums, shared_sums_operations
from signbin.spec import LowBitWeight
from signbin.sums import PairMerging, Saturation, wanted_sums

__all__ = ["SaturatedSums"]

_BLOCKS: Final = 4
_BLOCK: Final = (8, 32)
_STEPS: Final = 2000


class SaturatedSums(SharedSums):
    """Q-gym: the search takes minutes per layer, so that its additions are sampled."""

    counting = Counting(
        sampled="scaled up from a few sub-blocks of {} x {}".format(*_BLOCK),
        missing="not counted, which needs egglog: pip install 'signbin[qgym]'",
    )

    def counted(self, layer: Layer) -> Counted | None:
        """What it makes of some sub-blocks, scaled up; None where egglog is missing.

        What it makes of a sub-block, relative to SumMerge, is applied to SumMerge's whole layer.
        """
        if not isinstance(layer.weight, LowBitWeight):
            return None
        digits = wanted_sums(layer.weight).digits
        filters = min(_BLOCK[0], layer.filters // layer.groups)
        inputs = min(_BLOCK[1], layer.inputs)
        draw = np.random.default_rng(0)
        ours = theirs = 0
        for _ in range(_BLOCKS):
            row = filters * int(draw.integers(layer.filters // filters))
            column = inputs * int(draw.integers(layer.inputs // inputs))
            block = digits[row : row + filters, column : column + inputs]
            try:
                ours += Saturation(filters, inputs, steps=_STEPS).build(block).additions
            except SpecError:
                return None
            theirs += PairMerging(filters, inputs).build(block).additions
        tile = {"filters": filters, "inputs": inputs}
        merged = shared_sums_operations(layer, Strategy.SUMMERGE, tile)
        additions = round(merged.additions * ours / theirs) if theirs else merged.additions
        return Counted(tile, dataclasses.replace(merged, additions=additions))
