"""Rows of the operator table that choose, turn round or repeat elements of an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from signbin.draft.call import (
    Call,
    Entry,
    Folded,
    NodeBuilder,
    Unsupported,
    Variable,
    expect_modest,
)
from signbin.draft.places import taken_from
from signbin.draft.rows import axis_of

__all__ = ["CHOSEN_ROWS"]

_Places = tuple[int, list[int]]


def _taken(call: Call, x: Variable, chosen: Sequence[_Places]) -> Variable:
    """One axis after another."""
    made = x
    for number, (axis, places) in enumerate(chosen):
        last = number == len(chosen) - 1
        name = call.name if last else f"{call.name}.axis{axis}"
        step = Call(name, call.source, call.arguments, None, call.drafted)
        made = taken_from(step, made, axis, places)
    return made


def _flip(call: Call) -> Entry:
    x = call.variable("self")
    axes = [axis_of(call, axis, len(x.shape)) for axis in call.get("dims")]
    return _taken(call, x, [(axis, list(range(x.shape[axis]))[::-1]) for axis in axes])


def _roll(call: Call) -> Entry:
    x = call.variable("self")
    if not call.get("dims"):
        raise Unsupported("rolls all axes, the batch too", "state dims")
    chosen: list[_Places] = []
    for axis, shift in zip(call.get("dims"), call.get("shifts"), strict=True):
        at = axis_of(call, axis, len(x.shape))
        chosen.append((at, [(place - shift) % x.shape[at] for place in range(x.shape[at])]))
    return _taken(call, x, chosen)


def _index_select(call: Call) -> Entry:
    x = call.variable("self")
    axis = axis_of(call, call.get("dim"), len(x.shape))
    return _taken(call, x, [(axis, _places(call.get("index"), x.shape[axis]))])


def _index(call: Call) -> Entry:
    """One constant vector of places, along one axis."""
    x, indices = call.variable("self"), call.get("indices")
    stated = [axis for axis, each in enumerate(indices) if each is not None]
    if len(stated) != 1:
        raise Unsupported(f"places along {len(stated)} axes", "choose along one axis")
    axis = axis_of(call, stated[0], len(x.shape))
    given = indices[axis]
    places = _places(given, x.shape[axis])
    made = _taken(call, x, [(axis, places)])
    extents = np.asarray(given.result).shape
    shape = (*x.shape[:axis], *extents, *x.shape[axis + 1 :])
    return Variable(made.name, shape, made.stored)


def _places(given: Any, extent: int) -> list[int]:
    if not isinstance(given, Folded):
        raise Unsupported("places that depend on the input", "use constant ones")
    array = np.asarray(given.result)
    if not np.issubdtype(array.dtype, np.integer):
        raise Unsupported(f"places of {array.dtype}", "use whole numbers")
    return [int(place) % extent for place in array.reshape(-1)]


def _repeat(call: Call) -> Entry:
    x, repeats = call.variable("self"), list(call.get("repeats"))
    if len(repeats) != len(x.shape) or repeats[0] != 1:
        raise Unsupported(f"repeats {repeats}", "repeat neither images nor new axes")
    chosen: list[_Places] = []
    for axis, count in enumerate(repeats):
        if count != 1:
            expect_modest(count * x.shape[axis], "a list")
            chosen.append((axis, list(range(x.shape[axis])) * count))
    return _taken(call, x, chosen)


CHOSEN_ROWS: Final[tuple[tuple[NodeBuilder, tuple[str, ...]], ...]] = (
    (_flip, ("flip.default",)),
    (_roll, ("roll.default",)),
    (_index_select, ("index_select.default",)),
    (_index, ("index.Tensor",)),
    (_repeat, ("repeat.default",)),
)
