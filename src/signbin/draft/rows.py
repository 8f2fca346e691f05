"""Rows of the operator table for values of any rank: along axes, of matrices, of lines.

Axes are those of the call, the batch being axis 0; no operation goes along or moves that one.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.draft.call import (
    Call,
    Entry,
    Folded,
    NodeBuilder,
    Unsupported,
    Variable,
    expect_modest,
    shown,
)
from signbin.draft.windows import window_of_pool
from signbin.ir import BATCH, AttributeValue

__all__ = [
    "ROW_ROWS",
    "as_image",
    "as_line",
    "axis_of",
    "broadcast",
    "for_every_image",
    "last_axes_affine",
    "matrix_product",
    "over",
    "reduced",
    "sliced",
    "transposed",
    "without_axis",
]

_FIRST: Final = "keep the batch as the first axis, untouched"


def axis_of(call: Call, axis: Any, rank: int) -> int:
    """An axis of a value, counted from the front; Unsupported for the batch."""
    found = int(axis) % rank
    if found == BATCH:
        raise Unsupported("works along the batch", _FIRST)
    return found


def transposed(call: Call, x: Variable, order: tuple[int, ...], suffix: str = "") -> Variable:
    """The value with axis a taken from axis order[a]; order[0] is the batch."""
    if order[0] != BATCH:
        raise Unsupported(f"permutes axes to {list(order)}", _FIRST)
    if order == tuple(range(len(order))):
        return x
    shape = tuple(x.shape[axis] for axis in order)
    return call.emit("transpose", (x,), {"order": order[1:]}, shape, suffix)


def sliced(
    call: Call, x: Variable, axis: int, taken: tuple[int, int, int], suffix: str = ""
) -> Variable:
    """First, count and step of the elements along an axis."""
    first, count, step = taken
    if (first, count, step) == (0, x.shape[axis], 1):
        return x
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    attributes: dict[str, AttributeValue] = {"axis": axis, "first": first, "count": count}
    if step != 1:
        attributes["step"] = step
    return call.emit("slice", (x,), attributes, shape, suffix)


def reduced(call: Call, x: Variable, function: str, axes: list[int], keep: bool) -> Entry:
    """One reduction for every run of neighbouring axes, from the last to the first."""
    made, runs = x, _runs(axes)
    for number, (first, count) in enumerate(reversed(runs)):
        shape = (*made.shape[:first], *(1,) * count, *made.shape[first + count :])
        attributes: dict[str, AttributeValue] = {"function": function, "axis": first}
        if count > 1:
            attributes["count"] = count
        suffix = "" if number == len(runs) - 1 else f".over_{first}"
        made = call.emit("reduce", (made,), attributes, shape, suffix)
    if keep:
        return made
    kept = tuple(extent for axis, extent in enumerate(made.shape) if axis not in axes)
    if len(kept) < 2:
        raise Unsupported("leaves one number per image, without an axis", "pass keepdim=True")
    return Variable(made.name, kept, made.stored)


def _runs(axes: list[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for axis in sorted(axes):
        if runs and sum(runs[-1]) == axis:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((axis, 1))
    return runs


def broadcast(call: Call, x: Variable, shape: tuple[int, ...], suffix: str) -> Variable:
    """The value repeated along its axes of one element; axes it lacks come before its own."""
    missing = len(shape) - len(x.shape)
    if missing < 0:
        raise Unsupported(f"broadcasts {shown(x.shape)} to {shown(shape)}", _FIRST)
    seen = (BATCH, *(1,) * missing, *x.shape[1:])
    if missing:
        x = call.drafted.reshaped(Variable(x.name, seen, x.stored), call.source)
    if x.shape == shape:
        return x
    return call.emit("expand", (x,), {"shape": shape[1:]}, shape, suffix)


def last_axes_affine(
    call: Call,
    x: Variable,
    factor: NDArray[np.floating[Any]] | None,
    shift: NDArray[np.floating[Any]] | None,
    suffix: str = "",
) -> Variable:
    """factor * x + shift of constants that broadcast to x: an op ``affine`` on the last axes."""
    stated = {"scale": factor, "bias": shift}
    arrays = {name: array for name, array in stated.items() if array is not None}
    ranks = [_own_axes(array, x.shape) for array in arrays.values()]
    last = x.shape[-max(ranks) :]
    expect_modest(math.prod(last), "a factor")
    attributes: dict[str, AttributeValue] = {}
    for name, array in arrays.items():
        with np.errstate(over="ignore"):
            whole = np.broadcast_to(_tail(array, len(last)), last).astype(np.float32)
        if not np.isfinite(whole).all():
            raise Unsupported("a constant is beyond float32", "use smaller numbers")
        attributes[name] = call.constant(name, np.ascontiguousarray(whole))
    return call.emit("affine", (x,), attributes, x.shape, suffix)


def _own_axes(array: NDArray[np.floating[Any]], shape: tuple[int, ...]) -> int:
    """How many of the last axes an array says something of; Unsupported where it does not fit."""
    try:
        np.broadcast_shapes(array.shape, (1, *shape[1:]))
    except ValueError:
        fits = False
    else:
        fits = array.ndim <= len(shape) and np.broadcast_shapes(array.shape, (1, *shape[1:])) == (
            1,
            *shape[1:],
        )
    if not fits:
        raise Unsupported(
            f"combines {shown(shape)} and a parameter of shape {array.shape}",
            "make its shape that of the activation, or of its last axes, with 1 for the batch",
        )
    own = [axis for axis, extent in enumerate(array.shape[::-1]) if extent != 1]
    return max(own, default=0) + 1


def _tail(array: NDArray[np.floating[Any]], rank: int) -> NDArray[np.floating[Any]]:
    return array.reshape(array.shape[-rank:]) if array.ndim > rank else array


def matrix_product(call: Call, x: Variable, y: Variable, suffix: str = "") -> Variable:
    """Products of the last two axes; the others are repeated where one of the values has one."""
    rank = max(len(x.shape), len(y.shape))
    if min(len(x.shape), len(y.shape)) < 3 or rank > 6:
        raise Unsupported(
            f"multiplies matrices {shown(x.shape)} and {shown(y.shape)}",
            "give both the batch and two axes more",
        )
    one, other = ((1,) * (rank - len(each.shape)) + each.shape[1:-2] for each in (x, y))
    outer = np.broadcast_shapes(one, other)
    x = broadcast(call, x, (BATCH, *outer, *x.shape[-2:]), ".first")
    y = broadcast(call, y, (BATCH, *outer, *y.shape[-2:]), ".second")
    return call.emit("matmul", (x, y), {}, (*x.shape[:-1], y.shape[-1]), suffix)


def as_image(call: Call, argument: str) -> Variable:
    """[N, C, L] as an image of one row, [N, C, 1, L]; lines that follow one another stay images."""
    entry = call.get(argument)
    if not isinstance(entry, Variable) or len(entry.shape) != 3:
        entry = call.variable(argument, rank=3)
    seen = (*entry.shape[:2], 1, entry.shape[2])
    return call.drafted.reshaped(Variable(entry.name, seen, entry.stored), call.source)


def as_line(made: Variable) -> Variable:
    """An image of one row as a line."""
    return Variable(made.name, (*made.shape[:2], made.shape[3]), made.stored)


def _conv1d(call: Call) -> Entry:
    x, weight = as_image(call, "input"), call.array("weight")
    attributes: dict[str, AttributeValue] = {
        "weight": call.weight("weight", weight[:, :, None]),
        "stride": (1, _single(call, "stride")),
        "padding": _padding1d(call, weight.shape[2]),
        "dilation": (1, _single(call, "dilation")),
        "groups": int(call.get("groups")),
    }
    if call.get("bias") is not None:
        attributes["bias"] = call.constant("bias")
    assert call.shape is not None
    image = (*call.shape[:2], 1, call.shape[2])
    return as_line(call.emit("conv2d", (x,), attributes, image))


def _padding1d(call: Call, taps: int) -> tuple[int, ...]:
    stated = call.get("padding")
    if stated == "valid":
        return (0, 0)
    if stated != "same":
        sides = stated if isinstance(stated, (list, tuple)) and len(stated) == 2 else None
        return (0, sides[0], 0, sides[1]) if sides else (0, _single(call, "padding"))
    both = _single(call, "dilation") * (taps - 1)
    return (0, both // 2, 0, both - both // 2)


def _single(call: Call, argument: str) -> int:
    stated = call.get(argument)
    return int(stated[0] if isinstance(stated, (list, tuple)) else stated)


def _pool1d(op: str) -> NodeBuilder:
    """A pool over lines: that of images of one row."""

    def build(call: Call) -> Entry:
        x = as_image(call, "self")
        assert call.shape is not None
        arguments = dict(call.arguments)
        for name in ("kernel_size", "stride", "padding", "dilation"):
            given = arguments.get(name)
            if given not in (None, []):
                unset = 0 if name == "padding" else 1
                arguments[name] = [unset, _single(call, name)]
        image = (*call.shape[:2], 1, call.shape[2])
        seen = Call(call.name, call.source, arguments, image, call.drafted)
        dilation = (1, _single(call, "dilation")) if "dilation" in arguments else (1, 1)
        attributes = {**window_of_pool(seen, x, dilation)}
        if op == "max_pool2d":
            attributes["dilation"] = dilation
        else:
            attributes["count_include_pad"] = bool(call.get("count_include_pad"))
        return as_line(call.emit(op, (x,), attributes, image))

    return build


def _layer_norm(call: Call) -> Entry:
    x, axes = call.variable("input"), len(call.get("normalized_shape"))
    attributes: dict[str, AttributeValue] = {"axes": axes, "epsilon": float(call.get("eps"))}
    for name, argument in (("scale", "weight"), ("bias", "bias")):
        if call.get(argument) is not None:
            attributes[name] = call.constant(argument)
    return call.emit("layer_norm", (x,), attributes, x.shape)


def _softmax(call: Call) -> Entry:
    x = call.variable("self")
    return call.emit("softmax", (x,), {"axis": axis_of(call, call.get("dim"), len(x.shape))})


def over(function: str) -> NodeBuilder:
    """sum, mean, amax, amin over any axes but the batch."""

    def build(call: Call) -> Entry:
        if call.arguments.get("dtype") is not None:
            raise Unsupported(f"result of {call.get('dtype')}", "compute in float32 throughout")
        x, dims = call.variable("self"), call.get("dim")
        listed = [dims] if isinstance(dims, int) else list(dims or ())
        axes = sorted(axis_of(call, axis, len(x.shape)) for axis in listed)
        if not axes:
            raise Unsupported(f"{function} over all axes, the batch too", _FIRST)
        return reduced(call, x, function, axes, bool(call.get("keepdim")))

    return build


def _bmm(call: Call) -> Entry:
    return matrix_product(call, call.variable("self"), call.variable("mat2"))


def _attention(call: Call) -> Entry:
    """softmax(scale * query key^T + mask) value, over the last two axes."""
    call.expect("dropout_p", 0.0, "pass 0 where the model is not in training")
    query, key, value = (call.variable(name) for name in ("query", "key", "value"))
    stated = call.get("scale")
    scale = 1 / math.sqrt(query.shape[-1]) if stated is None else float(stated)
    order = (*range(len(key.shape) - 2), len(key.shape) - 1, len(key.shape) - 2)
    query = last_axes_affine(call, query, np.array(scale), None, ".scaled")
    scores = matrix_product(call, query, transposed(call, key, order, ".turned"), ".scores")
    mask = _mask(call, scores.shape)
    if mask is not None:
        scores = last_axes_affine(call, scores, None, mask, ".masked")
    attributes: dict[str, AttributeValue] = {"axis": len(scores.shape) - 1}
    weights = call.emit("softmax", (scores,), attributes, scores.shape, ".weights")
    return matrix_product(call, weights, value)


_HIDDEN: Final = -1e30
"""In place of -inf, which no constant may be: e^x of it is 0 beside any number."""


def _mask(call: Call, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    given = call.get("attn_mask")
    if isinstance(given, Variable):
        raise Unsupported("a mask that depends on the input", "use a constant mask, or none")
    mask = None
    if isinstance(given, Folded):
        found = np.asarray(given.result)
        shown_to = found if found.dtype == bool else found > _HIDDEN
        added = np.zeros(found.shape) if found.dtype == bool else found
        mask = np.where(shown_to, added, _HIDDEN).astype(np.float32)
    if call.get("is_causal"):
        causal = np.where(np.tri(shape[-2], shape[-1]) > 0, 0, _HIDDEN).astype(np.float32)
        mask = causal if mask is None else np.minimum(mask, causal)
    return mask


def _select(call: Call) -> Entry:
    x = call.variable("self")
    axis = axis_of(call, call.get("dim"), len(x.shape))
    made = sliced(call, x, axis, (int(call.get("index")) % x.shape[axis], 1, 1))
    return without_axis(made, axis)


def without_axis(made: Variable, axis: int) -> Variable:
    """The value seen without an axis of one element."""
    shape = (*made.shape[:axis], *made.shape[axis + 1 :])
    if len(shape) < 2:
        raise Unsupported("leaves one number per image, without an axis", "keep it: x[:, 0:1]")
    return Variable(made.name, shape, made.stored)


def _expand(call: Call) -> Entry:
    """A value repeated; a parameter stays what it is: what it is combined with repeats it."""
    x = call.get("self")
    if isinstance(x, Folded):
        return x
    assert call.shape is not None
    return broadcast(call, call.variable("self"), call.shape, "")


def for_every_image(call: Call, parameter: Folded, suffix: str) -> Variable:
    """A parameter of one image, as a class token, as a value."""
    array, anchor = np.asarray(parameter.result), call.drafted.anchor
    if array.ndim < 2 or array.shape[0] != 1 or anchor is None:
        raise Unsupported(
            f"a parameter of shape {array.shape} beside activations", "make its first extent 1"
        )
    value = np.ascontiguousarray(array[0], np.float32)
    attributes: dict[str, AttributeValue] = {"value": call.constant("value", value)}
    return call.emit("constant", (anchor,), attributes, (BATCH, *value.shape), suffix)


ROW_ROWS: Final[tuple[tuple[NodeBuilder, tuple[str, ...]], ...]] = (
    (_conv1d, ("conv1d.default", "conv1d.padding")),
    (_pool1d("max_pool2d"), ("max_pool1d.default",)),
    (_pool1d("avg_pool2d"), ("avg_pool1d.default",)),
    (_layer_norm, ("layer_norm.default",)),
    (_softmax, ("softmax.int", "_softmax.default")),
    (_bmm, ("bmm.default",)),
    (_attention, ("scaled_dot_product_attention.default",)),
    (_select, ("select.int",)),
    (_expand, ("expand.default",)),
    (over("min"), ("amin.default",)),
)
