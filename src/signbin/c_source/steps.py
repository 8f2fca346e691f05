"""Nodes of an 8-bit graph as calls of the kernels: everything but layers with weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.c_source import layers
from signbin.c_source.images import window_of
from signbin.c_source.literals import number
from signbin.c_source.refusal import refusal
from signbin.c_source.writer import Writer, ending
from signbin.ir import Graph, Node, Requantization, requantization, resolve

__all__ = ["uniform_table", "write_node"]

_STEPS_OF_CODES: Final = 255.0


def write_node(writer: Writer, node: Node) -> None:
    """Add a node's constants and its call; SpecError where C cannot say it."""
    if node.op not in _WRITERS:
        raise refusal(
            node,
            "has no kernel in C",
            allowed=", ".join(sorted(_WRITERS)),
            remedy="say it with these, or run the network with signbin's own runtime",
        )
    _WRITERS[node.op](writer, node)


def _expect_images(writer: Writer, node: Node) -> None:
    """Every operand and the result lie as images."""
    for name in (*node.inputs, node.name):
        if name not in writer.images:
            raise refusal(
                node, f"{name} is no image of codes", allowed="8-bit images of more than one pixel"
            )


def _quantize(writer: Writer, node: Node) -> None:
    spec = node.type.quantization
    assert spec is not None
    if node.inputs[0] not in {value.name for value in writer.graph.inputs}:
        raise refusal(
            node,
            "float numbers inside the network",
            allowed="float inputs and outputs only",
            remedy="compile with --activations int8, without --float-layers",
        )
    inverse, name = number(float(spec.inverse_scale)), node.name
    if name in writer.images:
        writer.call(
            "moving.c",
            "sbc_quantize",
            writer.image(name),
            inverse,
            spec.top,
            "input",
            writer.words(name),
        )
        return
    count = int(np.prod(node.type.shape[1:]))
    writer.call(
        "moving.c",
        "sbc_quantize_row",
        count,
        inverse,
        spec.zero_point,
        spec.top,
        "input",
        writer.codes(name),
    )


def _dequantize(writer: Writer, node: Node) -> None:
    source = node.inputs[0]
    spec = writer.graph.type_of(source).quantization
    assert spec is not None
    scale = number(float(np.float32(spec.scale)))
    if source in writer.images:
        writer.call(
            "moving.c",
            "sbc_dequantize",
            writer.image(source),
            scale,
            writer.words(source),
            "output",
        )
        return
    count = int(np.prod(node.type.shape[1:]))
    writer.call(
        "moving.c",
        "sbc_dequantize_row",
        count,
        scale,
        spec.zero_point,
        writer.codes(source),
        "output",
    )


def _pointwise(writer: Writer, node: Node) -> None:
    """An operation that an ending holds all of."""
    _expect_images(writer, node)
    inputs = node.inputs
    constants = requantization(writer.graph, node)
    if node.op == "subtract":
        inputs = (inputs[1], inputs[0])
    if len(inputs) == 1 and _is_uniform(constants):
        _look_up(writer, node)
        return
    second = writer.words(inputs[1]) if len(inputs) > 1 else "0"
    _call_pointwise(writer, node, constants, inputs[0], second)


def _is_uniform(constants: Requantization) -> bool:
    """Whether every channel goes through the same ending."""
    vectors = (constants.scale, constants.bias, constants.slope, constants.post_bias)
    return all(vector is None or np.all(vector == vector[0]) for vector in vectors)


def uniform_table(graph: Graph, node: Node, part: int = 0) -> NDArray[np.uint8]:
    """What each of 256 codes of an input becomes, of a node that treats all channels alike."""
    constants = requantization(graph, node, part)
    source = graph.type_of(node.inputs[part]).quantization
    assert source is not None
    sums = np.arange(256, dtype=np.float32).reshape(1, 1, -1, 1) - np.float32(source.zero_point)
    single = dataclasses.replace(
        constants,
        **{
            name: vector[:1]
            for name in ("scale", "bias", "slope", "post_bias")
            if (vector := getattr(constants, name)) is not None
        },
    )
    return single.finish(sums).reshape(-1).astype(np.uint8)


def _look_up(writer: Writer, node: Node) -> None:
    writer.call(
        "pointwise.c",
        "sbc_look_up",
        writer.image(node.name),
        writer.array(node, "table", uniform_table(writer.graph, node)),
        writer.words(node.inputs[0]),
        writer.words(node.name),
    )


def _call_pointwise(
    writer: Writer, node: Node, constants: Requantization, source: str, second: str
) -> None:
    text = ending(writer, node, constants, _STEPS_OF_CODES)
    writer.call(
        "pointwise.c",
        "sbc_pointwise",
        writer.image(source),
        writer.image(node.name),
        writer.initialised(node, "sbc_ending", text),
        writer.words(source),
        second,
        writer.words(node.name),
    )


def _unary(writer: Writer, node: Node) -> None:
    """A function of one number, by table."""
    _expect_images(writer, node)
    constants = requantization(writer.graph, node)
    assert constants.table is not None
    if constants.output is None:
        raise refusal(node, "writes float numbers", allowed="codes")
    codes = constants.output.encoded(constants.table)
    table = np.resize(codes, 256).astype(np.uint8)
    writer.call(
        "pointwise.c",
        "sbc_look_up",
        writer.image(node.name),
        writer.array(node, "table", table),
        writer.words(node.inputs[0]),
        writer.words(node.name),
    )


