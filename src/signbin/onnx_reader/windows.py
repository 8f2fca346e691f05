"""Rows for convolutions and pools: ONNX states padding as begins and ends, or asks for SAME."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from signbin.draft import Entry, Folded, Unsupported, Variable
from signbin.draft.windows import shortest
from signbin.ir import AttributeValue
from signbin.onnx_reader.node import OnnxNode, Rows

__all__ = ["WINDOWS"]

_TWO_AXES: Final = "keep images as [N, C, H, W]"


def _conv(node: OnnxNode) -> Entry:
    x, weight = node.variable(), node.known(1)
    axes = weight.ndim - 2
    kernel, dilation = weight.shape[2:], _numbers(node, "dilations", axes, 1)
    stride = _numbers(node, "strides", axes, 1)
    padding = _padding(node, x, kernel, stride, dilation)
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


def _max_pool(node: OnnxNode) -> Entry:
    if len(node.names) > 1 and node.names[1]:
        raise Unsupported("the positions of the largest pixels are used", "use the values alone")
    if node.attribute("storage_order", 0):
        raise Unsupported("storage_order=1", "use 0")
    x, window, dilation = _pool(node)
    row: dict[str, AttributeValue] = {**window, "dilation": dilation}
    return node.call({}).emit("max_pool2d", (x,), row)


def _average_pool(node: OnnxNode) -> Entry:
    x, window, dilation = _pool(node)
    if dilation != (1, 1):
        raise Unsupported(f"dilations={list(dilation)}", "use a window of neighbouring pixels")
    include = bool(node.attribute("count_include_pad", 0))
    stated = _stated(node, x, 2) if not _same(node) else window["padding"]
    if include and shortest(tuple(window["padding"])) != shortest(tuple(stated)):
        x, window = _bordered(node, x, tuple(stated), window)
        include = False
    return node.call({}).emit("avg_pool2d", (x,), {**window, "count_include_pad": include})


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
    """The value, the window as the IR has it, and its dilation; ceil_mode is padding after."""
    x = node.call({"self": node.entry(0)}).variable("self")
    kernel = tuple(int(number) for number in node.attribute("kernel_shape"))
    if len(kernel) != 2 or len(x.shape) != 4:
        raise Unsupported(f"a window over {len(kernel)} axes", _TWO_AXES)
    stride = _numbers(node, "strides", 2, 1)
    dilation = _numbers(node, "dilations", 2, 1)
    top, left, *after = _padding(node, x, kernel, stride, dilation)
    if node.attribute("ceil_mode", 0):
        before = (top, left)
        after = [
            max(pad, (windows - 1) * step + (taps - 1) * apart + 1 - extent - first)
            for pad, windows, step, taps, apart, extent, first in zip(
                after, node.shape[2:], stride, kernel, dilation, x.shape[2:], before, strict=True
            )
        ]
    window = {
        "kernel": kernel,
        "stride": (stride[0], stride[1]),
        "padding": shortest((top, left, *after)),
    }
    return x, window, (dilation[0], dilation[1])


def _numbers(node: OnnxNode, name: str, axes: int, default: int) -> tuple[int, ...]:
    stated = node.attribute(name)
    found = tuple(int(number) for number in stated) if stated else (default,) * axes
    if len(found) != axes:
        raise Unsupported(f"{name}={list(found)}", f"state {axes} numbers")
    return found


def _same(node: OnnxNode) -> str:
    """SAME_UPPER or SAME_LOWER where the node asks for it, else nothing."""
    asked = node.attribute("auto_pad", b"NOTSET")
    text = asked.decode() if isinstance(asked, bytes) else str(asked)
    return text if text.startswith("SAME") else ""


def _stated(node: OnnxNode, x: Variable, axes: int) -> tuple[int, ...]:
    del x
    if node.attribute("auto_pad", b"NOTSET") in (b"VALID", "VALID"):
        return (0,) * (2 * axes)
    return _numbers(node, "pads", 2 * axes, 0)


def _padding(
    node: OnnxNode,
    x: Variable,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    """Begins of all axes, then ends."""
    asked = _same(node)
    if not asked:
        return _stated(node, x, len(kernel))
    before, after = [], []
    for extent, taps, step, apart in zip(x.shape[2:], kernel, stride, dilation, strict=True):
        windows = -(-extent // step)
        total = max(0, (windows - 1) * step + (taps - 1) * apart + 1 - extent)
        less, more = total // 2, total - total // 2
        before.append(less if asked == "SAME_UPPER" else more)
        after.append(more if asked == "SAME_UPPER" else less)
    return (*before, *after)


def _global_average(node: OnnxNode) -> Entry:
    return node.say("adaptive_avg_pool2d.default", self=node.variable(), output_size=(1, 1))


def _global_max(node: OnnxNode) -> Entry:
    return node.say("amax.default", self=node.variable(), dim=(2, 3), keepdim=True)


def _batch_norm(node: OnnxNode) -> Entry:
    if node.attribute("training_mode", 0) or len([name for name in node.names if name]) > 1:
        raise Unsupported("training mode", "export the model in eval mode")
    if node.attribute("spatial", 1) != 1:
        raise Unsupported("spatial=0", "use one number per channel")
    epsilon = float(node.attribute("epsilon", 1e-5))
    roles = ("input", "weight", "bias", "running_mean", "running_var")
    entries: dict[str, Any] = {role: node.entry(at) for at, role in enumerate(roles)}
    return node.say("batch_norm.default", **entries, training=False, eps=epsilon)


def _gemm(node: OnnxNode) -> Entry:
    """alpha * A B + beta * C: a linear layer where B and C are constants."""
    if node.attribute("transA", 0):
        raise Unsupported("transA=1", "keep the batch as the first extent")
    weight = node.known(1) if node.attribute("transB", 0) else node.known(1).T
    alpha, beta = float(node.attribute("alpha", 1.0)), float(node.attribute("beta", 1.0))
    bias = None
    if node.has(2):
        bias = _constant(node, 2, node.known(2) * _like(beta, node, 2))
        if bias.result.size not in (1, len(weight)):
            raise Unsupported(f"adds a constant of shape {bias.result.shape}", "add a vector")
        bias = Folded(bias.result.reshape(-1), bias.origin)
    scaled_weight = _constant(node, 1, weight if alpha == 1.0 else weight * _like(alpha, node, 1))
    return node.say("linear.default", input=node.variable(), weight=scaled_weight, bias=bias)


def _like(number: float, node: OnnxNode, position: int) -> Any:
    return node.known(position).dtype.type(number)


def _constant(node: OnnxNode, position: int, array: Any) -> Folded:
    """What was derived from an input, under its name."""
    entry = node.entry(position)
    return Folded(array, entry.origin if isinstance(entry, Folded) else "")


def _matmul(node: OnnxNode) -> Entry:
    first, second = node.entry(0), node.entry(1)
    if isinstance(first, Variable) and isinstance(second, Folded):
        weight = node.known(1)
        if weight.ndim != 2:
            raise Unsupported(f"a matrix of shape {weight.shape}", "multiply by [C, K]")
        return node.say(
            "linear.default", input=first, weight=_constant(node, 1, weight.T), bias=None
        )
    if isinstance(first, Folded):
        raise Unsupported("a constant times a value", "multiply values by constants: x W")
    return node.say("matmul.default", self=first, other=second)


WINDOWS: Final[Rows] = MappingProxyType(
    {
        "Conv": _conv,
        "MaxPool": _max_pool,
        "AveragePool": _average_pool,
        "GlobalAveragePool": _global_average,
        "GlobalMaxPool": _global_max,
        "BatchNormalization": _batch_norm,
        "Gemm": _gemm,
        "MatMul": _matmul,
    }
)
"""Operator of ONNX -> its row."""
