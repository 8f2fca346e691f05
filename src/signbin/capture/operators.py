"""THE operator table of capture: which aten operator becomes which op of the IR.

A row is a builder: it reads the call's arguments by the names of the operator's schema, adds
nodes and returns the value. Both forms of an operator are rows (``conv2d`` and its decomposed
``convolution``). Operators that change their input do not occur: export makes graphs functional.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.capture.call import (
    Call,
    Entry,
    Folded,
    NodeBuilder,
    Parts,
    Regrouped,
    Unsupported,
    Variable,
    elements,
    shown,
)
from signbin.capture.channels import CHANNEL_ROWS, channel_slice, part, regrouped
from signbin.ir import BATCH, AttributeValue, ConstRef

__all__ = ["ALLOWED", "OPERATORS", "REMEDIES"]

ALLOWED: Final = (
    "Conv2d, Linear, BatchNorm1d/2d, ReLU, ReLU6, LeakyReLU, PReLU, Hardtanh, clamp, Sigmoid, "
    "Tanh, SiLU, Hardsigmoid, Hardswish, GELU, ELU, Softplus, Mish, exp, abs, sign, 1 / x, "
    "x + y, x + per-channel parameter, torch.cat, chunk, split and slices along channels, "
    "ChannelShuffle, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, mean over (2, 3), "
    "flatten to [N, C*H*W], x[:, :, ::s, ::s] with zero channels padded, Dropout, Identity"
)
"""The layers that can be captured, as people name them."""

REMEDIES: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(
        ("selu", "celu", "glu", "log_sigmoid", "hardshrink", "softshrink", "threshold", "rrelu"),
        "use ELU, SiLU, Sigmoid, GELU, ReLU, LeakyReLU or PReLU",
    )
    | dict.fromkeys(
        ("softmax", "log_softmax", "argmax"), "leave it out: apply it to the program's output"
    )
    | dict.fromkeys(("layer_norm", "group_norm", "instance_norm"), "use BatchNorm2d")
    | {
        "native_dropout": "pass training=self.training to dropout, not True",
        "_native_batch_norm_legit": "set track_running_stats=True: batch statistics are not kept",
        "mul": "fold constant factors into the weights before or after",
        "sub": "add the negated tensor or parameter",
        "conv_transpose2d": "use Conv2d",
        "conv1d": "use Conv2d on [N, C, 1, W]",
    }
)
"""What to do about operators that are asked for often; by the operator's name."""

_SOFTPLUS_IS_X: Final = 17
_USE_ANOTHER: Final = "replace it by an allowed layer"


def _pair(values: Any) -> tuple[int, int]:
    """PyTorch's int or list of one or two as (vertical, horizontal)."""
    both = [values] if isinstance(values, int) else list(values)
    if len(both) not in (1, 2) or not all(isinstance(value, int) for value in both):
        raise Unsupported(f"{values} is not one or two whole numbers")
    return int(both[0]), int(both[-1])


def _convolution(call: Call) -> Entry:
    call.expect("transposed", False, "use Conv2d")
    x = call.variable("input", rank=4)
    weight = call.array("weight")
    if weight.ndim != 4:
        raise Unsupported(f"weight of rank {weight.ndim}", "use Conv2d on [N, C, H, W]")
    dilation = _pair(call.get("dilation"))
    attributes: dict[str, AttributeValue] = {
        "weight": call.weight("weight"),
        "stride": _pair(call.get("stride")),
        "padding": _padding(call.get("padding"), weight.shape[2:], dilation),
        "dilation": dilation,
        "groups": int(call.get("groups")),
    }
    if call.get("bias") is not None:
        attributes["bias"] = call.constant("bias")
    return call.emit("conv2d", (x,), attributes)


def _padding(padding: Any, kernel: tuple[int, ...], dilation: tuple[int, int]) -> tuple[int, int]:
    if not isinstance(padding, str):
        return _pair(padding)
    if padding == "valid":
        return 0, 0
    both = [step * (taps - 1) for taps, step in zip(kernel, dilation, strict=True)]
    if any(total % 2 for total in both):
        raise Unsupported(
            f"padding='same' with a {kernel[0]}x{kernel[1]} kernel pads one side more",
            "use an odd kernel",
        )
    return both[0] // 2, both[1] // 2


def _linear(call: Call) -> Entry:
    return _linear_of(call, "input", "weight", call.array("weight"), "bias")


def _addmm(call: Call) -> Entry:
    call.expect("alpha", 1)
    call.expect("beta", 1)
    return _linear_of(call, "mat1", "mat2", call.array("mat2").T, "self")


