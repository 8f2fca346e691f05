"""One-bit weights as an exported network holds them: ranks of groups of filters, packed in words.

Filters go together F at a time, and every input has a number of F bits: which of the F filters add
it, as its place in the Gray code, so that the ranks are in the order in which they are walked.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.spec import LowBitWeight

__all__ = ["MaskKind", "Masks", "Shape", "pack_masks"]

MOST_TOGETHER: Final = 6
_WORD_BITS: Final = 32
_LARGEST_SUM: Final = 2**16 - 1
_LARGEST_COUNT: Final = 2**8 - 1
# Instructions of kernels/low_bit.c on a Cortex-M4, roughly: they only choose how many go together.
_PER_INPUT, _PER_RANK, _PER_LISTED, _PER_FILTER = 9.0, 18.0, 11.0, 40.0

Codes = NDArray[np.int8]


class MaskKind(enum.Enum):
    """How a filter's sum is made of its masks; the value is its name in ``sbc.h``."""

    ONE_SIGN = "SBC_ONE_SIGN"
    TWO_SIGNS = "SBC_TWO_SIGNS"
    TERNARY = "SBC_TERNARY"


@dataclasses.dataclass(frozen=True)
class Shape:
    """Of a layer. groups: of its convolution. tiles: of eight pixels. top: the largest code."""

    groups: int
    tiles: int
    top: int


@dataclasses.dataclass(frozen=True, eq=False)
class Masks:
    """Packed weights. chunk: channels whose sums fit 16 bits. signs: of ONE_SIGN, a filter each."""

    kind: MaskKind
    together: int
    chunk: int
    ranks: NDArray[np.uint32]
    counts: NDArray[np.uint8]
    signs: Codes | None

    @property
    def masks_per_filter(self) -> int:
        """Two of ternary filters."""
        return 2 if self.kind is MaskKind.TERNARY else 1


def pack_masks(weight: LowBitWeight, shape: Shape) -> Masks | None:
    """The weights of a layer, as many filters together as make it fastest by estimate.

    None where even one channel has too many taps for sums of 16 bits, or counts of 8.
    """
    kind = _kind_of(weight)
    masks = _masks_of(weight, kind)
    chunk = _chunk_of(masks, shape.top)
    if chunk == 0:
        return None
    choices = range(2, MOST_TOGETHER + 1, 2 if kind is MaskKind.TERNARY else 1)
    together = min(choices, key=lambda count: _cost(masks, shape, chunk, count))
    while True:
        ranks = _ranked(masks, shape, chunk, together)
        counts = [np.bincount(each, minlength=1 << together)[1:] for each in ranks]
        if max(each.max() for each in counts) <= _LARGEST_COUNT or chunk == 1:
            break
        chunk = -(-chunk // 2)
    if max(each.max() for each in counts) > _LARGEST_COUNT:
        return None
    return Masks(
        kind,
        together,
        chunk,
        np.concatenate([_words(each, together) for each in ranks]),
        np.concatenate(counts).astype(np.uint8),
        _signs(weight, kind),
    )


def _kind_of(weight: LowBitWeight) -> MaskKind:
    least, largest = weight.extremes
    if not ((least < 0) & (largest > 0)).any():
        return MaskKind.ONE_SIGN
    return MaskKind.TWO_SIGNS if weight.density == 1.0 else MaskKind.TERNARY


def _masks_of(weight: LowBitWeight, kind: MaskKind) -> NDArray[np.bool_]:
    """(masks, channels, taps); of ternary filters what is added, then what is taken off."""
    codes = weight.codes.reshape(*weight.codes.shape[:2], -1)
    if kind is MaskKind.ONE_SIGN:
        return np.asarray(codes != 0)
    if kind is MaskKind.TWO_SIGNS:
        return np.asarray(codes > 0)
    both = np.stack([codes > 0, codes < 0], axis=1)
    return np.asarray(both.reshape(-1, *codes.shape[1:]), np.bool_)


def _signs(weight: LowBitWeight, kind: MaskKind) -> Codes | None:
    if kind is not MaskKind.ONE_SIGN:
        return None
    return np.where(weight.extremes[0] < 0, -1, 1).astype(np.int8)


def _chunk_of(masks: NDArray[np.bool_], top: int) -> int:
    """Most channels at a time so that no sum of a mask leaves 16 bits; 0 where there are none."""
    channels = int(masks.shape[1])
    counts = masks.sum(axis=2, dtype=np.int64)
    for chunks in range(1, channels + 1):
        chunk = -(-channels // chunks)
        starts = np.arange(0, channels, chunk)
        if np.add.reduceat(counts, starts, axis=1).max() * top <= _LARGEST_SUM:
            return chunk
    return 0


def _groups(masks: NDArray[np.bool_], shape: Shape, together: int) -> list[NDArray[np.bool_]]:
    """Masks that go together, in order; those of a convolution group do not mix with others."""
    per_group = len(masks) // shape.groups
    return [
        masks[group * per_group + first : group * per_group + min(first + together, per_group)]
        for group in range(shape.groups)
        for first in range(0, per_group, together)
    ]


def _cost(masks: NDArray[np.bool_], shape: Shape, chunk: int, together: int) -> float:
    """Instructions of all groups, by estimate."""
    chunks = -(-masks.shape[1] // chunk)
    listed = masks[0].size * _PER_LISTED + chunks * 2**together * _PER_RANK / 2
    cost = 0.0
    for group in _groups(masks, shape, together):
        inputs = float(group.any(axis=0).sum())
        walked = inputs * _PER_INPUT + chunks * (2**together - 1) * _PER_RANK
        cost += listed + shape.tiles * (walked + together * _PER_FILTER)
    return cost


def _ranked(
    masks: NDArray[np.bool_], shape: Shape, chunk: int, together: int
) -> list[NDArray[np.uint32]]:
    """Ranks of the inputs of every chunk of every group, in order."""
    made = []
    for group in _groups(masks, shape, together):
        bits = 1 << np.arange(len(group), dtype=np.uint32)
        patterns = np.tensordot(bits, group.astype(np.uint32), axes=1).astype(np.uint32)
        made += [
            _ranks(patterns[first : first + chunk].reshape(-1))
            for first in range(0, masks.shape[1], chunk)
        ]
    return made


def _ranks(patterns: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Places in the Gray code: rank ^ rank / 2 = pattern."""
    ranks = patterns.copy()
    for shift in (1, 2, 4):
        ranks ^= ranks >> np.uint32(shift)
    return ranks


def _words(ranks: NDArray[np.uint32], together: int) -> NDArray[np.uint32]:
    """As many ranks in a word as fit, the first in its lowest bits."""
    fit = _WORD_BITS // together
    padded = np.zeros(-(-len(ranks) // fit) * fit, np.uint32)
    padded[: len(ranks)] = ranks
    shifts = (np.arange(fit) * together).astype(np.uint32)
    words = np.bitwise_or.reduce(padded.reshape(-1, fit) << shifts, axis=1)
    return np.asarray(words, np.uint32)
