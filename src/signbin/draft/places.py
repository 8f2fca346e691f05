"""Elements of an axis by a list of their places, and borders along any axis of any value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from signbin.draft.call import Call, Unsupported, Variable, expect_modest
from signbin.ir import BATCH, AttributeValue
from signbin.ir.resampling import pad_table

__all__ = ["bordered_axis", "taken_from"]


def taken_from(call: Call, x: Variable, axis: int, places: Sequence[int]) -> Variable:
    """y[..., n, ...] = x[..., places[n], ...]."""
    if axis == BATCH:
        raise Unsupported("takes some of the images", "keep all images")
    expect_modest(len(places), "a list")
    if not places:
        raise Unsupported("takes nothing", "keep an element at least")
    attributes: dict[str, AttributeValue] = {
        "axis": axis,
        "indices": call.constant(f"places_{axis}", np.array(places, np.float32)),
    }
    shape = (*x.shape[:axis], len(places), *x.shape[axis + 1 :])
    return call.emit("take", (x,), attributes, shape)


def bordered_axis(
    call: Call, x: Variable, axis: int, sides: tuple[int, int], mode: str, value: float
) -> Variable:
    """The axis with so many elements before and after: of a number, or its own as the mode says.

    Where sides are negative so many are cut off.
    """
    extent = x.shape[axis]
    expect_modest(extent + abs(sides[0]) + abs(sides[1]), "a border")
    if mode != "constant":
        places = pad_table(mode, extent, *sides).tolist()
        if min(places) < 0 or max(places) >= extent:
            raise Unsupported(f"pads {sides} around {extent}, mirrored", "pad less than there is")
        return taken_from(call, x, axis, places)
    kept = range(extent)[max(-sides[0], 0) : extent - max(-sides[1], 0)]
    added = [max(side, 0) for side in sides]
    if not any(added) or not kept:
        return taken_from(call, x, axis, list(kept))
    inner = Call(f"{call.name}.kept", call.source, call.arguments, None, call.drafted)
    held = x if len(kept) == extent else taken_from(inner, x, axis, list(kept))
    return _between_numbers(call, held, axis, (added[0], added[1]), value)


def _between_numbers(
    call: Call, x: Variable, axis: int, added: tuple[int, int], value: float
) -> Variable:
    """The number is put behind the axis; every place of the border takes it from there."""
    rows = (*x.shape[1:axis], 1, *x.shape[axis + 1 :])
    end: dict[str, AttributeValue] = {
        "value": call.constant("border", np.full(rows, value, np.float32))
    }
    number = call.emit("constant", (x,), end, (BATCH, *rows), ".number")
    order = (0, axis, *(other for other in range(1, len(x.shape)) if other != axis))
    back = tuple(order.index(each) for each in range(len(order)))
    parts = [_turned(call, each, order, f".part_{at}") for at, each in enumerate((x, number))]
    shape = (BATCH, x.shape[axis] + 1, *parts[0].shape[2:])
    joined = call.emit("concat", tuple(parts), {}, shape, ".joined")
    places = [x.shape[axis]] * added[0] + list(range(x.shape[axis])) + [x.shape[axis]] * added[1]
    inner = Call(f"{call.name}.bordered", call.source, call.arguments, None, call.drafted)
    made = taken_from(inner, joined, 1, places)
    return _turned(call, made, back, "")


def _turned(call: Call, x: Variable, order: tuple[int, ...], suffix: str) -> Variable:
    shape = tuple(x.shape[axis] for axis in order)
    if order == tuple(range(len(order))):
        return x
    return call.emit("transpose", (x,), {"order": order[1:]}, shape, suffix)
