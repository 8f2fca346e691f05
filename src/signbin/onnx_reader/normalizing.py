"""Rows that normalise: by an image's own statistics, or by its neighbouring channels."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.draft import Entry, Folded, Unsupported, Variable
from signbin.draft.call import expect_modest
from signbin.draft.composed import function_of, line
from signbin.draft.normalization import normalized_groups, normalized_root
from signbin.draft.rows import last_axes_affine
from signbin.ir import BATCH, AttributeValue
from signbin.onnx_reader.node import OnnxNode, Rows

__all__ = ["NORMALIZING"]


def _float(node: OnnxNode, position: int) -> NDArray[np.float64]:
    return np.asarray(node.known(position), np.float64)


def _batch_norm(node: OnnxNode) -> Entry:
    if node.attribute("training_mode", 0) or len([name for name in node.names if name]) > 1:
        raise Unsupported("training mode", "export the model in eval mode")
    if node.attribute("spatial", 1) != 1:
        raise Unsupported("spatial=0", "use one number per channel")
    epsilon = float(node.attribute("epsilon", 1e-5))
    roles = ("input", "weight", "bias", "running_mean", "running_var")
    entries: dict[str, Any] = {role: node.entry(at) for at, role in enumerate(roles)}
    return node.say("batch_norm.default", **entries, training=False, eps=epsilon)


def _layer_norm(node: OnnxNode) -> tuple[Entry, ...]:
    x = node.call({"self": node.entry(0)}).variable("self")
    axis = node.axis(node.attribute("axis", -1), x)
    if axis == BATCH:
        raise Unsupported("over the images too", "keep the batch out of it")
    epsilon = float(node.attribute("epsilon", 1e-5))
    shape = x.shape[axis:]
    given: dict[str, Any] = {"weight": None, "bias": None}
    for position, role in enumerate(given, start=1):
        if node.has(position):
            entry = node.entry(position)
            array = np.broadcast_to(node.known(position), shape)
            given[role] = Folded(array, entry.origin if isinstance(entry, Folded) else "")
    made = node.say(
        "layer_norm.default", input=x, normalized_shape=list(shape), eps=epsilon, **given
    )
    return (made, *_statistics(node, x, axis, epsilon)) if any(node.names[1:]) else (made,)


def _statistics(node: OnnxNode, x: Variable, axis: int, epsilon: float) -> tuple[Entry, Entry]:
    """Mean, and 1 / sqrt(variance + epsilon), which ONNX offers beside the normalised value."""
    axes = list(range(axis, len(x.shape)))
    shape = (*x.shape[:axis], *(1,) * len(axes))
    stated: dict[str, Any] = {"dim": axes, "keepdim": True, "dtype": None}
    names = [name or f"{node.name}.result_{at}" for at, name in enumerate(node.names)]
    mean = node.say("mean.dim", self=x, shape=shape, name=names[1], **stated)
    centred = node.say("sub.Tensor", self=x, other=mean, alpha=1, shape=x.shape, suffix=".centred")
    square = node.say("square.default", self=centred, shape=x.shape, suffix=".squared")
    variance = node.say("mean.dim", self=square, shape=shape, suffix=".variance", **stated)
    assert isinstance(variance, Variable)
    raised = line(node.call({}), variance, 1.0, epsilon, ".raised")
    last = names[2] if len(names) > 2 else f"{node.name}.deviation"
    return mean, node.say("rsqrt.default", self=raised, shape=shape, name=last)


def _instance_norm(node: OnnxNode) -> Entry:
    x = node.call({"self": node.entry(0)}).variable("self")
    epsilon = float(node.attribute("epsilon", 1e-5))
    scale, bias = _float(node, 1), _float(node, 2)
    return normalized_groups(node.call({}), x, x.shape[1], epsilon, scale, bias)


def _group_norm(node: OnnxNode) -> Entry:
    """A scale and a bias per channel; the version before, per group, ONNX has withdrawn."""
    x = node.call({"self": node.entry(0)}).variable("self")
    groups, epsilon = int(node.attribute("num_groups")), float(node.attribute("epsilon", 1e-5))
    scale, bias = _float(node, 1), _float(node, 2)
    return normalized_groups(node.call({}), x, groups, epsilon, scale, bias)


def _rms_norm(node: OnnxNode) -> Entry:
    x = node.call({"self": node.entry(0)}).variable("self")
    axis = node.axis(node.attribute("axis", -1), x)
    if axis == BATCH:
        raise Unsupported("over the images too", "keep the batch out of it")
    scale = np.broadcast_to(node.known(1), x.shape[axis:]).astype(np.float32)
    epsilon = float(node.attribute("epsilon", 1e-5))
    return normalized_root(node.call({}), x, len(x.shape) - axis, epsilon, scale)


def _local_response(node: OnnxNode) -> Entry:
    """x * (bias + alpha / size * sum of squares of neighbouring channels)^-beta.

    The sum is a convolution of one tap whose filters are ones next to the diagonal; the power is
    e^ of a product with a logarithm, but for halves.
    """
    x, size = (
        node.call({"self": node.entry(0)}).variable("self", rank=4),
        int(node.attribute("size")),
    )
    alpha, beta = float(node.attribute("alpha", 1e-4)), float(node.attribute("beta", 0.75))
    bias, channels = float(node.attribute("bias", 1.0)), x.shape[1]
    if bias <= 0 or alpha < 0:
        raise Unsupported(f"bias={bias}, alpha={alpha}", "use positive ones")
    call = node.call({})
    expect_modest(channels * channels, "a matrix")
    away = np.arange(channels)[None] - np.arange(channels)[:, None]
    band = (away >= -((size - 1) // 2)) & (away <= math.ceil((size - 1) / 2))
    square = call.emit("multiply", (x, x), {}, x.shape, ".square")
    attributes: dict[str, AttributeValue] = {
        "weight": call.weight("weight", band.astype(np.float32)[:, :, None, None])
    }
    near = call.emit("conv2d", (square,), attributes, x.shape, ".near")
    raised = last_axes_affine(call, near, np.array(alpha / size), np.array(bias), ".raised")
    log = function_of(call, raised, "log", ".log")
    gate = function_of(call, line(call, log, -beta, 0.0, ".exponent"), "exp", ".gate")
    return call.emit("multiply", (x, gate), {}, x.shape)


def _lp_norm(node: OnnxNode) -> Entry:
    """x / norm along an axis, nothing where that is zero."""
    x, order = node.variable(), int(node.attribute("p", 2))
    axis = node.axis(node.attribute("axis", -1), x)
    parts: dict[int, tuple[str, str]] = {1: ("abs", ""), 2: ("square", "sqrt")}
    if axis == BATCH or order not in parts:
        raise Unsupported(f"p={order} along axis {axis}", "use 1 or 2, not along the images")
    before, after = parts[order]
    each = node.say(f"{before}.default", self=x, shape=x.shape, suffix=".each")
    shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    stated: dict[str, Any] = {"dim": [axis], "keepdim": True, "dtype": None}
    norm = node.say("sum.dim_IntList", self=each, shape=shape, suffix=".sum", **stated)
    assert isinstance(norm, Variable)
    call = node.call({})
    if after:
        norm = function_of(call, norm, after, ".norm")
    least: dict[str, Any] = {"min": float(np.finfo(np.float32).tiny), "max": None}
    some = node.say("clamp.default", self=norm, shape=norm.shape, suffix=".positive", **least)
    return node.say("div.Tensor", self=x, other=some, rounding_mode=None)


NORMALIZING: Final[Rows] = MappingProxyType(
    {
        "BatchNormalization": _batch_norm,
        "LayerNormalization": _layer_norm,
        "InstanceNormalization": _instance_norm,
        "GroupNormalization": _group_norm,
        "RMSNormalization": _rms_norm,
        "LRN": _local_response,
        "LpNormalization": _lp_norm,
    }
)
"""Operator of ONNX -> its row."""
