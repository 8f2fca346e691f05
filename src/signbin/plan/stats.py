"""What a weight tensor offers an engine: density, entropy, repetition across filters.

Nothing here assumes independent weights: every number is counted from the codes.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from signbin.errors import PlanError
from signbin.spec import LowBitWeight, ValueSet

__all__ = [
    "LARGEST_GROUP",
    "LARGEST_TERNARY_GROUP",
    "PatternStats",
    "distinct_patterns",
    "entropy_bits",
    "group_sizes",
    "has_binary_filter",
    "largest_group",
    "pattern_stats",
    "patterns",
    "walk_digits",
    "walk_radix",
]

LARGEST_GROUP = 8
LARGEST_TERNARY_GROUP = 5


@dataclasses.dataclass(frozen=True)
class PatternStats:
    """Patterns of F consecutive filters over the M inputs of a filter.

    filters: F. groups: ceil(K / F) in each convolution group, which share out its filters
    evenly, the larger groups first.
    chunks: ceil(C / channels per chunk). load_adds: positions with a non-zero pattern, summed
    over the groups: the loads and additions of one bucket walk over all filters.
    zero_share: p0(F), positions with the zero pattern / (groups * M).
    zero_share_per_chunk: the same for each chunk, (chunks,).
    """

    filters: int
    groups: int
    chunks: int
    load_adds: int
    zero_share: float
    zero_share_per_chunk: tuple[float, ...]


def entropy_bits(weight: LowBitWeight) -> float:
    """Order-zero entropy of the codes in bits per weight: -sum p log2 p over the code values.

    For signed-binary weights the sign belongs to the filter, so the symbol is |code|:
    H(0.357) = 0.94. Binary weights reach at most 1, ternary ones log2(3) = 1.58.
    """
    codes = weight.codes
    if weight.value_set is ValueSet.SIGNED_BINARY:
        codes = np.abs(codes)
    shares = [float(np.count_nonzero(codes == value)) / codes.size for value in (-1, 0, 1)]
    return -sum(share * math.log2(share) for share in shares if share > 0)


def walk_radix(weight: LowBitWeight) -> int:
    """Values a digit of a pattern takes: 3 where one filter has codes -1, 0 and +1, else 2."""
    least, largest = weight.extremes
    mixed = (least < 0) & (largest > 0)
    if weight.density == 1 or not mixed.any():
        return 2
    flat = weight.codes.reshape(weight.shape[0], -1)
    return 3 if np.any(flat[mixed] == 0) else 2


def has_binary_filter(weight: LowBitWeight) -> bool:
    """Whether a filter has codes of both signs, and so needs the sum of its window at radix 2."""
    least, largest = weight.extremes
    return bool(np.any((least < 0) & (largest > 0)))


def largest_group(weight: LowBitWeight) -> int:
    """Most filters one walk can take: 8, or 5 at radix 3."""
    return LARGEST_TERNARY_GROUP if walk_radix(weight) == 3 else LARGEST_GROUP


def group_sizes(count: int, filters: int) -> tuple[int, ...]:
    """Sizes of the ceil(count / filters) groups that share out ``count`` filters evenly.

    >>> group_sizes(10, 4)
    (4, 3, 3)
    """
    groups = -(-count // filters)
    size, larger = divmod(count, groups)
    return (size + 1,) * larger + (size,) * (groups - larger)


def patterns(
    weight: LowBitWeight, filters: int, convolution_groups: int = 1
) -> NDArray[np.int8 | np.uint8]:
    """The pattern of every input position in every group of ``filters`` consecutive filters.

    Returns (groups, C, R*S), C the channels one filter reads; a group never spans two
    convolution groups, whose filters read different inputs. Radix 2: bit f = code of filter f is
    non-zero, or +1 where the filter is binary (out = 2 * sum of the positive inputs - sum of all
    inputs). Radix 3: sum_f code_f * 3^f, int8, at most 5 filters; p and -p share a bucket.
    """
    radix = walk_radix(weight)
    largest = largest_group(weight)
    if not 1 <= filters <= largest:
        raise PlanError(
            f"filters per group of a {weight.value_set.value} weight",
            value=filters,
            allowed=f"1..{largest}",
        )
    count, channels = weight.shape[:2]
    if convolution_groups < 1 or count % convolution_groups:
        raise PlanError(
            "convolution groups", value=convolution_groups, allowed=f"a divisor of {count}"
        )
    digits = walk_digits(weight, radix).reshape(convolution_groups, count // convolution_groups, -1)
    sizes = group_sizes(digits.shape[1], filters)
    result = np.zeros((convolution_groups, len(sizes), digits.shape[2]), digits.dtype)
    starts = np.cumsum([0, *sizes[:-1]])
    for index in range(sizes[0]):
        holders = [number for number, size in enumerate(sizes) if size > index]
        member = digits[:, starts[: len(holders)] + index]
        result[:, : len(holders)] += member * digits.dtype.type(radix**index)
    found: NDArray[np.int8 | np.uint8] = result.reshape(-1, channels, digits.shape[2] // channels)
    return found


def pattern_stats(
    weight: LowBitWeight,
    filters: int,
    channels_per_chunk: int | None = None,
    convolution_groups: int = 1,
) -> PatternStats:
    """Count the patterns of ``weight`` for groups of F = ``filters`` consecutive filters.

    channels_per_chunk: input channels walked together; None takes all of them at once.
    PlanError where F or the chunk is out of range.
    """
    channels, step = weight.shape[1], _chunk(weight, channels_per_chunk)
    found = patterns(weight, filters, convolution_groups)
    zero_per_channel = np.count_nonzero(found == 0, axis=(0, 2))
    starts = range(0, channels, step)
    widths = [min(step, channels - start) for start in starts]
    per_channel = found.shape[0] * found.shape[2]
    zeros = [int(zero_per_channel[start : start + step].sum()) for start in starts]
    return PatternStats(
        filters=filters,
        groups=found.shape[0],
        chunks=len(widths),
        load_adds=found.size - sum(zeros),
        zero_share=sum(zeros) / found.size,
        zero_share_per_chunk=tuple(
            zero / (width * per_channel) for zero, width in zip(zeros, widths, strict=True)
        ),
    )


def distinct_patterns(
    weight: LowBitWeight,
    filters: int,
    channels_per_chunk: int | None = None,
    convolution_groups: int = 1,
) -> float:
    """Distinct non-zero patterns of one group of filters and one chunk, averaged over both.

    At most 2^F - 1; for ternary weights, whose patterns count modulo sign, (3^F - 1) / 2.
    """
    step = _chunk(weight, channels_per_chunk)
    found = patterns(weight, filters, convolution_groups)
    if found.dtype == np.int8:
        found = np.abs(found)
    starts = range(0, weight.shape[1], step)
    distinct: int = sum(_distinct(found[:, start : start + step]) for start in starts)
    count: int = len(starts) * found.shape[0]
    return distinct / count


def _chunk(weight: LowBitWeight, channels_per_chunk: int | None) -> int:
    channels = weight.shape[1]
    step = channels if channels_per_chunk is None else channels_per_chunk
    if not 1 <= step <= channels:
        raise PlanError("channels per chunk", value=step, allowed=f"1..{channels}")
    return step


def walk_digits(weight: LowBitWeight, radix: int | None = None) -> NDArray[np.int8 | np.uint8]:
    """What a walk sees of the codes: 0 and 1, at radix 3 the codes; (K, M).

    Ones are the non-zeros of a filter of one sign, and the +1 of a binary one. radix: None for
    the weight's own, 3 for two groups.
    """
    codes: NDArray[np.int8 | np.uint8] = weight.codes.reshape(weight.shape[0], -1)
    if (walk_radix(weight) if radix is None else radix) == 3:
        return codes
    least, largest = weight.extremes
    one_sign_below = (least < 0) & (largest <= 0)
    non_zero: NDArray[np.uint8] = (codes > 0).astype(np.uint8)
    non_zero[one_sign_below] = codes[one_sign_below] != 0
    return non_zero


def _distinct(found: NDArray[np.int8 | np.uint8]) -> int:
    groups = found.shape[0]
    group_of = np.arange(groups, dtype=np.intp).reshape(-1, 1, 1) * 256
    seen = np.zeros(groups * 256, dtype=bool)
    seen[(group_of + found).reshape(-1)] = True
    return int(np.count_nonzero(seen.reshape(groups, 256)[:, 1:]))
