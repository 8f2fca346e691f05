"""Rows of the operator table that move channels: concatenation, slices, splits, shuffles."""

from __future__ import annotations

from typing import Final

from signbin.draft.call import (
    Call,
    Entry,
    Folded,
    NodeBuilder,
    Parts,
    Regrouped,
    Unsupported,
    Variable,
)
from signbin.draft.rows import axis_of, for_every_image, sliced, transposed, without_axis
from signbin.ir import BATCH

__all__ = ["CHANNEL_ROWS", "channel_slice", "part", "regrouped"]

_CHANNELS: Final = 1


def channel_slice(call: Call, x: Variable, first: int, count: int) -> Entry:
    """Channels first .. first + count - 1, as the result of this call."""
    if (first, count) == (0, x.shape[_CHANNELS]):
        return x
    shape = (x.shape[0], count, *x.shape[2:])
    return call.emit("slice_channels", (x,), {"first": first, "count": count}, shape)


def part(call: Call, parts: Parts) -> Entry:
    """getitem of a split: the slice itself."""
    first, count = parts.ranges[call.get("index")]
    if parts.axis == _CHANNELS and not parts.dropped:
        return channel_slice(call, parts.whole, first, count)
    made = sliced(call, parts.whole, parts.axis, (first, count, 1))
    return without_axis(made, parts.axis) if parts.dropped else made


def _concat(call: Call) -> Entry:
    given = call.get("tensors")
    rank = len(call.shape or ())
    axis = axis_of(call, call.get("dim"), rank)
    if len(given) == 1:
        return given[0]  # type: ignore[no-any-return]  # an Entry
    values = tuple(
        for_every_image(call, entry, f".constant_{number}")
        if isinstance(entry, Folded)
        else call.value_of(entry, "tensors")
        for number, entry in enumerate(given)
    )
    if axis == _CHANNELS:
        return call.emit("concat", values, {})
    return _concat_along(call, values, axis)


def _concat_along(call: Call, values: tuple[Variable, ...], axis: int) -> Entry:
    """The axis takes the place of the channels, and gives it back."""
    rank = len(values[0].shape)
    order = (0, axis, *(other for other in range(1, rank) if other != axis))
    turned = tuple(
        transposed(call, value, order, f".turned_{number}") for number, value in enumerate(values)
    )
    shape = (BATCH, sum(value.shape[1] for value in turned), *turned[0].shape[2:])
    made = call.emit("concat", turned, {}, shape, ".joined")
    return transposed(call, made, tuple(order.index(each) for each in range(rank)))


def _split(call: Call) -> Entry:
    """chunk, split, tensor_split: consecutive slices, read one by one by getitem."""
    x = call.variable("self")
    axis = axis_of(call, call.get("dim"), len(x.shape))
    ranges, first = [], 0
    for shape in call.shapes or ():
        ranges.append((first, shape[axis]))
        first += shape[axis]
    return Parts(x, tuple(ranges), axis)


def _unbind(call: Call) -> Entry:
    """Every element of an axis, without it."""
    x = call.variable("self")
    axis = axis_of(call, call.get("dim"), len(x.shape))
    return Parts(x, tuple((index, 1) for index in range(x.shape[axis])), axis, dropped=True)


def _transpose(call: Call) -> Entry:
    return _transposed(call, (int(call.get("dim0")), int(call.get("dim1"))))


def _permute(call: Call) -> Entry:
    order = [int(axis) for axis in call.get("dims")]
    moved = [axis for axis, source in enumerate(order) if axis != source % len(order)]
    if not moved:
        entry: Entry = call.get("self")
        return entry
    if len(moved) == 2:  # two axes that are not in their places have changed them
        return _transposed(call, (moved[0], moved[1]))
    return transposed(call, call.variable("self"), tuple(axis % len(order) for axis in order))


def _transposed(call: Call, axes: tuple[int, int]) -> Entry:
    """[N, g, C/g, H, W] -> [N, C/g, g, H, W], between the views that take the channels apart."""
    x = call.get("self")
    if not isinstance(x, Variable):
        raise Unsupported("transposes a parameter to the batch", "transpose it in __init__")
    first, second = sorted(axis % len(x.shape) for axis in axes)
    apart = (
        (first, second) == (1, 2)
        and x.stored == (BATCH, x.shape[1] * x.shape[2], *x.shape[3:])
        and len(x.shape) > 3
    )
    if not apart:
        order = list(range(len(x.shape)))
        order[first], order[second] = second, first
        return transposed(call, call.variable("self"), tuple(order))
    return Regrouped(Variable(x.name, x.stored, x.stored), x.shape[1])


def regrouped(call: Call, x: Regrouped) -> Entry:
    """The view that makes one axis of the transposed groups again: a shuffle."""
    if call.shape != x.whole.shape:
        raise Unsupported("takes transposed groups of channels apart", "view them as [N, C, H, W]")
    return call.emit("channel_shuffle", (x.whole,), {"groups": x.groups})


def _channel_shuffle(call: Call) -> Entry:
    return call.emit("channel_shuffle", (call.variable("self"),), {"groups": call.get("groups")})


CHANNEL_ROWS: Final[tuple[tuple[NodeBuilder, tuple[str, ...]], ...]] = (
    (_concat, ("cat.default", "concat.default", "concatenate.default")),
    (
        _split,
        (
            "chunk.default",
            "split.Tensor",
            "split.sizes",
            "split_with_sizes.default",
            "tensor_split.sections",
        ),
    ),
    (_unbind, ("unbind.int",)),
    (_transpose, ("transpose.int", "swapaxes.default", "swapdims.default")),
    (_permute, ("permute.default",)),
    (_channel_shuffle, ("channel_shuffle.default", "native_channel_shuffle.default")),
)
