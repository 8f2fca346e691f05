"""THE operator table of capture: which aten operator becomes which op of the IR.

A row is a builder: it reads the call's arguments by the names of the operator's schema, adds
nodes and returns the value. Both forms of an operator are rows (``conv2d`` and its decomposed
``convolution``). Operators that change their input do not occur: export makes graphs functional.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.draft import arithmetic
from signbin.draft.adaptive import ADAPTIVE_ROWS
from signbin.draft.call import (
    Call,
    Entry,
    NodeBuilder,
    Parts,
    Regrouped,
    Unsupported,
    Variable,
    elements,
)
from signbin.draft.channels import CHANNEL_ROWS, channel_slice, part, regrouped
from signbin.draft.chosen import CHOSEN_ROWS
from signbin.draft.coded_input import CODED_INPUT, coded_input
from signbin.draft.composed import COMPOSED_ROWS
from signbin.draft.images import IMAGE_ROWS, pixel_slice
from signbin.draft.normalization import NORMALIZATION_ROWS
from signbin.draft.resizing import RESIZING_ROWS
from signbin.draft.rows import ROW_ROWS, axis_of, matrix_product, over, sliced
from signbin.draft.transposed import TRANSPOSED_ROWS
from signbin.draft.volumes import VOLUME_ROWS
from signbin.draft.windows import (
    bordered,
    convolution_padding,
    pair,
    window_of_pool,
)
from signbin.ir import BATCH, AttributeValue, ConstRef

__all__ = ["ALLOWED", "OPERATORS", "REMEDIES"]

ALLOWED: Final = (
    "Conv1d, Conv2d, ConvTranspose1d/2d, Linear and matrix products over the last axes, "
    "MultiheadAttention and scaled_dot_product_attention, BatchNorm1d/2d, LayerNorm, GroupNorm, "
    "InstanceNorm, RMSNorm, LocalResponseNorm, ReLU, ReLU6, LeakyReLU, PReLU, Hardtanh, clamp, "
    "Sigmoid, Tanh, SiLU, Hardsigmoid, Hardswish, GELU, ELU, SELU, CELU, Softplus, LogSigmoid, "
    "Mish, GLU, exp, abs, sign, sqrt, log, erf, powers, 1 / x, maximum, minimum, x + y, x - y, x * "
    "y, +, -, *, / with a number or a parameter, Softmax, LogSoftmax, torch.cat, chunk, split, "
    "unbind, slices, flip, roll, repeat, constant places, ChannelShuffle, permute, expand, "
    "MaxPool1d/2d, AvgPool1d/2d, AdaptiveAvgPool1d/2d, AdaptiveMaxPool1d/2d, MaxPool3d, AvgPool3d, "
    "mean, sum, var, std, amax and amin, view, reshape and flatten behind the batch, borders "
    "around images in every mode, along other axes too, zeros around channels, Upsample in every "
    "mode, PixelShuffle and PixelUnshuffle, Dropout, Identity"
)
"""The layers that can be captured, as people name them."""

REMEDIES: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(
        ("hardshrink", "softshrink", "threshold", "rrelu"),
        "use ELU, SiLU, Sigmoid, GELU, ReLU, LeakyReLU or PReLU",
    )
    | dict.fromkeys(("argmax",), "leave it out: apply it to the program's output")
    | {
        "native_dropout": "pass training=self.training to dropout, not True",
        "_native_batch_norm_legit": "set track_running_stats=True: batch statistics are not kept",
    }
)
"""What to do about operators that are asked for often; by the operator's name."""

_SOFTPLUS_IS_X: Final = 17
_USE_ANOTHER: Final = "replace it by an allowed layer"


def _convolution(call: Call) -> Entry:
    call.expect("transposed", False, "use Conv2d")
    x = call.variable("input", rank=4)
    weight = call.array("weight")
    if weight.ndim != 4:
        raise Unsupported(f"weight of rank {weight.ndim}", "use Conv2d on [N, C, H, W]")
    dilation = pair(call.get("dilation"))
    attributes: dict[str, AttributeValue] = {
        "weight": call.weight("weight"),
        "stride": pair(call.get("stride")),
        "padding": convolution_padding(call.get("padding"), weight.shape[2:], dilation),
        "dilation": dilation,
        "groups": int(call.get("groups")),
    }
    if call.get("bias") is not None:
        attributes["bias"] = call.constant("bias")
    return call.emit("conv2d", (x,), attributes)


