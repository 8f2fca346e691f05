"""Rows for pools, whatever padding and axes ONNX states for their windows."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from signbin.draft import Entry, Unsupported, Variable
from signbin.draft.rows import as_image, as_line
from signbin.draft.volumes import Windows, pooled_by_axes
from signbin.draft.windows import shortest
from signbin.ir import AttributeValue
from signbin.onnx_reader.node import OnnxNode, Rows
from signbin.onnx_reader.windows import numbers_of, padding_of, same, stated_of

__all__ = ["POOLS"]


def _max_pool(node: OnnxNode) -> Entry:
    if len(node.names) > 1 and node.names[1]:
        raise Unsupported("the positions of the largest pixels are used", "use the values alone")
    if node.attribute("storage_order", 0):
        raise Unsupported("storage_order=1", "use 0")
    if len(node.attribute("kernel_shape")) > 2:
        return _by_axes(node, "max")
    x, window, dilation = _pool(node)
    return _pooled(node, x, "max_pool2d", {**window, "dilation": dilation})


def _average_pool(node: OnnxNode) -> Entry:
    axes = len(node.attribute("kernel_shape"))
    if axes > 2 or any(each != 1 for each in numbers_of(node, "dilations", axes, 1)):
        return _by_axes(node, "mean")
    x, window, _ = _pool(node)
    include = bool(node.attribute("count_include_pad", 0))
    stated = _all_around(node) if not same(node) else window["padding"]
    if include and shortest(tuple(window["padding"])) != shortest(tuple(stated)):
        x, window = _bordered(node, x, tuple(stated), window)
        include = False
    return _pooled(node, x, "avg_pool2d", {**window, "count_include_pad": include})


def _all_around(node: OnnxNode) -> tuple[int, ...]:
    """What is stated, of an image."""
    axes = len(node.attribute("kernel_shape"))
    found = stated_of(node, axes)
    return found if axes == 2 else (0, found[0], 0, found[1])


def _bordered(
    node: OnnxNode, x: Variable, stated: tuple[int, ...], window: dict[str, Any]
) -> tuple[Variable, dict[str, Any]]:
    """The stated padding as pixels of the image: those that ceil_mode adds never count."""
    top, left, bottom, right = stated if len(stated) == 4 else (*stated, *stated)
    if any(stated):
        shape = (*x.shape[:2], x.shape[2] + top + bottom, x.shape[3] + left + right)
        border: dict[str, AttributeValue] = {
            "stride": (1, 1),
            "padding": shortest((top, left, bottom, right)),
            "channels_before": 0,
            "channels_after": 0,
        }
        x = node.call({}).emit("subsample_pad", (x,), border, shape, suffix=".pad")
    whole = window["padding"]
    below, beside = whole[2:] if len(whole) == 4 else whole
    return x, {**window, "padding": (0, 0, below - bottom, beside - right)}


def _pool(node: OnnxNode) -> tuple[Variable, dict[str, Any], tuple[int, int]]:
    """The value as an image, the window as the IR has it, and its dilation.

    ceil_mode is padding after the image.
    """
    kernel = tuple(int(number) for number in node.attribute("kernel_shape"))
    axes = len(kernel)
    call = node.call({"self": node.entry(0)})
    x = call.variable("self", rank=4) if axes == 2 else as_image(call, "self")
    stride, dilation = (numbers_of(node, name, axes, 1) for name in ("strides", "dilations"))
    padding = list(padding_of(node, x, kernel, stride, dilation))
    before, after = padding[:axes], padding[axes:]
    if node.attribute("ceil_mode", 0):
        _expect_pixels(node, x, stride, before)
        after = [
            max(pad, (windows - 1) * step + (taps - 1) * apart + 1 - extent - first)
            for pad, windows, step, taps, apart, extent, first in zip(
                *(after, node.shape[2:], stride, kernel, dilation, x.shape[-axes:], before),
                strict=True,
            )
        ]
    one, none = (1,) * (2 - axes), (0,) * (2 - axes)
    window = {
        "kernel": (*one, *kernel),
        "stride": (*one, *stride),
        "padding": shortest((*none, *before, *none, *after)),
    }
    whole = (*one, *dilation)
    return x, window, (whole[0], whole[1])


def _expect_pixels(node: OnnxNode, x: Variable, stride: tuple[int, ...], before: list[int]) -> None:
    """Engines part on whether there is a last window that holds nothing of the image."""
    sizes = zip(node.shape[2:], stride, before, x.shape[-len(stride) :], strict=True)
    if any((windows - 1) * step - first >= extent for windows, step, first, extent in sizes):
        raise Unsupported("windows beyond the image", "pad less than the window")


def _pooled(node: OnnxNode, x: Variable, op: str, row: dict[str, AttributeValue]) -> Entry:
    """Of lines, which are images of one row, a line again."""
    if len(node.shape) == 4:
        return node.call({}).emit(op, (x,), row)
    return as_line(node.call({}).emit(op, (x,), row, (*node.shape[:2], 1, node.shape[2])))


def _by_axes(node: OnnxNode, function: str) -> Entry:
    """Windows over more than two axes, and averages of pixels that are apart."""
    kernel = tuple(int(number) for number in node.attribute("kernel_shape"))
    axes = len(kernel)
    call = node.call({"self": node.entry(0)})
    x = call.variable("self", rank=axes + 2)
    stride, dilation = (numbers_of(node, name, axes, 1) for name in ("strides", "dilations"))
    padding = padding_of(node, x, kernel, stride, dilation)
    include = bool(node.attribute("count_include_pad", 0))
    around = (padding[:axes], padding[axes:])
    windows = Windows(kernel, stride, *around, dilation, node.shape[2:], include)
    return pooled_by_axes(call, x, function, windows)


def _global_average(node: OnnxNode) -> Entry:
    x = node.variable()
    if len(x.shape) == 4:
        return node.say("adaptive_avg_pool2d.default", self=x, output_size=(1, 1))
    return node.say("mean.dim", self=x, dim=_behind_channels(x), keepdim=True, dtype=None)


def _global_max(node: OnnxNode) -> Entry:
    x = node.variable()
    return node.say("amax.default", self=x, dim=_behind_channels(x), keepdim=True)


def _behind_channels(x: Variable) -> list[int]:
    return list(range(2, len(x.shape)))


POOLS: Final[Rows] = MappingProxyType(
    {
        "MaxPool": _max_pool,
        "AveragePool": _average_pool,
        "GlobalAveragePool": _global_average,
        "GlobalMaxPool": _global_max,
    }
)
"""Operator of ONNX -> its row."""
