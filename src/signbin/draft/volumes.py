"""Pools over any number of axes, one axis after another.

What a window holds, and what an average counts, is a product over its axes; so is a largest number
of largest numbers.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from signbin.draft.adaptive import averages_along, largest_along
from signbin.draft.call import Call, Entry, NodeBuilder, Unsupported, Variable, expect_modest

__all__ = ["VOLUME_ROWS", "Windows", "pooled_by_axes"]


@dataclasses.dataclass(frozen=True)
class Windows:
    """Along every axis behind the channels: taps, steps, padding before and after, result.

    include: whether an average counts the padding that is stated.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    dilation: tuple[int, ...]
    sizes: tuple[int, ...]
    include: bool = False


def pooled_by_axes(call: Call, x: Variable, function: str, windows: Windows) -> Variable:
    """Function: mean or max."""
    expect_modest(sum(windows.kernel) * max(windows.sizes), "windows")
    made, last = x, len(windows.kernel) - 1
    for at, taps in enumerate(windows.kernel):
        extent, axis = x.shape[2 + at], 2 + at
        suffix = "" if at == last else f".axis{axis}"
        apart = windows.dilation[at]
        begins = [i * windows.stride[at] - windows.before[at] for i in range(windows.sizes[at])]
        seen = [range(begin, begin + taps * apart, apart) for begin in begins]
        inside = [_within(window, 0, extent) for window in seen]
        if not all(inside):
            raise Unsupported("windows beyond the image", "pad less than the window")
        if at != last and seen == [range(place, place + 1) for place in range(extent)]:
            continue
        if function == "max":
            made = largest_along(call, made, axis, inside, suffix)
            continue
        around = (-windows.before[at], extent + windows.after[at])
        counted = [_within(window, *around) for window in seen] if windows.include else inside
        counts = [len(window) for window in counted]
        made = averages_along(call, made, axis, inside, counts, suffix)
    return made


def _within(window: range, first: int, end: int) -> range:
    """The part of a window between two places."""
    skipped = max(0, -(-(first - window.start) // window.step))
    start = window.start + skipped * window.step
    return range(start, min(window.stop, end), window.step)


def _pool3d(function: str) -> NodeBuilder:
    def build(call: Call) -> Entry:
        if call.arguments.get("divisor_override") is not None:
            raise Unsupported("divisor_override", "replace it by an allowed layer")
        x, kernel = call.variable("self", rank=5), _three(call.get("kernel_size"))
        assert call.shape is not None
        stride = _three(call.get("stride")) if call.get("stride") else kernel
        padding, dilation = _three(call.get("padding")), _three(call.arguments.get("dilation", 1))
        include = bool(call.arguments.get("count_include_pad", False))
        sizes = call.shape[2:]
        windows = Windows(kernel, stride, padding, padding, dilation, sizes, include)
        return pooled_by_axes(call, x, function, windows)

    return build


def _three(stated: Any) -> tuple[int, ...]:
    numbers = [stated] if isinstance(stated, int) else list(stated)
    return tuple(numbers * 3 if len(numbers) == 1 else numbers)


VOLUME_ROWS: Final[tuple[tuple[NodeBuilder, tuple[str, ...]], ...]] = (
    (_pool3d("mean"), ("avg_pool3d.default",)),
    (_pool3d("max"), ("max_pool3d.default",)),
)