def _linear(call: Call) -> Entry:
    return _linear_of(call, "input", "weight", call.array("weight"), "bias")


def _addmm(call: Call) -> Entry:
    call.expect("alpha", 1)
    call.expect("beta", 1)
    return _linear_of(call, "mat1", "mat2", call.array("mat2").T, "self")


def _mm(call: Call) -> Entry:
    return _linear_of(call, "self", "mat2", call.array("mat2").T, None)


def _matmul(call: Call) -> Entry:
    if isinstance(call.get("other"), Variable) and isinstance(call.get("self"), Variable):
        return matrix_product(call, call.variable("self"), call.variable("other"))
    weight = call.array("other")
    if weight.ndim != 2:
        raise Unsupported(f"matrix of shape {weight.shape}", "use Linear")
    return _linear_of(call, "self", "other", weight.T, None)


def _linear_of(
    call: Call, x: str, name: str, weight: NDArray[np.float32], bias: str | None
) -> Entry:
    variable = call.variable(x)
    attributes: dict[str, AttributeValue] = {"weight": call.weight(name, weight)}
    if bias is not None and call.get(bias) is not None:
        array = np.broadcast_to(call.array(bias), (weight.shape[0],))
        attributes["bias"] = call.constant(bias, array)
    return call.emit("linear", (variable,), attributes)


def _batch_norm(call: Call) -> Entry:
    call.expect("training", False, "set track_running_stats=True: batch statistics are not kept")
    x = call.variable("input")
    channels = x.shape[1]
    if call.get("running_mean") is None:
        raise Unsupported("no running statistics", "set track_running_stats=True")
    parameters = {"scale": ("weight", 1.0), "bias": ("bias", 0.0)}
    attributes: dict[str, AttributeValue] = {
        role: _given_or(call, argument, default, channels)
        for role, (argument, default) in parameters.items()
    }
    attributes["mean"] = call.constant("running_mean")
    attributes["variance"] = call.constant("running_var")
    attributes["epsilon"] = float(call.get("eps"))
    return call.emit("batch_norm", (x,), attributes, shape=x.shape)


def _given_or(call: Call, argument: str, default: float, channels: int) -> ConstRef:
    if call.get(argument) is not None:
        return call.constant(argument)
    return call.constant(argument, np.broadcast_to(np.float32(default), (channels,)))


def _unary(op: str) -> NodeBuilder:
    """An elementwise operator of one value that takes nothing else, as the op of that name."""
    return lambda call: call.emit(op, (call.variable("self"),), {})


def _function(name: str) -> NodeBuilder:
    """A function of one number that takes nothing else."""
    return lambda call: call.emit("unary", (call.variable("self"),), {"function": name})


def _gelu(call: Call) -> Entry:
    names = {"none": "gelu", "tanh": "gelu_tanh"}
    return _function(names[call.get("approximate")])(call)


def _elu(call: Call) -> Entry:
    call.expect("scale", 1)
    call.expect("input_scale", 1)
    attributes: dict[str, AttributeValue] = {"function": "elu"}
    if call.get("alpha") != 1:
        attributes["alpha"] = float(call.get("alpha"))
    return call.emit("unary", (call.variable("self"),), attributes)


def _softplus(call: Call) -> Entry:
    """Beyond its threshold PyTorch returns x, which from 17 on is the same float32 number."""
    call.expect("beta", 1, "scale the layers before and after instead")
    if call.get("threshold") < _SOFTPLUS_IS_X:
        raise Unsupported(f"threshold={call.get('threshold')}", f"use {_SOFTPLUS_IS_X} or more")
    return _function("softplus")(call)


def _leaky_relu(call: Call) -> Entry:
    slope = float(call.get("negative_slope"))
    return call.emit("leaky_relu", (call.variable("self"),), {"slope": slope})


def _prelu(call: Call) -> Entry:
    x = call.variable("self")
    slope = np.broadcast_to(call.array("weight").reshape(-1), (x.shape[1],))
    return call.emit("prelu", (x,), {"slope": call.constant("weight", slope)})


def _hardtanh(call: Call) -> Entry:
    return _clamped(call, call.get("min_val"), call.get("max_val"))


def _clamp(call: Call) -> Entry:
    return _clamped(call, call.arguments.get("min"), call.arguments.get("max"))


