"""Rows of the operator table for pools of a stated size, whatever windows that takes.

Window i of P over H pixels goes from floor(i H / P) to ceil((i + 1) H / P). Windows of one size,
side by side, are an ordinary pool. Of others averages are products with a matrix, and the largest
are found among the pixels of each window, laid side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from signbin.draft.call import Call, Entry, NodeBuilder, Unsupported, Variable, expect_modest
from signbin.draft.resizing import along_axis
from signbin.draft.rows import as_image, as_line
from signbin.draft.windows import pair
from signbin.ir import AttributeValue

__all__ = ["ADAPTIVE_ROWS", "averages_along", "largest_along"]


def _windows(extent: int, parts: int) -> list[range]:
    return [
        range(part * extent // parts, -(-(part + 1) * extent // parts)) for part in range(parts)
    ]


def _averages(call: Call, x: Variable, wanted: tuple[int, int]) -> Variable:
    extents = (x.shape[2], x.shape[3])
    if wanted == extents:
        return x
    if wanted == (1, 1):
        return call.emit("global_avg_pool", (x,), {}, (*x.shape[:2], 1, 1))
    if not any(extent % parts for extent, parts in zip(extents, wanted, strict=True)):
        return _even(call, x, wanted, "avg_pool2d")
    expect_modest(sum(wanted), "windows")
    made = x
    for axis, (extent, parts) in enumerate(zip(extents, wanted, strict=True), start=2):
        windows = _windows(extent, parts)
        counts = [len(window) for window in windows]
        made = averages_along(call, made, axis, windows, counts, "" if axis == 3 else ".rows")
    return made


def averages_along(
    call: Call,
    x: Variable,
    axis: int,
    windows: Sequence[range],
    counts: Sequence[int],
    suffix: str,
) -> Variable:
    """The sum of every window of an axis by its count."""
    expect_modest(len(windows) * x.shape[axis], "a matrix")
    matrix = np.zeros((len(windows), x.shape[axis]))
    for row, window, count in zip(matrix, windows, counts, strict=True):
        row[list(window)] = 1 / count
    return along_axis(call, x, axis, matrix, suffix)


def _maxima(call: Call, x: Variable, wanted: tuple[int, int]) -> Variable:
    extents = (x.shape[2], x.shape[3])
    if wanted == extents:
        return x
    if not any(extent % parts for extent, parts in zip(extents, wanted, strict=True)):
        return _even(call, x, wanted, "max_pool2d")
    expect_modest(sum(wanted), "windows")
    made = x
    for axis, parts in enumerate(wanted, start=2):
        windows = _windows(made.shape[axis], parts)
        made = largest_along(call, made, axis, windows, "" if axis == 3 else ".rows")
    return made


def _even(call: Call, x: Variable, wanted: tuple[int, int], op: str) -> Variable:
    kernel = (x.shape[2] // wanted[0], x.shape[3] // wanted[1])
    window: dict[str, AttributeValue] = {"kernel": kernel, "stride": kernel, "padding": (0, 0)}
    return call.emit(op, (x,), window, (*x.shape[:2], *wanted))


def largest_along(
    call: Call, x: Variable, axis: int, windows: Sequence[range], suffix: str
) -> Variable:
    """The largest of every window of an axis.

    Shorter windows repeat their last pixel, which changes no maximum.
    """
    parts = len(windows)
    longest = max(len(window) for window in windows)
    expect_modest(longest * parts, "windows")
    places = [window[min(at, len(window) - 1)] for window in windows for at in range(longest)]
    attributes: dict[str, AttributeValue] = {
        "axis": axis,
        "indices": call.constant(f"windows_{axis}", np.array(places, np.float32)),
    }
    shape = (*x.shape[:axis], len(places), *x.shape[axis + 1 :])
    taken = call.emit("take", (x,), attributes, shape, f"{suffix}.windows")
    apart = (*x.shape[:axis], parts, longest, *x.shape[axis + 1 :])
    seen = call.drafted.reshaped(Variable(taken.name, apart, taken.stored), call.source)
    one = (*x.shape[:axis], parts, 1, *x.shape[axis + 1 :])
    most: dict[str, AttributeValue] = {"function": "max", "axis": axis + 1}
    made = call.emit("reduce", (seen,), most, one, f"{suffix}.largest")
    whole = (*x.shape[:axis], parts, *x.shape[axis + 1 :])
    return call.drafted.reshaped(Variable(made.name, whole, made.stored), call.source)


def _adaptive(pool: Any) -> NodeBuilder:
    def build(call: Call) -> Entry:
        wanted = pair(call.get("output_size"))
        if min(wanted) < 1:
            raise Unsupported(f"{wanted[0]} x {wanted[1]} windows", "keep a pixel")
        made: Variable = pool(call, call.variable("self", rank=4), wanted)
        return made

    return build


def _adaptive1d(pool: Any) -> NodeBuilder:
    def build(call: Call) -> Entry:
        wanted = call.get("output_size")
        size = wanted if isinstance(wanted, int) else wanted[0]
        return as_line(pool(call, as_image(call, "self"), (1, int(size))))

    return build


ADAPTIVE_ROWS: Final[tuple[tuple[NodeBuilder, tuple[str, ...]], ...]] = (
    (_adaptive(_averages), ("adaptive_avg_pool2d.default", "_adaptive_avg_pool2d.default")),
    (_adaptive(_maxima), ("adaptive_max_pool2d.default",)),
    (_adaptive1d(_averages), ("adaptive_avg_pool1d.default",)),
    (_adaptive1d(_maxima), ("adaptive_max_pool1d.default",)),
)
