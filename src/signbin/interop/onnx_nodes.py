"""How every op of the IR is written in standard ONNX operators (opset 17 and later): one table.

A row writes the operators of one node. The last of them carries the node's name as its result;
results before it and constants get names with a slash, which no IR name contains.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from signbin.ir import ConstRef, Graph, Node, arguments_of, margins, resolve
from signbin.ir.resampling import Table, linear_tables, nearest_tables, pad_tables

__all__ = ["WRITERS", "OnnxWriter"]

_WHOLE_AXIS: Final = np.iinfo(np.int64).max


@dataclasses.dataclass
class OnnxWriter:
    """Collects operators and constants while the nodes of one graph are written."""

    graph: Graph
    opset: int = 17
    nodes: list[NodeProto] = dataclasses.field(default_factory=list)
    constants: dict[str, TensorProto] = dataclasses.field(default_factory=dict)
    made: set[str] = dataclasses.field(default_factory=set)

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """Add an initialiser; its name in the model: its own, where no value may have that."""
        taken = "/" in name or name in self.graph.types()
        full = f"constant/{name}" if taken else name
        self.constants[full] = numpy_helper.from_array(np.asarray(array, order="C"), full)
        return full

    def stored(self, name: str) -> str:
        """Add a constant of the graph, as float32; its name in the model."""
        return self.constant(name, self.graph.array(ConstRef(name)))

    def append(
        self, node: Node | None, operator: str, inputs: list[str], result: str, **attributes: Any
    ) -> str:
        """Append an operator of one result, called by the module of the node it is part of."""
        name = (
            self._free_name(f"/{node.source.replace('.', '/')}/{operator}")
            if (node is not None and node.source)
            else result
        )
        self.nodes.append(helper.make_node(operator, inputs, [result], name=name, **attributes))
        return result

    def _free_name(self, name: str) -> str:
        free, number = name, 0
        while free in self.made:
            number += 1
            free = f"{name}_{number}"
        self.made.add(free)
        return free

    def write(self, node: Node) -> None:
        """Append the operators of a node."""
        WRITERS[node.op](_Step(self, node, resolve(node)))


@dataclasses.dataclass(frozen=True)
class _Step:
    """One node on its way: its resolved attributes, and how to add operators for it."""

    writer: OnnxWriter
    node: Node
    attributes: Mapping[str, Any]

    @property
    def source(self) -> str:
        return self.node.inputs[0]

    @property
    def rank(self) -> int:
        return len(self.node.type.shape)

    def add(self, operator: str, inputs: list[str], part: str = "", **attributes: Any) -> str:
        """Append an operator; ``part`` names a result that is not the node's own."""
        result = f"{self.node.name}/{part}" if part else self.node.name
        return self.writer.append(self.node, operator, inputs, result, **attributes)

    def array(self, attribute: str) -> NDArray[np.float32]:
        return self.writer.graph.array(self.attributes[attribute])

    def has(self, attribute: str) -> bool:
        return isinstance(self.attributes.get(attribute), ConstRef)

    def stored(self, attribute: str) -> str:
        """The constant of an attribute, as it is."""
        return self.writer.stored(self.attributes[attribute].name)

    def per_channel(self, attribute: str) -> str:
        """A vector (C,) as (C, 1, 1), or (C,) beside [N, C] and rows: it broadcasts along C."""
        behind = 0 if self.node.op == "linear" else self.rank - 2
        column = self.array(attribute).reshape((-1,) + (1,) * behind)
        name = self.attributes[attribute].name
        return self.writer.constant(f"{name}/{column.ndim}d", column)

    def scalar(self, name: str, value: float) -> str:
        return self.writer.constant(f"{self.node.name}/{name}", np.array(value, np.float32))

    def whole_numbers(self, name: str, *numbers: int) -> str:
        return self.writer.constant(f"{self.node.name}/{name}", np.array(numbers, np.int64))

    def clip(self, value: str, part: str = "") -> str:
        """Infinite bounds are left out."""
        low, high = (self.attributes[name] for name in ("low", "high"))
        bounds = [
            self.scalar("low", low) if np.isfinite(low) else "",
            self.scalar("high", high) if np.isfinite(high) else "",
        ]
        while bounds and not bounds[-1]:
            bounds.pop()
        return self.add("Clip" if bounds else "Identity", [value, *bounds], part)


def _pads(step: _Step) -> list[int]:
    return list(margins(step.attributes["padding"]))


def _conv2d(step: _Step) -> None:
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


def _linear(step: _Step) -> None:
    if step.rank > 2:
        _linear_of_rows(step)
        return
    inputs = [step.source, step.stored("weight")]
    inputs += [step.stored("bias")] if step.has("bias") else []
    _with_epilogue(step, "Gemm", inputs, transB=1)