def _relu6(call: Call) -> Entry:
    return _clamped(call, 0.0, 6.0)


def _clamped(call: Call, low: float | None, high: float | None) -> Entry:
    x = call.variable("self")
    if low == 0 and high is None:
        return call.emit("relu", (x,), {})
    low = float("-inf") if low is None else float(low)
    high = float("inf") if high is None else float(high)
    if low > high:
        raise Unsupported(f"bounds {low} > {high}", "swap them")
    return call.emit("clamp", (x,), {"low": low, "high": high})


def _max_pool2d(call: Call) -> Entry:
    x, dilation = call.variable("self", rank=4), pair(call.get("dilation"))
    attributes = {**window_of_pool(call, x, dilation), "dilation": dilation}
    return call.emit("max_pool2d", (x,), attributes)


def _avg_pool2d(call: Call) -> Entry:
    call.expect("divisor_override", None, _USE_ANOTHER)
    x, include = call.variable("self", rank=4), bool(call.get("count_include_pad"))
    window = window_of_pool(call, x, (1, 1))
    stated = pair(call.get("padding"))
    if include and window["padding"] != stated:  # pixels that ceil_mode adds never count
        if any(stated):
            x, window = bordered(call, x, stated, window)
        include = False
    return call.emit("avg_pool2d", (x,), {**window, "count_include_pad": include})


def _over_image(call: Call) -> tuple[Variable, tuple[int, ...]] | None:
    """The value that a reduction over whole images reads, and the shape before axes are dropped.

    None where it goes over other axes.
    """
    x, dims = call.variable("self"), call.get("dim")
    over = sorted(axis % len(x.shape) for axis in ([dims] if isinstance(dims, int) else dims or ()))
    if len(x.shape) != 4 or over != [2, 3] or call.arguments.get("dtype") is not None:
        return None
    return x, (*x.shape[:2], 1, 1)


def _dropped(call: Call, made: Variable) -> Entry:
    return made if call.get("keepdim") else call.emit("flatten", (made,), {})


def _mean(call: Call) -> Entry:
    image = _over_image(call)
    if image is None:
        return over("mean")(call)
    x, pooled = image
    suffix = "" if call.get("keepdim") else ".pool"
    return _dropped(call, call.emit("global_avg_pool", (x,), {}, pooled, suffix))


def _sum(call: Call) -> Entry:
    """The mean times the number of pixels."""
    image = _over_image(call)
    if image is None:
        return over("sum")(call)
    x, pooled = image
    mean = call.emit("global_avg_pool", (x,), {}, pooled, ".pool")
    pixels = np.broadcast_to(float(np.prod(x.shape[2:])), (x.shape[1],))
    suffix = "" if call.get("keepdim") else ".sum"
    return _dropped(call, arithmetic.affine(call, mean, pixels, 0 * pixels, suffix))


def _amax(call: Call) -> Entry:
    image = _over_image(call)
    if image is None:
        return over("max")(call)
    x, pooled = image
    suffix = "" if call.get("keepdim") else ".pool"
    return _dropped(call, _largest_of_image(call, x, pooled, suffix))


def _largest_of_image(
    call: Call, x: Variable, pooled: tuple[int, ...], suffix: str = ""
) -> Variable:
    window: dict[str, AttributeValue] = {
        "kernel": pair(x.shape[2:]),
        "stride": (1, 1),
        "padding": (0, 0),
    }
    return call.emit("max_pool2d", (x,), window, pooled, suffix)


def _reshape(call: Call) -> Entry:
    """view, reshape, flatten, squeeze, unsqueeze: the order of the elements stays."""
    x = call.get("self")
    if isinstance(x, Regrouped):
        return regrouped(call, x)
    if not isinstance(x, Variable) or call.shape is None:
        raise Unsupported("reshapes a parameter to the batch", "reshape it in __init__")
    if call.shape == (BATCH, elements(x.stored)) != x.stored:
        return call.emit("flatten", (Variable(x.name, x.stored, x.stored),), {})
    return Variable(x.name, call.shape, x.stored)


def _slice(call: Call) -> Entry:
    x = call.variable("self")
    axis, step = int(call.get("dim")) % len(x.shape), call.get("step")
    if call.shape == x.shape:
        return x
    axis = axis_of(call, axis, len(x.shape))
    taken = range(x.shape[axis])[slice(call.get("start"), call.get("end"), step)]
    if len(x.shape) == 4 and axis > 1:
        return pixel_slice(call, x, axis)
    if len(x.shape) == 4 and step == 1:
        return channel_slice(call, x, taken.start, len(taken))
    return sliced(call, x, axis, (taken.start, len(taken), step))