def _window(writer: Writer, node: Node) -> str:
    window = window_of(writer.graph, node)
    numbers = window.numbers
    return writer.initialised(node, "sbc_window", "{" + ", ".join(map(str, numbers)) + "}")


def _max_pool2d(writer: Writer, node: Node) -> None:
    _expect_images(writer, node)
    source = node.inputs[0]
    writer.call(
        "pooling.c",
        "sbc_max_pool2d",
        writer.image(source),
        writer.image(node.name),
        _window(writer, node),
        writer.words(source),
        writer.words(node.name),
    )


def _ending_of(writer: Writer, node: Node) -> str:
    text = ending(writer, node, requantization(writer.graph, node), _STEPS_OF_CODES)
    return writer.initialised(node, "sbc_ending", text)


def _avg_pool2d(writer: Writer, node: Node) -> None:
    _expect_images(writer, node)
    source = node.inputs[0]
    whole = int(bool(resolve(node)["count_include_pad"]))
    writer.call(
        "pooling.c",
        "sbc_avg_pool2d",
        writer.image(source),
        writer.image(node.name),
        _window(writer, node),
        whole,
        _ending_of(writer, node),
        writer.words(source),
        writer.words(node.name),
    )


def _global_avg_pool(writer: Writer, node: Node) -> None:
    source = node.inputs[0]
    if source not in writer.images:
        raise refusal(node, f"{source} is no image of codes", allowed="8-bit images")
    codes = node.type.dtype == "u8"
    writer.call(
        "pooling.c",
        "sbc_global_average",
        writer.image(source),
        _ending_of(writer, node),
        writer.words(source),
        writer.codes(node.name) if codes else "0",
        "0" if codes else "output",
    )


def _flatten(writer: Writer, node: Node) -> None:
    """Pixels in order; a row stays where it is."""
    source = node.inputs[0]
    if source in writer.images:
        writer.call(
            "moving.c",
            "sbc_flatten",
            writer.image(source),
            writer.words(source),
            writer.codes(node.name),
        )


def _subsample_pad(writer: Writer, node: Node) -> None:
    _expect_images(writer, node)
    stated, source = resolve(node), node.inputs[0]
    if any(stated["padding"]):  # type: ignore[arg-type]
        raise refusal(node, f"padding {stated['padding']}", allowed="none")
    down, across = stated["stride"]  # type: ignore[misc, str-unpack]
    writer.call(
        "moving.c",
        "sbc_subsample",
        writer.image(source),
        writer.image(node.name),
        down,
        across,
        stated["channels_before"],
        writer.words(source),
        writer.words(node.name),
    )


def _copy(writer: Writer, node: Node, source: str, channels: tuple[int, int, int, int]) -> None:
    """channels: the first of the source, the first of the target, how many, and how far apart."""
    writer.call(
        "moving.c",
        "sbc_copy_channels",
        writer.image(source),
        writer.image(node.name),
        *channels,
        writer.words(source),
        writer.words(node.name),
    )


def _concat(writer: Writer, node: Node) -> None:
    """Channels one part after the other; those of another scale go through a table on the way."""
    _expect_images(writer, node)
    target = 0
    for part, source in enumerate(node.inputs):
        type_ = writer.graph.type_of(source)
        if type_.quantization == node.type.quantization:
            _copy(writer, node, source, (0, target, type_.shape[1], 1))
        else:
            table = writer.array(node, f"table_{part}", uniform_table(writer.graph, node, part))
            place = f"{writer.words(node.name)} + {target * writer.images[node.name].plane}"
            image = writer.image(source)
            writer.call("pointwise.c", "sbc_look_up", image, table, writer.words(source), place)
        target += type_.shape[1]
    writer.call("moving.c", "sbc_fill_border", writer.image(node.name), writer.words(node.name))


def _slice_channels(writer: Writer, node: Node) -> None:
    _expect_images(writer, node)
    stated = resolve(node)
    first, count = int(stated["first"]), int(stated["count"])  # type: ignore[arg-type]
    _copy(writer, node, node.inputs[0], (first, 0, count, 1))


def _channel_shuffle(writer: Writer, node: Node) -> None:
    """y[c * groups + g] = x[g * C / groups + c]."""
    _expect_images(writer, node)
    groups, channels = int(resolve(node)["groups"]), node.type.shape[1]  # type: ignore[arg-type]
    for c in range(channels // groups):
        _copy(writer, node, node.inputs[0], (c, c * groups, groups, channels // groups))


def _softmax(writer: Writer, node: Node) -> None:
    if len(node.type.shape) != 2:
        raise refusal(node, f"of {node.type.shape[1:]} numbers", allowed="one row of numbers")
    writer.call("softmax.c", "sbc_softmax", node.type.shape[1], "output")


_WRITERS: Final[Mapping[str, Callable[[Writer, Node], None]]] = {
    "conv2d": layers.conv2d,
    "linear": layers.linear,
    **dict.fromkeys(
        ("relu", "leaky_relu", "prelu", "clamp", "add", "channel_bias", "subtract"), _pointwise
    ),
    "unary": _unary,
    "max_pool2d": _max_pool2d,
    "avg_pool2d": _avg_pool2d,
    "global_avg_pool": _global_avg_pool,
    "flatten": _flatten,
    "subsample_pad": _subsample_pad,
    "concat": _concat,
    "slice_channels": _slice_channels,
    "channel_shuffle": _channel_shuffle,
    "quantize": _quantize,
    "dequantize": _dequantize,
    "softmax": _softmax,
}
"""Op -> what writes it."""
