"""THE op table: every operation of the IR, one row each.

A row states the attributes (type, default or required, bounds, shape of constants), how many
values it reads, the shape rule, the numpy references and what is known of its numbers. The
verifier, the text form, the interpreter and the passes read this table.

Convolution and linear carry the epilogue that passes fuse into them:

    y = activation(sum + bias [+ residual]) + post_bias

Where a value is u8 the same formulas hold in whole numbers and single float32 operations, exactly
as requantization.py and integer.py define them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from signbin.ir import integer, properties, reference, shape_rules
from signbin.ir.functions import FUNCTIONS
from signbin.ir.graph import AttributeValue, Graph, Node, TensorType
from signbin.ir.pixel_ops import PIXEL_OPS
from signbin.ir.resampling import PAD_MODES
from signbin.ir.row_ops import ROW_OPS
from signbin.ir.schema import (
    MAX_WINDOW,
    Arguments,
    Attribute,
    AttributeKind,
    Op,
    TypeRule,
)
from signbin.spec import ActivationKind

__all__ = ["OPS", "arguments_of", "resolve"]


def _pair(minimum: int, default: tuple[int, int] | None = None) -> Attribute:
    return Attribute(AttributeKind.PAIR, default, minimum=minimum, maximum=MAX_WINDOW)


def _margins(default: tuple[int, int] | None = None) -> Attribute:
    return Attribute(AttributeKind.MARGINS, default, minimum=0, maximum=MAX_WINDOW)


def _integer(minimum: int, default: int | None = None) -> Attribute:
    return Attribute(AttributeKind.INT, default, minimum=minimum, maximum=MAX_WINDOW)


_CHANNEL_VECTOR: Final = Attribute(AttributeKind.CONSTANT, shape=shape_rules.per_channel)
_FILTER_VECTOR: Final = Attribute(
    AttributeKind.CONSTANT, optional=True, shape=shape_rules.per_filter
)
_LOW: Final = Attribute(AttributeKind.FLOAT, float("-inf"), infinite=True)
_HIGH: Final = Attribute(AttributeKind.FLOAT, float("inf"), infinite=True)
_WINDOW: Final = {"kernel": _pair(1), "stride": _pair(1), "padding": _margins()}
_EPILOGUE: Final = {
    "activation": Attribute(
        AttributeKind.WORD,
        ActivationKind.NONE.value,
        words=tuple(kind.value for kind in ActivationKind),
    ),
    "slope": Attribute(AttributeKind.FLOAT, 0.0),
    "low": _LOW,
    "high": _HIGH,
    "prelu": _FILTER_VECTOR,
    "post_bias": _FILTER_VECTOR,
}

_CHAIN: Final = (
    "the same chain with A = q - z and m = s_in / s_out; the second operand of add is the residual"
)
_AVERAGE: Final = (
    "the same chain with fl(sum of q - z) / fl(taps) in place of fl(A), m = s_in / s_out"
)
_MOST_PARTS: Final = 256
_MOVED: Final = "codes stay; added pixels and channels hold z"

_ROWS: Final = (
    Op(
        "conv2d",
        "y = act(weight * x + bias [+ residual]) + post_bias, x zero outside the image",
        {
            "weight": Attribute(
                AttributeKind.CONSTANT, shape=shape_rules.weight_of_conv2d, weight=True
            ),
            "bias": _FILTER_VECTOR,
            "stride": _pair(1, (1, 1)),
            "padding": _margins((0, 0)),
            "dilation": _pair(1, (1, 1)),
            "groups": _integer(1, 1),
            **_EPILOGUE,
        },
        shape_rules.conv2d,
        reference.conv2d,
        TypeRule.REQUANTIZED,
        integer.conv2d,
        most_inputs=2,
        rectifies=properties.ends_rectified,
        terms=properties.weights_of_filter,
    ),
    Op(
        "linear",
        "y = act(weight x + bias [+ residual]) + post_bias, along the last axis",
        {
            "weight": Attribute(
                AttributeKind.CONSTANT, shape=shape_rules.weight_of_linear, weight=True
            ),
            "bias": _FILTER_VECTOR,
            **_EPILOGUE,
        },
        shape_rules.linear,
        reference.linear,
        TypeRule.REQUANTIZED,
        integer.linear,
        most_inputs=2,
        rectifies=properties.ends_rectified,
        terms=properties.weights_of_filter,
    ),
    Op(
        "batch_norm",
        "y = (x - mean) / sqrt(variance + epsilon) * scale + bias, per channel",
        {
            "scale": _CHANNEL_VECTOR,
            "bias": _CHANNEL_VECTOR,
            "mean": _CHANNEL_VECTOR,
            "variance": _CHANNEL_VECTOR,
            "epsilon": Attribute(AttributeKind.FLOAT, minimum=0.0),
        },
        shape_rules.batch_norm,
        reference.batch_norm,
    ),
    Op(
        "relu",
        "y = max(x, 0)",
        {},
        shape_rules.elementwise,
        reference.relu,
        TypeRule.REQUANTIZED,
        integer.elementwise,
        on_codes=_CHAIN,
        rectifies=properties.always,
    ),
    Op(
        "leaky_relu",
        "y = x if x > 0 else slope * x",
        {"slope": Attribute(AttributeKind.FLOAT)},
        shape_rules.elementwise,
        reference.leaky_relu,
        TypeRule.REQUANTIZED,
        integer.elementwise,
        on_codes=_CHAIN,
        identity=properties.slope_is_one,
    ),
    Op(
        "prelu",
        "y = x if x > 0 else slope[c] * x",
        {"slope": _CHANNEL_VECTOR},
        shape_rules.elementwise,
        reference.prelu,
        TypeRule.REQUANTIZED,
        integer.elementwise,
        on_codes=_CHAIN,
        identity=properties.slopes_are_one,
    ),
    Op(
        "clamp",
        "y = min(max(x, low), high)",
        {"low": _LOW, "high": _HIGH},
        shape_rules.clamp,
        reference.clamp,
        TypeRule.REQUANTIZED,
        integer.elementwise,
        on_codes=_CHAIN,
        identity=properties.unbounded,
        rectifies=properties.bounded_by_zero,
    ),
    Op(
        "unary",
        "y = function(x), element by element",
        {
            "function": Attribute(AttributeKind.WORD, words=tuple(FUNCTIONS)),
            "alpha": Attribute(AttributeKind.FLOAT, 1.0),
        },
        shape_rules.unary,
        reference.unary,
        TypeRule.REQUANTIZED,
        integer.unary,
        on_codes="f = fl(function((q - z) s_in) / s_out), looked up by q, then the code of f",
        rectifies=properties.function_rectifies,
        keeps_sign=True,
        lowers=properties.function_lowers,
        looked_up=True,
    ),
    Op(
        "add",
        "z = x + y",
        {},
        shape_rules.add,
        reference.add,
        TypeRule.REQUANTIZED,
        integer.elementwise,
        least_inputs=2,
        most_inputs=2,
        on_codes=_CHAIN,
        keeps_sign=True,
    ),
    Op(
        "subtract",
        "z = x - y",
        {},
        shape_rules.subtract,
        reference.subtract,
        TypeRule.REQUANTIZED,
        integer.subtract,
        least_inputs=2,
        most_inputs=2,
        on_codes="the same chain with A = q_y - z_y, m = -s_y / s_out, and x as the residual",
    ),
    Op(
        "multiply",
        "z = x * y, one of them as large as z, the other of one channel or one pixel at least",
        {},
        shape_rules.multiply,
        reference.multiply,
        TypeRule.REQUANTIZED,
        integer.multiply,
        least_inputs=2,
        most_inputs=2,
        on_codes="the same chain with A = (q_x - z_x) (q_y - z_y), m = s_x s_y / s_out",
        keeps_sign=True,
    ),
    Op(
        "channel_bias",
        "y = x + bias[c]",
        {"bias": _CHANNEL_VECTOR},
        shape_rules.elementwise,
        reference.channel_bias,
        TypeRule.REQUANTIZED,
        integer.elementwise,
        on_codes=_CHAIN,
        identity=properties.adds_nothing,
    ),
    Op(
        "max_pool2d",
        "y = largest of each window, padding counts as -inf, in u8 as code 0",
        {**_WINDOW, "dilation": _pair(1, (1, 1))},
        shape_rules.max_pool2d,
        reference.max_pool2d,
        TypeRule.KEPT,
        integer.max_pool2d,
        on_codes="the largest code, padding counts as code 0; scale and zero point stay",
        identity=properties.pools_single_pixels,
        keeps_sign=True,
        pads_with_least=True,
    ),
    Op(
        "avg_pool2d",
        "y = sum of each window / its taps (those inside the image without count_include_pad)",
        {**_WINDOW, "count_include_pad": Attribute(AttributeKind.BOOL, True)},
        shape_rules.avg_pool2d,
        reference.avg_pool2d,
        TypeRule.REQUANTIZED,
        integer.avg_pool2d,
        on_codes=_AVERAGE,
        identity=properties.pools_single_pixels,
        keeps_sign=True,
        terms=properties.taps_of_window,
    ),
    Op(
        "global_avg_pool",
        "y[c] = mean of channel c",
        {},
        shape_rules.global_avg_pool,
        reference.global_avg_pool,
        TypeRule.REQUANTIZED,
        integer.global_avg_pool,
        on_codes=_AVERAGE,
        keeps_sign=True,
        terms=properties.pixels_of_image,
    ),
    Op(
        "flatten",
        "y = x as [N, C*H*W]",
        {},
        shape_rules.flatten,
        reference.flatten,
        TypeRule.KEPT,
        integer.flatten,
        on_codes=_MOVED,
        identity=properties.keeps_shape,
        keeps_sign=True,
    ),
    Op(
        "subsample_pad",
        "y = x[:, :, ::stride, ::stride], x in a border of zeros, between channels of zeros",
        {
            "stride": _pair(1, (2, 2)),
            "padding": _margins((0, 0)),
            "channels_before": _integer(0),
            "channels_after": _integer(0),
        },
        shape_rules.subsample_pad,
        reference.subsample_pad,
        TypeRule.KEPT,
        integer.subsample_pad,
        on_codes=_MOVED,
        identity=properties.keeps_every_pixel,
        keeps_sign=True,
    ),
    Op(
        "pad",
        "y = x in a border that holds value, or x mirrored, repeated at its edge or from its other "
        "side; less of x where padding is negative",
        {
            "padding": Attribute(AttributeKind.MARGINS, minimum=-MAX_WINDOW, maximum=MAX_WINDOW),
            "mode": Attribute(AttributeKind.WORD, "constant", words=PAD_MODES),
            "value": Attribute(AttributeKind.FLOAT, 0.0, infinite=True),
        },
        shape_rules.pad,
        reference.pad,
        TypeRule.KEPT,
        integer.pad,
        on_codes="codes stay; the border holds the code of the value",
        identity=properties.pads_nothing,
    ),
    Op(
        "resize_nearest",
        "y[i] = x[floor(i * step)] along each axis, or x[floor((i + 0.5) * step)] where centred; "
        "step = 1 / scale, or size of x / size where scale is 0",
        {
            "size": _pair(1),
            "scale_height": Attribute(AttributeKind.FLOAT, 0.0, minimum=0.0),
            "scale_width": Attribute(AttributeKind.FLOAT, 0.0, minimum=0.0),
            "centred": Attribute(AttributeKind.BOOL, False),
        },
        shape_rules.resize_nearest,
        reference.resize_nearest,
        TypeRule.KEPT,
        integer.resize_nearest,
        on_codes="codes stay",
        identity=properties.repeats_no_pixel,
        keeps_sign=True,
    ),
    Op(
        "concat",
        "y = [x_1, x_2, ...], the channels of all inputs in order",
        {},
        shape_rules.concat,
        reference.concat,
        TypeRule.JOINED,
        integer.concat,
        least_inputs=2,
        most_inputs=_MOST_PARTS,
        on_codes="the same chain with A = q - z and m = s_in / s_out for every input by itself",
        keeps_sign=True,
    ),
    Op(
        "slice_channels",
        "y = x[:, first : first + count]",
        {"first": _integer(0), "count": _integer(1)},
        shape_rules.slice_channels,
        reference.slice_channels,
        TypeRule.KEPT,
        integer.slice_channels,
        on_codes="codes stay",
        identity=properties.keeps_shape,
        keeps_sign=True,
    ),
    Op(
        "channel_shuffle",
        "y[:, c * groups + g] = x[:, g * C / groups + c]",
        {"groups": _integer(1)},
        shape_rules.channel_shuffle,
        reference.channel_shuffle,
        TypeRule.KEPT,
        integer.channel_shuffle,
        on_codes="codes stay",
        identity=properties.interleaves_nothing,
        keeps_sign=True,
    ),
    *PIXEL_OPS,
    *ROW_OPS,
    Op(
        "quantize",
        "q = nearest code of x, half to even, saturating",
        {},
        shape_rules.elementwise,
        None,
        TypeRule.QUANTIZED,
        integer.quantize,
        on_codes="q = rint(min(max(x * inv, -z), top - z)) + z, inv = 1 / s",
        keeps_sign=True,
    ),
    Op(
        "dequantize",
        "y = (q - zero_point) * scale",
        {},
        shape_rules.elementwise,
        None,
        TypeRule.DEQUANTIZED,
        integer.dequantize,
        on_codes="fl(q - z) * s",
        keeps_sign=True,
    ),
)

OPS: Final[Mapping[str, Op]] = MappingProxyType({row.name: row for row in _ROWS})


def resolve(node: Node) -> dict[str, AttributeValue | None]:
    """A node's attributes with the table's defaults; None for an optional constant not stated."""
    return OPS[node.op].resolve(node)


def arguments_of(
    graph: Graph, node: Node, types: Mapping[str, TensorType] | None = None
) -> Arguments:
    """What rules, references and properties see of a node of the graph.

    types: of the graph's values, for who asks about many nodes; else they are looked up.
    """
    inputs = tuple(graph.type_of(name) if types is None else types[name] for name in node.inputs)
    return Arguments(node, inputs, resolve(node), graph.constants)