def _linear_of_rows(step: _Step) -> None:
    """Gemm knows no rank but 2."""
    name = step.attributes["weight"].name
    matrix = step.writer.constant(f"{name}/transposed", step.array("weight").T)
    if not step.has("bias"):
        _with_epilogue(step, "MatMul", [step.source, matrix])
        return
    product = step.add("MatMul", [step.source, matrix], "product")
    _with_epilogue(step, "Add", [product, step.stored("bias")])


def _with_epilogue(step: _Step, operator: str, inputs: list[str], **attributes: Any) -> None:
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


_ACTIVATIONS: Final[Mapping[str, Callable[[_Step, str, str], str] | None]] = {
    "none": None,
    "relu": lambda step, value, part: step.add("Relu", [value], part),
    "leaky_relu": lambda step, value, part: step.add(
        "LeakyRelu", [value], part, alpha=step.attributes["slope"]
    ),
    "prelu": lambda step, value, part: step.add("PRelu", [value, step.per_channel("prelu")], part),
    "clamp": lambda step, value, part: step.clip(value, part),
}


def _batch_norm(step: _Step) -> None:
    names = ("scale", "bias", "mean", "variance")
    inputs = [step.source, *(step.stored(name) for name in names)]
    step.add("BatchNormalization", inputs, epsilon=step.attributes["epsilon"])


def _prelu(step: _Step) -> None:
    step.add("PRelu", [step.source, step.per_channel("slope")])


def _function(operator: str, **attributes: Any) -> Callable[[_Step], str]:
    """A function that is one operator of ONNX."""
    return lambda step: step.add(operator, [step.source], **attributes)


def _gelu(step: _Step) -> None:
    """x * ((1 + Erf(x / sqrt 2)) / 2)."""
    scaled = step.add("Mul", [step.source, step.scalar("root", math.sqrt(0.5))], "scaled")
    _half_and_half(step, step.add("Erf", [scaled], "erf"))


def _gelu_tanh(step: _Step) -> None:
    """x * ((1 + Tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2)."""
    square = step.add("Mul", [step.source, step.source], "square")
    slope = step.add("Mul", [square, step.scalar("cubic", 0.044715)], "slope")
    grown = step.add("Add", [slope, step.scalar("one", 1.0)], "grown")
    product = step.add("Mul", [step.source, grown], "product")
    scaled = step.add("Mul", [product, step.scalar("root", math.sqrt(2 / math.pi))], "scaled")
    _half_and_half(step, step.add("Tanh", [scaled], "tanh"))


def _half_and_half(step: _Step, value: str) -> None:
    """x * (value / 2 + 1 / 2)."""
    half = step.scalar("half", 0.5)
    gate = step.add("Add", [step.add("Mul", [value, half], "halved"), half], "gate")
    step.add("Mul", [step.source, gate])


def _mish(step: _Step) -> None:
    gate = step.add("Tanh", [step.add("Softplus", [step.source], "softplus")], "gate")
    step.add("Mul", [step.source, gate])


def _binary_sign(step: _Step) -> None:
    """-1 where x < 0, else 1."""
    negative = step.add("Less", [step.source, step.scalar("zero", 0.0)], "negative")
    step.add("Where", [negative, step.scalar("minus", -1.0), step.scalar("one", 1.0)])


