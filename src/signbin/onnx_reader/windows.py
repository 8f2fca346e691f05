"""Rows for convolutions, and how windows are stated: padding as begins and ends, or as SAME."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from signbin.draft import Entry, Unsupported, Variable
from signbin.draft.rows import as_image, as_line
from signbin.draft.transposed import TransposedWindow, transposed_convolution
from signbin.onnx_reader.node import OnnxNode, Rows

__all__ = ["WINDOWS", "numbers_of", "padding_of", "same", "stated_of"]

_TWO_AXES: Final = "keep images as [N, C, H, W]"


def _conv(node: OnnxNode) -> Entry:
    x, weight = node.variable(), node.known(1)
    axes = weight.ndim - 2
    kernel, dilation = weight.shape[2:], numbers_of(node, "dilations", axes, 1)
    stride = numbers_of(node, "strides", axes, 1)
    padding = padding_of(node, x, kernel, stride, dilation)
    operator = {1: "conv1d", 2: "conv2d"}.get(axes)
    if operator is None:
        raise Unsupported(f"a convolution over {axes} axes", _TWO_AXES)
    return node.say(
        f"{operator}.default",
        input=x,
        weight=node.entry(1),
        bias=node.entry(2) if node.has(2) else None,
        stride=list(stride),
        padding=list(padding),
        dilation=list(dilation),
        groups=int(node.attribute("group", 1)),
    )


def _conv_transpose(node: OnnxNode) -> Entry:
    """The size of the result has been inferred; what is cut before it is left to say."""
    weight = node.known(1)
    axes = weight.ndim - 2
    if axes not in (1, 2):
        raise Unsupported(f"a convolution over {axes} axes", _TWO_AXES)
    roles: dict[str, Any] = {"input": node.entry(0), "weight": node.entry(1)}
    roles["bias"] = node.entry(2) if node.has(2) else None
    call = node.call(roles)
    x = call.variable("input", rank=4) if axes == 2 else as_image(call, "input")
    stride, dilation = (numbers_of(node, name, axes, 1) for name in ("strides", "dilations"))
    size, before = node.shape[2:], _cut_before(node, x, weight.shape[2:], stride, dilation)
    image = [(1,) * (2 - axes) + tuple(each) for each in (stride, dilation, size)]
    window = TransposedWindow(
        stride=(image[0][0], image[0][1]),
        before=(*(0,) * (2 - axes), *before),  # type: ignore[arg-type]  # two numbers
        dilation=(image[1][0], image[1][1]),
        groups=int(node.attribute("group", 1)),
        size=(image[2][0], image[2][1]),
    )
    filters = call.array("weight").reshape(*weight.shape[:2], *(1,) * (2 - axes), *weight.shape[2:])
    bias = None if roles["bias"] is None else call.array("bias")
    made = transposed_convolution(call, x, filters, bias, window)
    return made if axes == 2 else as_line(made)


def _cut_before(
    node: OnnxNode,
    x: Variable,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    """Of pads that are stated those before; where a size is, what is too much, on both sides."""
    axes = len(kernel)
    asked = same(node)
    if not asked and not node.attribute("output_shape"):
        return stated_of(node, axes)[:axes]
    more = numbers_of(node, "output_padding", axes, 0)
    before = []
    for extent, size, taps, step, apart, added in zip(
        x.shape[-axes:], node.shape[2:], kernel, stride, dilation, more, strict=True
    ):
        total = max(0, step * (extent - 1) + added + (taps - 1) * apart + 1 - size)
        before.append(total // 2 if asked == "SAME_UPPER" else total - total // 2)
    return tuple(before)


def numbers_of(node: OnnxNode, name: str, axes: int, default: int) -> tuple[int, ...]:
    """An attribute of a number per axis; the default for each where it is left out."""
    stated = node.attribute(name)
    found = tuple(int(number) for number in stated) if stated else (default,) * axes
    if len(found) != axes:
        raise Unsupported(f"{name}={list(found)}", f"state {axes} numbers")
    return found


def same(node: OnnxNode) -> str:
    """SAME_UPPER or SAME_LOWER where the node asks for it, else nothing."""
    asked = node.attribute("auto_pad", b"NOTSET")
    text = asked.decode() if isinstance(asked, bytes) else str(asked)
    return text if text.startswith("SAME") else ""


def stated_of(node: OnnxNode, axes: int) -> tuple[int, ...]:
    """The padding that is stated in numbers: begins of all axes, then ends."""
    if node.attribute("auto_pad", b"NOTSET") in (b"VALID", "VALID"):
        return (0,) * (2 * axes)
    return numbers_of(node, "pads", 2 * axes, 0)


def padding_of(
    node: OnnxNode,
    x: Variable,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    """Begins of all axes, then ends."""
    asked = same(node)
    if not asked:
        return stated_of(node, len(kernel))
    before, after = [], []
    for extent, taps, step, apart in zip(
        x.shape[-len(kernel) :], kernel, stride, dilation, strict=True
    ):
        windows = -(-extent // step)
        total = max(0, (windows - 1) * step + (taps - 1) * apart + 1 - extent)
        less, more = total // 2, total - total // 2
        before.append(less if asked == "SAME_UPPER" else more)
        after.append(more if asked == "SAME_UPPER" else less)
    return (*before, *after)


WINDOWS: Final[Rows] = MappingProxyType(
    {
        "Conv": _conv,
        "ConvTranspose": _conv_transpose,
    }
)
"""Operator of ONNX -> its row."""