def _mm(call: Call) -> Entry:
    return _linear_of(call, "self", "mat2", call.array("mat2").T, None)


def _matmul(call: Call) -> Entry:
    weight = call.array("other")
    if weight.ndim != 2:
        raise Unsupported(f"matrix of shape {weight.shape}", "use Linear")
    return _linear_of(call, "self", "other", weight.T, None)


def _linear_of(
    call: Call, x: str, name: str, weight: NDArray[np.float32], bias: str | None
) -> Entry:
    variable = call.variable(x)
    if len(variable.shape) != 2:
        raise Unsupported(
            f"Linear over {shown(variable.shape)}", "flatten to [N, C] first, or use a 1x1 Conv2d"
        )
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
    return call.constant(argument, np.full(channels, default, np.float32))


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


def _add(call: Call) -> Entry:
    if call.get("alpha") != 1:
        raise Unsupported(f"alpha={call.get('alpha')} is not supported, only 1", "scale before")
    if isinstance(call.get("self"), Variable) and isinstance(call.get("other"), Variable):
        x, y = call.variable("self"), call.variable("other")
        if x.shape != y.shape:
            raise Unsupported(
                f"adds {shown(x.shape)} and {shown(y.shape)}", "add tensors of equal shape"
            )
        return call.emit("add", (x, y), {})
    if isinstance(call.get("self"), Variable):
        return _channel_bias(call, call.variable("self"), "other")
    return _channel_bias(call, call.variable("other"), "self")


def _channel_bias(call: Call, x: Variable, argument: str) -> Entry:
    if isinstance(call.get(argument), Folded):
        bias = call.array(argument)
    else:
        bias = np.asarray(call.get(argument), dtype=np.float32)
    per_channel = (1, x.shape[1]) + (1,) * (len(x.shape) - 2)
    try:
        array = np.broadcast_to(bias, per_channel).reshape(-1)
    except ValueError:
        raise Unsupported(
            f"adds a parameter of shape {bias.shape} to {shown(x.shape)}",
            f"make its shape {per_channel}: one number per channel",
        ) from None
    return call.emit("channel_bias", (x,), {"bias": call.constant(argument, array)}, x.shape)


def _max_pool2d(call: Call) -> Entry:
    attributes = {**_window(call), "dilation": _pair(call.get("dilation"))}
    return call.emit("max_pool2d", (call.variable("self", rank=4),), attributes)


def _avg_pool2d(call: Call) -> Entry:
    call.expect("divisor_override", None, _USE_ANOTHER)
    attributes = {**_window(call), "count_include_pad": bool(call.get("count_include_pad"))}
    return call.emit("avg_pool2d", (call.variable("self", rank=4),), attributes)


def _window(call: Call) -> dict[str, AttributeValue]:
    call.expect("ceil_mode", False, "pad the image, or choose a kernel and stride that divide it")
    kernel = _pair(call.get("kernel_size"))
    stride = _pair(call.get("stride")) if call.get("stride") else kernel
    return {"kernel": kernel, "stride": stride, "padding": _pair(call.get("padding"))}