_FUNCTIONS: Final[Mapping[str, Callable[[_Step], object]]] = {
    "abs": _function("Abs"),
    "binary_sign": _binary_sign,
    "elu": lambda step: step.add("Elu", [step.source], alpha=step.attributes["alpha"]),
    "erf": _function("Erf"),
    "exp": _function("Exp"),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "hard_sigmoid": _function("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_swish": _function("HardSwish"),
    "log": _function("Log"),
    "mish": _mish,
    "reciprocal": _function("Reciprocal"),
    "sigmoid": _function("Sigmoid"),
    "sign": _function("Sign"),
    "silu": lambda step: step.add("Mul", [step.source, step.add("Sigmoid", [step.source], "gate")]),
    "softplus": _function("Softplus"),
    "sqrt": _function("Sqrt"),
    "tanh": _function("Tanh"),
}


def _max_pool2d(step: _Step) -> None:
    dilations = list(step.attributes["dilation"])
    step.add("MaxPool", [step.source], dilations=dilations, **_window(step))


def _avg_pool2d(step: _Step) -> None:
    include = int(step.attributes["count_include_pad"])
    step.add("AveragePool", [step.source], count_include_pad=include, **_window(step))


def _window(step: _Step) -> dict[str, Any]:
    attributes = step.attributes
    return {
        "kernel_shape": list(attributes["kernel"]),
        "strides": list(attributes["stride"]),
        "pads": _pads(step),
    }


def _subsample_pad(step: _Step) -> None:
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


def _reduce(step: _Step) -> None:
    """Sums take their axes as an input, the others as an attribute until opset 18."""
    first, function = step.attributes["axis"], step.attributes["function"]
    axes = list(range(first, first + step.attributes["count"]))
    if function == "sum" or step.writer.opset >= 18:
        inputs = [step.source, step.whole_numbers("axes", *axes)]
        step.add(f"Reduce{function.capitalize()}", inputs, keepdims=1)
        return
    step.add(f"Reduce{function.capitalize()}", [step.source], axes=axes, keepdims=1)


def _layer_norm(step: _Step) -> None:
    axes = step.attributes["axes"]
    shape = step.node.type.shape[-axes:]
    ones = step.writer.constant(f"{step.node.name}/ones", np.ones(shape, np.float32))
    inputs = [step.source, step.stored("scale") if step.has("scale") else ones]
    inputs += [step.stored("bias")] if step.has("bias") else []
    step.add("LayerNormalization", inputs, axis=-axes, epsilon=step.attributes["epsilon"])


def _affine(step: _Step) -> None:
    value = step.source
    if step.has("scale"):
        part = "scaled" if step.has("bias") else ""
        value = step.add("Mul", [value, step.stored("scale")], part)
    if step.has("bias"):
        step.add("Add", [value, step.stored("bias")])


def _constant(step: _Step) -> None:
    """Expand to as many images as the input has."""
    value = step.writer.constant(f"{step.node.name}/value", step.array("value")[None])
    extents = step.whole_numbers("extents", *step.node.type.shape[1:])
    shape = step.add("Shape", [step.source], "shape", start=0, end=1)
    whole = step.add("Concat", [shape, extents], "whole", axis=0)
    step.add("Expand", [value, whole])


def _reshape(step: _Step) -> None:
    shape = step.whole_numbers("shape", 0, *step.attributes["shape"])
    step.add("Reshape", [step.source, shape])


def _slice(step: _Step) -> None:
    first, apart = step.attributes["first"], step.attributes["step"]
    end = first + (step.attributes["count"] - 1) * apart + 1
    bounds = [step.whole_numbers("starts", first), step.whole_numbers("ends", end)]
    axis = step.whole_numbers("axes", step.attributes["axis"])
    step.add("Slice", [step.source, *bounds, axis, step.whole_numbers("steps", apart)])


def _expand(step: _Step) -> None:
    shape = step.whole_numbers("shape", 1, *step.attributes["shape"])
    step.add("Expand", [step.source, shape])


def _pad(step: _Step) -> None:
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


def _looked_up(step: _Step, tables: tuple[Table, Table]) -> None:
    """y = x[:, :, rows][..., columns]."""
    rows, columns = (
        step.whole_numbers(name, *table.tolist())
        for name, table in zip(("rows", "columns"), tables, strict=True)
    )
    step.add("Gather", [step.add("Gather", [step.source, rows], "rows", axis=2), columns], axis=3)


def _resize_nearest(step: _Step) -> None:
    """As two look-ups: what Resize rounds to differs among its readers."""
    _looked_up(step, nearest_tables(arguments_of(step.writer.graph, step.node)))


def _resize_linear(step: _Step) -> None:
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


def _depth_to_space(step: _Step) -> None:
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


def _space_to_depth(step: _Step) -> None:
    down, across = step.attributes["block"]
    _, channels, height, width = step.node.type.shape
    apart = step.whole_numbers("apart", 0, channels // (down * across), height, down, width, across)
    grouped = step.add("Reshape", [step.source, apart], "grouped")
    order = step.add("Transpose", [grouped], "order", perm=[0, 1, 3, 5, 2, 4])
    step.add("Reshape", [order, step.whole_numbers("shape", 0, channels, height, width)])


def _take(step: _Step) -> None:
    indices = step.array("indices").astype(np.int64)
    places = step.whole_numbers("indices", *indices.tolist())
    step.add("Gather", [step.source, places], axis=step.attributes["axis"])


def _slice_channels(step: _Step) -> None:
    first, count = step.attributes["first"], step.attributes["count"]
    bounds = [step.whole_numbers("starts", first), step.whole_numbers("ends", first + count)]
    step.add("Slice", [step.source, *bounds, step.whole_numbers("axes", 1)])


def _channel_shuffle(step: _Step) -> None:
    _, channels, *image = step.node.type.shape
    groups = step.attributes["groups"]
    apart = step.whole_numbers("apart", 0, groups, channels // groups, *image)
    grouped = step.add("Reshape", [step.source, apart], "grouped")
    order = [0, 2, 1, *range(3, 3 + len(image))]
    swapped = step.add("Transpose", [grouped], "swapped", perm=order)
    step.add("Reshape", [swapped, step.whole_numbers("shape", 0, channels, *image)])


WRITERS: Final[Mapping[str, Callable[[_Step], object]]] = MappingProxyType(
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
        "unary": lambda step: _FUNCTIONS[step.attributes["function"]](step),
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
