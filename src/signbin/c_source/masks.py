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

__all__ = ["MaskKind", "Masks", "Shape", "pack_masks", "signs_of"]

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
    """Packed weights.

    parts: of the filters of a convolution group, each of which goes together. chunk: channels whose
    sums fit 16 bits. together: masks of the largest part.
    """

    kind: MaskKind
    parts: int
    chunk: int
    together: int
    ranks: NDArray[np.uint32]
    counts: NDArray[np.uint8]


def pack_masks(weight: LowBitWeight, shape: Shape) -> Masks | None:
    """The weights of a layer, as many filters together as make it fastest by estimate.

    None where even one channel has too many taps for sums of 16 bits, or counts of 8.
    """
    kind = _kind_of(weight)
    masks = _masks_of(weight, kind)
    chunk = _chunk_of(masks, shape.top)
    if chunk == 0:
        return None
    per_group = len(weight.codes) // shape.groups
    fewest = -(-per_group * (2 if kind is MaskKind.TERNARY else 1) // MOST_TOGETHER)
    choices = range(fewest, per_group + 1)
    parts = min(choices, key=lambda count: _cost(_parts(masks, kind, shape, count), shape, chunk))
    while True:
        ranks = [
            each for part in _parts(masks, kind, shape, parts) for each in _ranked(part, chunk)
        ]
        counts = [np.bincount(each, minlength=1 << together)[1:] for each, together in ranks]
        if max(each.max() for each in counts) <= _LARGEST_COUNT or chunk == 1:
            break
        chunk = -(-chunk // 2)
    if max(each.max() for each in counts) > _LARGEST_COUNT:
        return None
    return Masks(
        kind=kind,
        parts=parts,
        chunk=chunk,
        together=max(together for _, together in ranks),
        ranks=np.concatenate([_words(each, together) for each, together in ranks]),
        counts=np.concatenate(counts).astype(np.uint8),
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


def signs_of(weight: LowBitWeight) -> Codes | None:
    """-1 or 1 of every filter, where no filter mixes them; else None."""
    if _kind_of(weight) is not MaskKind.ONE_SIGN:
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


def _parts(
    masks: NDArray[np.bool_], kind: MaskKind, shape: Shape, count: int
) -> list[NDArray[np.bool_]]:
    """Masks that go together, in order, as even as can be; those of convolution groups apart."""
    step = 2 if kind is MaskKind.TERNARY else 1
    filters = len(masks) // step // shape.groups
    made, first = [], 0
    for group in range(shape.groups):
        end = (group + 1) * filters
        for left in range(count, 0, -1):
            after = first + -(-(end - first) // left)
            made.append(masks[first * step : after * step])
            first = after
    return made


def _cost(parts: list[NDArray[np.bool_]], shape: Shape, chunk: int) -> float:
    """Instructions of all parts, by estimate."""
    cost = 0.0
    for part in parts:
        chunks, ranks = -(-part.shape[1] // chunk), 2 ** max(len(part), 2)
        listed = part[0].size * _PER_LISTED + chunks * ranks * _PER_RANK / 2
        walked = float(part.any(axis=0).sum()) * _PER_INPUT + chunks * ranks * _PER_RANK
        cost += listed + shape.tiles * (walked + len(part) * _PER_FILTER)
    return cost


def _ranked(part: NDArray[np.bool_], chunk: int) -> list[tuple[NDArray[np.uint32], int]]:
    """Ranks of the inputs of every chunk, and how many bits they have."""
    bits = 1 << np.arange(len(part), dtype=np.uint32)
    patterns = np.tensordot(bits, part.astype(np.uint32), axes=1).astype(np.uint32)
    return [
        (_ranks(patterns[first : first + chunk].reshape(-1)), max(len(part), 2))
        for first in range(0, part.shape[1], chunk)
    ]


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
