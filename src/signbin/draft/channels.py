"""Rows of the operator table that move channels: concatenation, slices, splits, shuffles."""

from __future__ import annotations

from typing import Final

from signbin.draft.call import (
    Call,
    Entry,
    NodeBuilder,
    Parts,
    Regrouped,
    Unsupported,
    Variable,
    shown,
)
from signbin.ir import BATCH

__all__ = ["CHANNEL_ROWS", "channel_slice", "part", "regrouped"]

_CHANNELS: Final = 1
_KEEP: Final = "keep activations as [N, C, H, W]; channels may be shuffled in groups"


def channel_slice(call: Call, x: Variable, first: int, count: int) -> Entry:
    """Channels first .. first + count - 1, as the result of this call."""
    if (first, count) == (0, x.shape[_CHANNELS]):
        return x
    shape = (x.shape[0], count, *x.shape[2:])
    return call.emit("slice_channels", (x,), {"first": first, "count": count}, shape)


def part(call: Call, parts: Parts) -> Entry:
    """getitem of a split: the slice itself."""
    first, count = parts.ranges[call.get("index")]
    return channel_slice(call, parts.whole, first, count)


def _concat(call: Call) -> Entry:
    given = call.get("tensors")
    if not all(isinstance(entry, Variable) for entry in given):
        raise Unsupported("concatenates a parameter", "concatenate activations alone")
    axis = int(call.get("dim")) % len(given[0].shape)
    if axis != _CHANNELS:
        raise Unsupported(
            f"concatenates {shown(given[0].shape)} along axis {axis}", "concatenate along axis 1"
        )
    if len(given) == 1:
        return given[0]  # type: ignore[no-any-return]  # checked above
    values = tuple(call.value_of(entry, "tensors") for entry in given)
    return call.emit("concat", values, {})


def _split(call: Call) -> Entry:
    """chunk, split, tensor_split: consecutive slices, read one by one by getitem."""
    x = call.variable("self")
    axis = int(call.get("dim")) % len(x.shape)
    if axis != _CHANNELS or call.shapes is None:
        raise Unsupported(f"splits {shown(x.shape)} along axis {axis}", "split along axis 1")
    ranges, first = [], 0
    for shape in call.shapes:
        ranges.append((first, shape[_CHANNELS]))
        first += shape[_CHANNELS]
    return Parts(x, tuple(ranges))


def _transpose(call: Call) -> Entry:
    return _transposed(call, (int(call.get("dim0")), int(call.get("dim1"))))


def _permute(call: Call) -> Entry:
    order = [int(axis) for axis in call.get("dims")]
    moved = [axis for axis, source in enumerate(order) if axis != source % len(order)]
    if not moved:
        entry: Entry = call.get("self")
        return entry
    if len(moved) != 2:  # two axes that are not in their places have changed them
        raise Unsupported(f"permutes axes to {order}", _KEEP)
    return _transposed(call, (moved[0], moved[1]))


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
        raise Unsupported(f"swaps axes {first} and {second} of {shown(x.shape)}", _KEEP)
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
    (_transpose, ("transpose.int", "swapaxes.default", "swapdims.default")),
    (_permute, ("permute.default",)),
    (_channel_shuffle, ("channel_shuffle.default", "native_channel_shuffle.default")),
)