def _adaptive_avg_pool2d(call: Call) -> Entry:
    x = call.variable("self", rank=4)
    extents, wanted = x.shape[2:], _pair(call.get("output_size"))
    if wanted == (1, 1):
        return call.emit("global_avg_pool", (x,), {})
    if wanted == extents:
        return x
    if any(extent % parts for extent, parts in zip(extents, wanted, strict=True)):
        raise Unsupported(
            f"from {extents[0]}x{extents[1]} to {wanted[0]}x{wanted[1]}: windows of unequal size",
            "use an output size that divides the input, or 1",
        )
    kernel = (extents[0] // wanted[0], extents[1] // wanted[1])
    return call.emit("avg_pool2d", (x,), {"kernel": kernel, "stride": kernel, "padding": (0, 0)})


def _mean(call: Call) -> Entry:
    x = call.variable("self", rank=4)
    over = sorted(axis % 4 for axis in call.get("dim") or ())
    if over != [2, 3] or call.get("dtype") is not None:
        raise Unsupported(f"mean over {call.get('dim')}", "take the mean over (2, 3)")
    pooled = (*x.shape[:2], 1, 1)
    if call.get("keepdim"):
        return call.emit("global_avg_pool", (x,), {}, pooled)
    kept = call.emit("global_avg_pool", (x,), {}, pooled, suffix=".pool")
    return call.emit("flatten", (kept,), {})


def _reshape(call: Call) -> Entry:
    """view, reshape, flatten, squeeze, unsqueeze: the order of the elements stays."""
    x = call.get("self")
    if isinstance(x, Regrouped):
        return regrouped(call, x)
    if not isinstance(x, Variable) or call.shape is None:
        raise Unsupported("reshapes a parameter to the batch", "reshape it in __init__")
    if call.shape == (BATCH, elements(x.stored)) != x.stored:
        return call.emit("flatten", (x,), {})
    return Variable(x.name, call.shape, x.stored)


def _slice(call: Call) -> Entry:
    x = call.variable("self")
    axis, step = int(call.get("dim")) % len(x.shape), call.get("step")
    if call.shape == x.shape:
        return x
    if axis == 1 and step == 1 and call.shape is not None:
        first = range(x.shape[1])[slice(call.get("start"), call.get("end"))].start
        return channel_slice(call, x, first, call.shape[1])
    if call.get("start") not in (None, 0) or axis < 2 or call.shape is None:
        raise Unsupported(
            f"slice of axis {axis} from {call.get('start')}",
            "take channels side by side, whole axes, or x[:, :, ::stride, ::stride]",
        )
    if call.shape[axis] != -(-x.shape[axis] // step):
        raise Unsupported(f"slice of axis {axis} that ends early", "slice to the end")
    stride = (step, 1) if axis == 2 else (1, step)
    return _subsample_pad(call, x, stride, (0, 0))


def _pad(call: Call) -> Entry:
    call.expect("mode", "constant", "use padding_mode='zeros'")
    x = call.variable("self", rank=4)
    amounts = [*call.get("pad"), *[0] * 8][:8]
    if call.get("value") not in (None, 0) or any(amounts[:4]) or any(amounts[6:]):
        raise Unsupported(
            f"pad={call.get('pad')} with {call.get('value') or 0}",
            "pad images through the padding of Conv2d or a pooling layer",
        )
    if min(amounts[4:6]) < 0:
        raise Unsupported(f"pad={call.get('pad')} removes channels", _USE_ANOTHER)
    return _subsample_pad(call, x, (1, 1), (amounts[4], amounts[5]))


def _subsample_pad(
    call: Call, x: Variable, stride: tuple[int, int], channels: tuple[int, int]
) -> Entry:
    """Continues a chain of slices as one node: strides multiply; the rest is then unused."""
    before = call.drafted.node(x.name)
    if before is not None and before.op == "subsample_pad":
        attributes = before.attributes
        if not attributes["channels_before"] and not attributes["channels_after"]:
            earlier = _pair(attributes["stride"])
            stride = (stride[0] * earlier[0], stride[1] * earlier[1])
            x = Variable(before.inputs[0], x.shape, x.shape)
    row: dict[str, AttributeValue] = {
        "stride": stride,
        "channels_before": int(channels[0]),
        "channels_after": int(channels[1]),
    }
    return call.emit("subsample_pad", (x,), row)


def _drop(call: Call) -> Entry:
    """Operators that leave every value as it is."""
    entry: Entry = call.arguments["self"] if "self" in call.arguments else call.get("input")
    return entry


def _dropout(call: Call) -> Entry:
    call.expect("train", False, "pass training=self.training, not True")
    return _drop(call)


def _expand(call: Call) -> Entry:
    """A parameter seen as large as an activation; what it is added to broadcasts it anyway."""
    if not isinstance(call.get("self"), Folded):
        raise Unsupported("expand of an activation", "add tensors of equal shape")
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
            **{name: name for name in ("abs", "exp", "mish", "reciprocal")},
            **{name: name for name in ("sigmoid", "sign", "silu", "tanh")},
            "hard_sigmoid": "hardsigmoid",
            "hard_swish": "hardswish",
        }.items()
    ),
    (_gelu, ("gelu.default",)),
    (_elu, ("elu.default",)),
    (_softplus, ("softplus.default",)),
    (_add, ("add.Tensor", "add.Scalar")),
    (_max_pool2d, ("max_pool2d.default", "max_pool2d_with_indices.default")),
    (_avg_pool2d, ("avg_pool2d.default",)),
    (_adaptive_avg_pool2d, ("adaptive_avg_pool2d.default", "_adaptive_avg_pool2d.default")),
    (_mean, ("mean.dim",)),
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
    (_pad, ("pad.default", "constant_pad_nd.default")),
    (_expand, ("expand.default",)),
    (_dropout, ("dropout.default", "feature_dropout.default", "alpha_dropout.default")),
    (_drop, ("clone.default", "contiguous.default", "detach.default", "alias.default")),
    *CHANNEL_ROWS,
)

OPERATORS: Final[Mapping[str, NodeBuilder]] = MappingProxyType(
    {f"aten.{name}": builder for builder, names in _ROWS for name in names} | {"getitem": _item}
)
"""Operator (as printed by fx) -> builder."""
