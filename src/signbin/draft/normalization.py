"""Rows of the operator table for normalisation by an image's own statistics."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.draft.arithmetic import affine
from signbin.draft.call import Call, Entry, NodeBuilder, Unsupported, Variable, expect_modest, shown
from signbin.draft.rows import last_axes_affine, reduced
from signbin.ir import AttributeValue

__all__ = ["NORMALIZATION_ROWS", "normalized_groups", "normalized_root"]

Vector = NDArray[np.float64]


def normalized_groups(
    call: Call,
    x: Variable,
    groups: int,
    epsilon: float,
    scale: Vector | None,
    bias: Vector | None,
) -> Variable:
    """(x - mean) / sqrt(variance + epsilon) of every group of channels, then * scale + bias."""
    channels = x.shape[1]
    if channels % groups or len(x.shape) < 3:
        raise Unsupported(f"{groups} groups of {shown(x.shape)}", "use groups of whole channels")
    rows = (x.shape[0], groups, math.prod(x.shape[1:]) // groups)
    seen = call.drafted.reshaped(Variable(x.name, rows, x.stored), call.source)
    plain = scale is None and bias is None
    attributes: dict[str, AttributeValue] = {"axes": 1, "epsilon": epsilon}
    made = call.emit("layer_norm", (seen,), attributes, rows, "" if plain else ".normalized")
    whole = Variable(made.name, x.shape, made.stored)
    if plain:
        return whole
    held = call.drafted.reshaped(whole, call.source)
    expect_modest(channels, "a factor")
    factor = np.ones(channels) if scale is None else scale
    return affine(call, held, factor, np.zeros(channels) if bias is None else bias)


def normalized_root(
    call: Call, x: Variable, axes: int, epsilon: float, scale: NDArray[np.float32] | None
) -> Variable:
    """X / sqrt(mean of x^2 + epsilon) * scale, over the last axes."""
    square = call.emit("multiply", (x, x), {}, x.shape, ".square")
    last = list(range(len(x.shape) - axes, len(x.shape)))
    mean_call = Call(f"{call.name}.mean", call.source, {}, None, call.drafted)
    mean = reduced(mean_call, square, "mean", last, keep=True)
    assert isinstance(mean, Variable)
    raised = last_axes_affine(call, mean, None, np.array([epsilon]), ".raised")
    root = call.emit("unary", (raised,), {"function": "sqrt"}, mean.shape, ".root")
    inverse = call.emit("unary", (root,), {"function": "reciprocal"}, mean.shape, ".inverse")
    spread: dict[str, AttributeValue] = {"shape": x.shape[1:]}
    gate = call.emit("expand", (inverse,), spread, x.shape, ".gate")
    made = call.emit("multiply", (x, gate), {}, x.shape, "" if scale is None else ".normalized")
    return made if scale is None else last_axes_affine(call, made, scale, None)


def _vector(call: Call, argument: str) -> Vector | None:
    if call.get(argument) is None:
        return None
    return call.array(argument).reshape(-1).astype(np.float64)


def _group_norm(call: Call) -> Entry:
    groups = int(call.get("num_groups" if "num_groups" in call.arguments else "group"))
    return normalized_groups(
        call,
        call.variable("input"),
        groups,
        float(call.get("eps")),
        _vector(call, "weight"),
        _vector(call, "bias"),
    )


def _instance_norm(call: Call) -> Entry:
    x = call.variable("input")
    call.expect("use_input_stats", True, "use BatchNorm: running statistics are the same for all")
    return normalized_groups(
        call,
        x,
        x.shape[1],
        float(call.get("eps")),
        _vector(call, "weight"),
        _vector(call, "bias"),
    )


def _rms_norm(call: Call) -> Entry:
    stated: Any = call.get("eps")
    epsilon = float(np.finfo(np.float32).eps) if stated is None else float(stated)
    scale = None if call.get("weight") is None else call.array("weight")
    axes = len(call.get("normalized_shape"))
    return normalized_root(call, call.variable("input"), axes, epsilon, scale)


NORMALIZATION_ROWS: Final[tuple[tuple[NodeBuilder, tuple[str, ...]], ...]] = (
    (_group_norm, ("group_norm.default", "native_group_norm.default")),
    (_instance_norm, ("instance_norm.default",)),
    (_rms_norm, ("rms_norm.default",)),
)
