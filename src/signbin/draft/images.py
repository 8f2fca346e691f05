"""Rows of the operator table that move pixels: borders, slices of rows and columns, resizing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from signbin.draft.call import Call, Entry, NodeBuilder, Unsupported, Variable
from signbin.draft.places import bordered_axis
from signbin.draft.rows import as_image, as_line
from signbin.draft.windows import pair, shortest
from signbin.ir import BATCH, AttributeValue, Margins, margins

__all__ = ["IMAGE_ROWS", "pixel_slice"]

_NOWHERE: Final[Margins] = (0, 0, 0, 0)


def pixel_slice(call: Call, x: Variable, axis: int) -> Entry:
    """Rows (axis 2) or columns (axis 3) from a first one on, every step-th of them."""
    assert call.shape is not None
    step, count = int(call.get("step")), call.shape[axis]
    first = range(x.shape[axis])[slice(call.get("start"), call.get("end"))].start
    left = x.shape[axis] - first - ((count - 1) * step + 1)
    # What is left out anyway by the step after the last one needs no cutting.
    cut = [0, 0, 0, 0]
    cut[axis - 2], cut[axis] = -first, -left if left >= step else 0
    if any(cut):
        suffix = "" if step == 1 else ".cut"
        x = _cut(call, x, (cut[0], cut[1], cut[2], cut[3]), suffix)
    if step == 1:
        return x
    return _subsample_pad(call, x, (step, 1) if axis == 2 else (1, step), (0, 0))


def _cut(call: Call, x: Variable, padding: Margins, suffix: str) -> Variable:
    """A border below zero; one after the other is one."""
    before = call.drafted.node(x.name)
    shape = _bordered(x.shape, padding)
    if before is not None and before.op == "pad" and "mode" not in before.attributes:
        earlier = margins(before.attributes["padding"])
        if max(earlier) <= 0:
            top, left, bottom, right = (a + b for a, b in zip(earlier, padding, strict=True))
            padding = (top, left, bottom, right)
            x = Variable(before.inputs[0], x.shape, x.shape)
    return call.emit("pad", (x,), {"padding": shortest(padding)}, shape, suffix)


def _bordered(shape: tuple[int, ...], padding: Margins) -> tuple[int, ...]:
    top, left, bottom, right = padding
    return (*shape[:2], shape[2] + top + bottom, shape[3] + left + right)


def _pad(call: Call) -> Entry:
    """pad: of images in any mode, of channels with zeros; of other values axis by axis."""
    x, stated = call.variable("self"), list(call.get("pad"))
    if len(x.shape) != 4:
        mode, number = call.arguments.get("mode", "constant"), call.arguments.get("value") or 0
        return _padded_axes(call, x, stated, mode, float(number))
    left, right, top, bottom, *others = [*stated, *[0] * 8][:8]
    mode, value = call.arguments.get("mode", "constant"), float(call.arguments.get("value") or 0)
    border = (top, left, bottom, right)
    if not any(stated):
        return x
    if any(others):
        if mode != "constant" or value or min(stated) < 0 or any(others[2:]):
            raise Unsupported(
                f"pad={call.get('pad')} with {value:g}, {mode}",
                "pad channels with zeros, and images alone with anything else",
            )
        return _subsample_pad(call, x, (1, 1), (others[0], others[1]), border)
    if mode == "constant" and value == 0 and min(border) >= 0:
        return _subsample_pad(call, x, (1, 1), (0, 0), border)
    return _border(call, x, border, mode, value)


def _padded_axes(call: Call, x: Variable, stated: list[int], mode: str, value: float) -> Entry:
    """PyTorch states the last axis first."""
    sides = [
        (len(x.shape) - 1 - at, (stated[2 * at], stated[2 * at + 1]))
        for at in range(len(stated) // 2)
    ]
    wanted, made = [each for each in sides if any(each[1])], x
    for axis, both in wanted:
        if axis == BATCH:
            raise Unsupported("adds images", "keep the images")
        name = call.name if axis == wanted[-1][0] else f"{call.name}.axis{axis}"
        step = Call(name, call.source, call.arguments, None, call.drafted)
        made = bordered_axis(step, made, axis, both, mode, value)
    return made


def _mirrored1d(mode: str) -> NodeBuilder:
    def build(call: Call) -> Entry:
        x = call.variable("self", rank=3)
        return _padded_axes(call, x, list(call.get("padding")), mode, 0.0)

    return build


def _nearest1d(call: Call) -> Entry:
    """Of lines, which are images of one row."""
    x = as_image(call, "input" if "input" in call.arguments else "self")
    assert call.shape is not None
    scales = call.arguments.get("scale_factors") or [call.arguments.get("scales")]
    row: dict[str, AttributeValue] = {"size": (1, call.shape[2])}
    if scales[0]:
        row["scale_width"] = float(scales[0])
    shape = (*x.shape[:2], 1, call.shape[2])
    return as_line(call.emit("resize_nearest", (x,), row, shape))


def _border(call: Call, x: Variable, border: Margins, mode: str, value: float) -> Entry:
    if mode != "constant" and min(border) < 0:
        raise Unsupported(f"pads {border} pixels in mode {mode}", "cut images by a slice")
    row: dict[str, AttributeValue] = {"padding": shortest(border)}
    if mode != "constant":
        row["mode"] = mode
    elif value:
        row["value"] = value
    return call.emit("pad", (x,), row)


def _mirrored(mode: str) -> NodeBuilder:
    def build(call: Call) -> Entry:
        left, right, top, bottom = call.get("padding")
        return _border(call, call.variable("self", rank=4), (top, left, bottom, right), mode, 0.0)

    return build


def _subsample_pad(
    call: Call,
    x: Variable,
    stride: tuple[int, int],
    channels: tuple[int, int],
    border: Margins = _NOWHERE,
) -> Entry:
    """Continues a chain of borders and slices as one node: a border, then a stride, then channels.

    Borders add up and strides multiply; what came before is then unused.
    """
    before = call.drafted.node(x.name)
    if before is not None and before.op == "subsample_pad":
        attributes = before.attributes
        earlier, around = pair(attributes["stride"]), margins(attributes.get("padding", (0, 0)))
        bare = not attributes["channels_before"] and not attributes["channels_after"]
        if bare and (earlier == (1, 1) or not any(border)):
            stride = (stride[0] * earlier[0], stride[1] * earlier[1])
            top, left, bottom, right = (a + b for a, b in zip(border, around, strict=True))
            border = (top, left, bottom, right)
            x = Variable(before.inputs[0], x.shape, x.shape)
    row: dict[str, AttributeValue] = {
        "stride": stride,
        **({"padding": shortest(border)} if any(border) else {}),
        "channels_before": int(channels[0]),
        "channels_after": int(channels[1]),
    }
    return call.emit("subsample_pad", (x,), row)


def _resized(call: Call) -> tuple[Variable, dict[str, AttributeValue]]:
    """The image, and the size and the scales that it is resized by."""
    x = call.variable("input" if "input" in call.arguments else "self", rank=4)
    if call.shape is None:
        raise Unsupported("its result is not one tensor")
    row: dict[str, AttributeValue] = {"size": pair(call.shape[2:])}
    for name, scale in zip(("scale_height", "scale_width"), _scales(call), strict=True):
        if scale:
            row[name] = float(scale)
    return x, row


def _scales(call: Call) -> Sequence[Any]:
    """Of height and width; None where a size is stated."""
    if "scale_factors" in call.arguments:
        return call.get("scale_factors") or (None, None)
    return call.get("scales_h"), call.get("scales_w")


def _nearest(*, centred: bool) -> NodeBuilder:
    def build(call: Call) -> Entry:
        x, row = _resized(call)
        return call.emit("resize_nearest", (x,), row | ({"centred": True} if centred else {}))

    return build


IMAGE_ROWS: Final[tuple[tuple[NodeBuilder, tuple[str, ...]], ...]] = (
    (_pad, ("pad.default", "constant_pad_nd.default")),
    (_mirrored1d("reflect"), ("reflection_pad1d.default",)),
    (_mirrored1d("replicate"), ("replication_pad1d.default",)),
    (_nearest1d, ("upsample_nearest1d.vec", "upsample_nearest1d.default")),
    (_mirrored("reflect"), ("reflection_pad2d.default",)),
    (_mirrored("replicate"), ("replication_pad2d.default",)),
    (_nearest(centred=False), ("upsample_nearest2d.vec", "upsample_nearest2d.default")),
    (
        _nearest(centred=True),
        ("_upsample_nearest_exact2d.vec", "_upsample_nearest_exact2d.default"),
    ),
)