def _drop(call: Call) -> Entry:
    """Operators that leave every value as it is."""
    entry: Entry = call.arguments["self"] if "self" in call.arguments else call.get("input")
    return entry


def _dropout(call: Call) -> Entry:
    call.expect("train", False, "pass training=self.training, not True")
    return _drop(call)


def _item(call: Call) -> Entry:
    """getitem: a part, the pooled values of max_pool2d_with_indices, the result of batch norm."""
    if isinstance(call.get("self"), Parts):
        return part(call, call.get("self"))
    if call.get("index") != 0:
        raise Unsupported("uses a second result", "use return_indices=False")
    return _drop(call)


_ROWS: Final[tuple[tuple[NodeBuilder, tuple[str, ...]], ...]] = (
    (_convolution, ("conv2d.default", "conv2d.padding", "convolution.default")),
    (_linear, ("linear.default",)),
    (_addmm, ("addmm.default",)),
    (_mm, ("mm.default",)),
    (_matmul, ("matmul.default",)),
    (
        _batch_norm,
        (
            "batch_norm.default",
            "native_batch_norm.default",
            "_native_batch_norm_legit.default",
            "_native_batch_norm_legit_no_training.default",
        ),
    ),
    (_unary("relu"), ("relu.default",)),
    (_leaky_relu, ("leaky_relu.default",)),
    (_prelu, ("prelu.default", "_prelu_kernel.default")),
    (_hardtanh, ("hardtanh.default",)),
    (_relu6, ("relu6.default",)),
    (_clamp, ("clamp.default", "clamp_min.default", "clamp_max.default")),
    *(
        (_function(name), (f"{operator}.default",))
        for name, operator in {
            **{name: name for name in ("abs", "erf", "exp", "log", "mish", "reciprocal")},
            **{name: name for name in ("sigmoid", "sign", "silu", "sqrt", "tanh")},
            "hard_sigmoid": "hardsigmoid",
            "hard_swish": "hardswish",
        }.items()
    ),
    (_gelu, ("gelu.default",)),
    (_elu, ("elu.default",)),
    (_softplus, ("softplus.default",)),
    (arithmetic.add, ("add.Tensor", "add.Scalar")),
    (arithmetic.subtract, ("sub.Tensor", "sub.Scalar")),
    (arithmetic.subtract_from, ("rsub.Tensor", "rsub.Scalar")),
    (arithmetic.multiply, ("mul.Tensor", "mul.Scalar")),
    (arithmetic.divide, ("div.Tensor", "div.Scalar", "div.Tensor_mode", "true_divide.Tensor")),
    (arithmetic.negate, ("neg.default",)),
    (_max_pool2d, ("max_pool2d.default", "max_pool2d_with_indices.default")),
    (_avg_pool2d, ("avg_pool2d.default",)),
    (_mean, ("mean.dim",)),
    (_sum, ("sum.dim_IntList",)),
    (_amax, ("amax.default",)),
    (
        _reshape,
        (
            "view.default",
            "_unsafe_view.default",
            "reshape.default",
            "flatten.using_ints",
            "squeeze.dim",
            "squeeze.dims",
            "unsqueeze.default",
        ),
    ),
    (_slice, ("slice.Tensor",)),
    (_dropout, ("dropout.default", "feature_dropout.default", "alpha_dropout.default")),
    (_drop, ("clone.default", "contiguous.default", "detach.default", "alias.default")),
    *CHANNEL_ROWS,
    *IMAGE_ROWS,
    *ROW_ROWS,
    *ADAPTIVE_ROWS,
    *CHOSEN_ROWS,
    *COMPOSED_ROWS,
    *NORMALIZATION_ROWS,
    *RESIZING_ROWS,
    *TRANSPOSED_ROWS,
    *VOLUME_ROWS,
)

OPERATORS: Final[Mapping[str, NodeBuilder]] = MappingProxyType(
    {f"aten.{name}": builder for builder, names in _ROWS for name in names}
    | {"getitem": _item, CODED_INPUT: coded_input}
)
"""Operator (as printed by fx) -> builder."""
