"""Bit-serial layers: planes of activation bits against bitmaps of weights, counted by popcount."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from signbin.plan.cost import lane_waste, vector_lanes
from signbin.plan.layer import Layer
from signbin.plan.operations import Operations, window_total
from signbin.plan.option import FLAGS, Counted, Counting, Option, in_units_of
from signbin.plan.plan import Strategy
from signbin.plan.target import Target
from signbin.spec import Kernel, LowBitWeight, ValueSet

__all__ = ["BitSerial"]

_PLANES: Final = 8
_WORD: Final = 64
_CYCLES_PER_WORD: Final = 6.0  # of eight planes, on AVX2: two ands, four shuffles, six others


class BitSerial:
    """sum_i 2^i popcount(A_i & U): eight planes of 8-bit codes against one bitmap per filter.

    Filters of one sign and binary ones have one bitmap, ternary ones two. Channels are packed
    into words of 64, tap by tap. Source: Cowan et al. (CGO 2020); Fromm et al., Riptide (2020).
    """

    strategy: Final = Strategy.BITSERIAL
    family: Final = "bitserial"
    competes: Final = False
    counting: Final = Counting(unit="popcounts of 64-bit words, 8-bit activations")

    def applies(self, layer: Layer) -> str | None:
        """Low-bit weights on codes."""
        if not isinstance(layer.weight, LowBitWeight):
            return "the weights are float, not of two or three values per filter"
        return None if layer.activations == "u8" else "the activations are not 8-bit codes"

    def options(self, layer: Layer, kernels: Sequence[Kernel], target: Target) -> Iterator[Option]:
        """One tile."""
        words = _words(layer)
        summary = (
            f"bitserial: {_PLANES * words:,} popcounts of {_WORD} bits against "
            f"{layer.multiply_adds:,} multiply-adds per output position"
        )
        for kernel in kernels:
            machine = target.running(kernel.isa)
            lanes = vector_lanes(layer, machine)
            cycles = words * _CYCLES_PER_WORD * lanes
            cost = cycles * machine.add_per_cycle * lane_waste(layer, 1, lanes)
            yield Option({"vectors": 1}, in_units_of(target, machine, layer, cost), summary)

    def limits(self, layer: Layer) -> Mapping[str, range]:
        """Which bitmaps there are."""
        del layer
        return FLAGS

    def operations(self, layer: Layer, parameters: Mapping[str, int]) -> Operations:
        """additions: popcounts of 64-bit words that are accumulated; no plane is skipped."""
        words = _words(layer, two_groups=bool(parameters.get("two_groups")))
        shared = layer.needs_window_total and not parameters.get("two_groups")
        total = window_total(layer) if shared else 0
        return Operations(_PLANES * words + total, layer.filters, _WORD // 8 * words)

    def counted(self, layer: Layer) -> Counted | None:
        """On codes of 8 bits, whatever the layer reads."""
        if not isinstance(layer.weight, LowBitWeight):
            return None
        codes = dataclasses.replace(layer, activations="u8", top=255)
        return Counted({}, self.operations(codes, {}))


def _words(layer: Layer, *, two_groups: bool = False) -> int:
    """Words of all bitmaps: a second one for all filters where any of them mixes signs."""
    weight = layer.weight
    signs = 1
    if isinstance(weight, LowBitWeight) and weight.value_set is not ValueSet.SIGNED_BINARY:
        codes = weight.codes.reshape(weight.shape[0], -1)
        mixed = (codes.min(axis=1) < 0) & (codes.max(axis=1) > 0)
        subtracted = mixed if two_groups else mixed & np.any(codes == 0, axis=1)
        signs += bool(subtracted.any())
    rows, columns = layer.window
    return signs * layer.filters * rows * columns * -(-layer.channels // _WORD)
