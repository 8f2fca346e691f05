"""How every op of the IR is written in standard ONNX operators (opset 17 and later): one table.

A row writes the operators of one node. The last of them carries the node's name as its result;
results before it and constants get names with a slash, which no IR name contains.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from signbin.interop.onnx_functions import FUNCTIONS
from signbin.interop.onnx_step import OnnxCollector, OnnxStep
from signbin.ir import Node, arguments_of, margins, resolve
from signbin.ir.resampling import Table, linear_tables, nearest_tables, pad_tables

__all__ = ["WRITERS", "OnnxWriter"]

_WHOLE_AXIS: Final = np.iinfo(np.int64).max


@dataclasses.dataclass
class OnnxWriter(OnnxCollector):
    """Collects operators and constants while the nodes of one graph are written."""

    def write(self, node: Node) -> None:
        """Append the operators of a node."""
        WRITERS[node.op](OnnxStep(self, node, resolve(node)))


def _pads(step: OnnxStep) -> list[int]:
    return list(margins(step.attributes["padding"]))


def _conv2d(step: OnnxStep) -> None:
    attributes = step.attributes
    inputs = [step.source, step.stored("weight")]
    inputs += [step.stored("bias")] if step.has("bias") else []
    _with_epilogue(
        step,
        "Conv",
        inputs,
        kernel_shape=list(step.array("weight").shape[2:]),
        strides=list(attributes["stride"]),
        pads=_pads(step),
        dilations=list(attributes["dilation"]),
        group=attributes["groups"],
    )


def _linear(step: OnnxStep) -> None:
    if step.rank > 2:
        _linear_of_rows(step)
        return
    inputs = [step.source, step.stored("weight")]
    inputs += [step.stored("bias")] if step.has("bias") else []
    _with_epilogue(step, "Gemm", inputs, transB=1)


def _linear_of_rows(step: OnnxStep) -> None:
    """Gemm knows no rank but 2."""
    name = step.attributes["weight"].name
    matrix = step.writer.constant(f"{name}/transposed", step.array("weight").T)
    if not step.has("bias"):
        _with_epilogue(step, "MatMul", [step.source, matrix])
        return
    product = step.add("MatMul", [step.source, matrix], "product")
    _with_epilogue(step, "Add", [product, step.stored("bias")])


def _with_epilogue(step: OnnxStep, operator: str, inputs: list[str], **attributes: Any) -> None:
    """y = activation(operator + residual) + post_bias; the last part there is has the name."""
    parts: list[tuple[str, Callable[[str, str], str]]] = []
    if len(step.node.inputs) > 1:
        residual = step.node.inputs[1]
        parts.append(("residual", lambda value, part: step.add("Add", [value, residual], part)))
    activation = _ACTIVATIONS[step.attributes["activation"]]
    if activation is not None:
        parts.append(("activation", lambda value, part: activation(step, value, part)))
    if step.has("post_bias"):
        bias = step.per_channel("post_bias")
        parts.append(("post_bias", lambda value, part: step.add("Add", [value, bias], part)))
    value = step.add(operator, inputs, "sum" if parts else "", **attributes)
    for index, (name, write) in enumerate(parts):
        value = write(value, "" if index == len(parts) - 1 else name)


_ACTIVATIONS: Final[Mapping[str, Callable[[OnnxStep, str, str], str] | None]] = {
    "none": None,
    "relu": lambda step, value, part: step.add("Relu", [value], part),
    "leaky_relu": lambda step, value, part: step.add(
        "LeakyRelu", [value], part, alpha=step.attributes["slope"]
    ),
    "prelu": lambda step, value, part: step.add("PRelu", [value, step.per_channel("prelu")], part),
    "clamp": lambda step, value, part: step.clip(value, part),
}


def _batch_norm(step: OnnxStep) -> None:
    names = ("scale", "bias", "mean", "variance")
    inputs = [step.source, *(step.stored(name) for name in names)]
    step.add("BatchNormalization", inputs, epsilon=step.attributes["epsilon"])


def _prelu(step: OnnxStep) -> None:
    step.add("PRelu", [step.source, step.per_channel("slope")])


def _max_pool2d(step: OnnxStep) -> None:
    dilations = list(step.attributes["dilation"])
    step.add("MaxPool", [step.source], dilations=dilations, **_window(step))


def _avg_pool2d(step: OnnxStep) -> None:
    include = int(step.attributes["count_include_pad"])
    step.add("AveragePool", [step.source], count_include_pad=include, **_window(step))


def _window(step: OnnxStep) -> dict[str, Any]:
    attributes = step.attributes
    return {
        "kernel_shape": list(attributes["kernel"]),
        "strides": list(attributes["stride"]),
        "pads": _pads(step),
    }


def _subsample_pad(step: OnnxStep) -> None:
    whole_numbers = step.whole_numbers
    before, after = (step.attributes[f"channels_{side}"] for side in ("before", "after"))
    top, left, bottom, right = _pads(step)
    source = step.source
    if top or left or bottom or right:
        border = whole_numbers("border", 0, 0, top, left, 0, 0, bottom, right)
        source = step.add("Pad", [source, border], "padded", mode="constant")
    kept = step.add(
        "Slice",
        [
            source,
            whole_numbers("starts", 0, 0),
            whole_numbers("ends", _WHOLE_AXIS, _WHOLE_AXIS),
            whole_numbers("axes", 2, 3),
            whole_numbers("steps", *step.attributes["stride"]),
        ],
        "kept",
    )
    step.add("Pad", [kept, whole_numbers("pads", 0, before, 0, 0, 0, after, 0, 0)], mode="constant")


def _reduce(step: OnnxStep) -> None:
    """Sums take their axes as an input, the others as an attribute until opset 18."""
    first, function = step.attributes["axis"], step.attributes["function"]
    axes = list(range(first, first + step.attributes["count"]))
    if function == "sum" or step.writer.opset >= 18:
        inputs = [step.source, step.whole_numbers("axes", *axes)]
        step.add(f"Reduce{function.capitalize()}", inputs, keepdims=1)
        return
    step.add(f"Reduce{function.capitalize()}", [step.source], axes=axes, keepdims=1)


def _layer_norm(step: OnnxStep) -> None:
    axes = step.attributes["axes"]
    shape = step.node.type.shape[-axes:]
    ones = step.writer.constant(f"{step.node.name}/ones", np.ones(shape, np.float32))
    inputs = [step.source, step.stored("scale") if step.has("scale") else ones]
    inputs += [step.stored("bias")] if step.has("bias") else []
    step.add("LayerNormalization", inputs, axis=-axes, epsilon=step.attributes["epsilon"])


def _affine(step: OnnxStep) -> None:
    value = step.source
    if step.has("scale"):
        part = "scaled" if step.has("bias") else ""
        value = step.add("Mul", [value, step.stored("scale")], part)
    if step.has("bias"):
        step.add("Add", [value, step.stored("bias")])


def _constant(step: OnnxStep) -> None:
    """Expand to as many images as the input has."""
    value = step.writer.constant(f"{step.node.name}/value", step.array("value")[None])
    extents = step.whole_numbers("extents", *step.node.type.shape[1:])
    shape = step.add("Shape", [step.source], "shape", start=0, end=1)
    whole = step.add("Concat", [shape, extents], "whole", axis=0)
    step.add("Expand", [value, whole])


def _reshape(step: OnnxStep) -> None:
    shape = step.whole_numbers("shape", 0, *step.attributes["shape"])
    step.add("Reshape", [step.source, shape])


def _slice(step: OnnxStep) -> None:
    first, apart = step.attributes["first"], step.attributes["step"]
    end = first + (step.attributes["count"] - 1) * apart + 1
    bounds = [step.whole_numbers("starts", first), step.whole_numbers("ends", end)]
    axis = step.whole_numbers("axes", step.attributes["axis"])
    step.add("Slice", [step.source, *bounds, axis, step.whole_numbers("steps", apart)])


def _expand(step: OnnxStep) -> None:
    shape = step.whole_numbers("shape", 1, *step.attributes["shape"])
    step.add("Expand", [step.source, shape])


def _pad(step: OnnxStep) -> None:
    """Before opset 19 there is no mode wrap: rows, then columns, are looked up."""
    mode, pads = step.attributes["mode"], _pads(step)
    arguments = arguments_of(step.writer.graph, step.node)
    if mode == "circular":
        _looked_up(step, pad_tables(arguments))
        return
    amounts = step.whole_numbers("pads", 0, 0, *pads[:2], 0, 0, *pads[2:])
    inputs = [step.source, amounts]
    if mode == "constant":
        inputs.append(step.scalar("value", step.attributes["value"]))
    step.add("Pad", inputs, mode="edge" if mode == "replicate" else mode)


def _looked_up(step: OnnxStep, tables: tuple[Table, Table]) -> None:
    """y = x[:, :, rows][..., columns]."""
    rows, columns = (
        step.whole_numbers(name, *table.tolist())
        for name, table in zip(("rows", "columns"), tables, strict=True)
    )
    step.add("Gather", [step.add("Gather", [step.source, rows], "rows", axis=2), columns], axis=3)


def _resize_nearest(step: OnnxStep) -> None:
    """As two look-ups: what Resize rounds to differs among its readers."""
    _looked_up(step, nearest_tables(arguments_of(step.writer.graph, step.node)))


def _resize_linear(step: OnnxStep) -> None:
    """Rows by their shares, then columns: what Resize rounds to differs among its readers."""
    value = step.source
    tables = linear_tables(arguments_of(step.writer.graph, step.node))
    given = step.writer.graph.type_of(step.source).shape
    for axis, (name, table) in enumerate(zip(("rows", "columns"), tables, strict=True), start=2):
        after = np.minimum(table.rows + 1, given[axis] - 1)
        column = table.shares.astype(np.float32).reshape((-1,) + (1,) * (3 - axis))
        parts = [
            step.add(
                "Gather",
                [value, step.whole_numbers(f"{name}_{part}", *at.tolist())],
                f"{name}/{part}",
                axis=axis,
            )
            for part, at in (("first", table.rows), ("after", after))
        ]
        apart = step.add("Sub", parts[::-1], f"{name}/apart")
        share = step.writer.constant(f"{step.node.name}/{name}_shares", column)
        moved = step.add("Mul", [apart, share], f"{name}/moved")
        value = step.add("Add", [parts[0], moved], "" if axis == 3 else name)


def _depth_to_space(step: OnnxStep) -> None:
    """DepthToSpace knows square blocks alone."""
    down, across = step.attributes["block"]
    _, channels, height, width = step.writer.graph.type_of(step.source).shape
    _, made, rows, columns = step.node.type.shape
    top, left, bottom, right = margins(step.attributes["crop"])
    apart = step.whole_numbers("apart", 0, channels // (down * across), down, across, height, width)
    grouped = step.add("Reshape", [step.source, apart], "grouped")
    order = step.add("Transpose", [grouped], "order", perm=[0, 1, 4, 2, 5, 3])
    shape = step.whole_numbers("shape", 0, made, height * down, width * across)
    cut = any((top, left, bottom, right))
    whole = step.add("Reshape", [order, shape], "whole" if cut else "")
    if cut:
        starts = step.whole_numbers("starts", top, left)
        ends = step.whole_numbers("ends", top + rows, left + columns)
        step.add("Slice", [whole, starts, ends, step.whole_numbers("axes", 2, 3)])


def _space_to_depth(step: OnnxStep) -> None:
    down, across = step.attributes["block"]
    _, channels, height, width = step.node.type.shape
    apart = step.whole_numbers("apart", 0, channels // (down * across), height, down, width, across)
    grouped = step.add("Reshape", [step.source, apart], "grouped")
    order = step.add("Transpose", [grouped], "order", perm=[0, 1, 3, 5, 2, 4])
    step.add("Reshape", [order, step.whole_numbers("shape", 0, channels, height, width)])


def _take(step: OnnxStep) -> None:
    indices = step.array("indices").astype(np.int64)
    places = step.whole_numbers("indices", *indices.tolist())
    step.add("Gather", [step.source, places], axis=step.attributes["axis"])


def _slice_channels(step: OnnxStep) -> None:
    first, count = step.attributes["first"], step.attributes["count"]
    bounds = [step.whole_numbers("starts", first), step.whole_numbers("ends", first + count)]
    step.add("Slice", [step.source, *bounds, step.whole_numbers("axes", 1)])


def _channel_shuffle(step: OnnxStep) -> None:
    _, channels, *image = step.node.type.shape
    groups = step.attributes["groups"]
    apart = step.whole_numbers("apart", 0, groups, channels // groups, *image)
    grouped = step.add("Reshape", [step.source, apart], "grouped")
    order = [0, 2, 1, *range(3, 3 + len(image))]
    swapped = step.add("Transpose", [grouped], "swapped", perm=order)
    step.add("Reshape", [swapped, step.whole_numbers("shape", 0, channels, *image)])


WRITERS: Final[Mapping[str, Callable[[OnnxStep], object]]] = MappingProxyType(
    {
        "conv2d": _conv2d,
        "linear": _linear,
        "batch_norm": _batch_norm,
        "relu": lambda step: step.add("Relu", [step.source]),
        "leaky_relu": lambda step: step.add(
            "LeakyRelu", [step.source], alpha=step.attributes["slope"]
        ),
        "prelu": _prelu,
        "clamp": lambda step: step.clip(step.source),
        "unary": lambda step: FUNCTIONS[step.attributes["function"]](step),
        "add": lambda step: step.add("Add", list(step.node.inputs)),
        "subtract": lambda step: step.add("Sub", list(step.node.inputs)),
        "multiply": lambda step: step.add("Mul", list(step.node.inputs)),
        "softmax": lambda step: step.add("Softmax", [step.source], axis=step.attributes["axis"]),
        "reduce": _reduce,
        "layer_norm": _layer_norm,
        "affine": _affine,
        "matmul": lambda step: step.add("MatMul", list(step.node.inputs)),
        "constant": _constant,
        "channel_bias": lambda step: step.add("Add", [step.source, step.per_channel("bias")]),
        "max_pool2d": _max_pool2d,
        "avg_pool2d": _avg_pool2d,
        "global_avg_pool": lambda step: step.add("GlobalAveragePool", [step.source]),
        "flatten": lambda step: step.add("Flatten", [step.source], axis=1),
        "reshape": _reshape,
        "transpose": lambda step: step.add(
            "Transpose", [step.source], perm=[0, *step.attributes["order"]]
        ),
        "slice": _slice,
        "expand": _expand,
        "subsample_pad": _subsample_pad,
        "concat": lambda step: step.add("Concat", list(step.node.inputs), axis=1),
        "pad": _pad,
        "resize_nearest": _resize_nearest,
        "resize_linear": _resize_linear,
        "depth_to_space": _depth_to_space,
        "space_to_depth": _space_to_depth,
        "take": _take,
        "slice_channels": _slice_channels,
        "channel_shuffle": _channel_shuffle,
    }
)
