"""The factors of a u8 layer: what the chain of requantization.py multiplies by, adds and limits to.

Every constant below is computed in float64 from float32 values and rounded to float32 once, so that
every kernel, whatever its instruction set, gets the same bits.

With s_in, s_res and s_out the scales of input, residual and output (s_out = 1 where the output is
f32), w the scale and w' the offset of a weight:

    scale = s_in * w[k] / s_out        offset    = s_in * w'[k] / s_out     low  = low / s_out
    bias  = bias[k] / s_out            post_bias = post_bias[k] / s_out     high = high / s_out
    residual_scale = s_res / s_out

Of x * y, s_in is the product of both scales; of x - y, y is the input, s_in is its scale with a
minus, and x is the residual.

A function of one number has a table in place of all these, for q = 0 .. top of the input:

    table[q] = function((q - zero) * s_in) / s_out
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.ir.graph import Graph, Node
from signbin.ir.ops import OPS, arguments_of
from signbin.ir.requantization import Requantization
from signbin.ir.schema import Arguments, TypeRule
from signbin.spec import ActivationKind, IntegerWeight, LowBitWeight

__all__ = ["requantization", "requantization_of"]

_WITHOUT: Final = (TypeRule.REAL, TypeRule.KEPT)
_ACTIVATIONS: Final = {kind.value: kind for kind in ActivationKind}


def requantization(graph: Graph, node: Node, part: int = 0) -> Requantization:
    """The constants of a node that reads or writes u8 and does not just pass codes on.

    part: which input they are for, where the node joins several; each goes through a chain of its
    own, without residual.

    VerifyError where one of them is beyond float32, or for a node that keeps codes as they are
    (max_pool2d, flatten, subsample_pad) or has no u8 value.
    """
    return requantization_of(arguments_of(graph, node), part=part)


def requantization_of(
    arguments: Arguments, channels: int | None = None, part: int = 0
) -> Requantization:
    """:func:`requantization` of the node whose arguments these are.

    channels: length of the arrays that say the same for every channel; None for the node's own. A
    verifier asks for 1, so that no graph can make it allocate more than the constants it brings.
    """
    if OPS[arguments.node.op].types in _WITHOUT or not arguments.quantized:
        raise arguments.refusal(
            "requantisation", value=str(arguments.node.type), allowed="a node that changes codes"
        )
    if OPS[arguments.node.op].looked_up:
        return _of_table(arguments)
    source, result = arguments.inputs[part].quantization, arguments.node.type.quantization
    added = OPS[arguments.node.op].types is not TypeRule.JOINED and len(arguments.inputs) > 1
    residual = arguments.inputs[1].quantization if added else None
    factor = 1.0
    if arguments.node.op == "multiply":
        residual, factor = None, 1.0 if residual is None else residual.scale
    elif arguments.node.op == "subtract":
        source, residual, factor = residual, source, -1.0
    scale_in = factor * (1.0 if source is None else source.scale)
    unit = 1.0 if result is None else result.scale
    filters = -1 if arguments.node.op == "linear" else 1  # which axis of the result they are
    channels = arguments.node.type.shape[filters] if channels is None else channels
    if OPS[arguments.node.op].types is TypeRule.JOINED:
        channels = 1  # one number says it all, and the parts have channels of their own
    bias = _vector(arguments, "bias", unit)
    with np.errstate(over="ignore"):
        made = Requantization(
            scale=_scale(arguments, channels, scale_in, unit),
            bias=np.zeros(channels, np.float32) if bias is None else bias,
            offset=_offset(arguments, scale_in, unit),
            residual_scale=0.0 if residual is None else float(np.float32(residual.scale / unit)),
            residual_zero=0 if residual is None else residual.zero_point,
            post_bias=_vector(arguments, "post_bias", unit),
            input_zero=0 if source is None else source.zero_point,
            output=result,
            **_activation(arguments, channels, unit),
        )
    _expect_finite(arguments, made)
    return made


def _of_table(arguments: Arguments) -> Requantization:
    """The op's reference at every number that a code of the input stands for."""
    source, result = arguments.inputs[0].quantization, arguments.node.type.quantization
    reference = OPS[arguments.node.op].reference
    assert source is not None
    assert reference is not None
    steps = np.arange(source.top + 1, dtype=np.float64) - source.zero_point
    with np.errstate(all="ignore"):
        values = reference(arguments, (steps * source.scale,))
        table = np.asarray(values / (1.0 if result is None else result.scale)).astype(np.float32)
    one, none = np.ones(1, np.float32), np.zeros(1, np.float32)
    made = Requantization(one, none, input_zero=source.zero_point, output=result, table=table)
    _expect_finite(arguments, made)
    return made


def _scale(
    arguments: Arguments, channels: int, scale_in: float, unit: float
) -> NDArray[np.float32]:
    if arguments.node.op == "quantize":
        result = arguments.node.type.quantization
        assert result is not None
        return np.full(channels, result.inverse_scale)
    weights = np.ones(channels)
    if "weight" in arguments.attributes:
        weight = arguments.constant("weight")
        assert isinstance(weight, LowBitWeight | IntegerWeight)
        weights = weight.scale.astype(np.float64)
    return np.asarray(scale_in * weights / unit).astype(np.float32)


def _offset(arguments: Arguments, scale_in: float, unit: float) -> NDArray[np.float32] | None:
    if "weight" not in arguments.attributes:
        return None
    weight = arguments.constant("weight")
    if not isinstance(weight, LowBitWeight) or weight.offset is None:
        return None
    return np.asarray(scale_in * weight.offset.astype(np.float64) / unit).astype(np.float32)


def _vector(arguments: Arguments, name: str, unit: float) -> NDArray[np.float32] | None:
    """A constant in steps of the output; None where the node does not state it."""
    if arguments.attributes.get(name) is None:
        return None
    with np.errstate(over="ignore"):
        return np.asarray(arguments.array(name) / unit).astype(np.float32)


def _activation(arguments: Arguments, channels: int, unit: float) -> dict[str, Any]:
    """The activation and its parameters, of an epilogue or of a node that is an activation."""
    word = arguments.attributes.get("activation", arguments.node.op)
    kind = _ACTIVATIONS.get(str(word), ActivationKind.NONE)
    if kind is ActivationKind.LEAKY_RELU:
        slope = np.full(channels, arguments.real("slope"), np.float32)
    elif kind is ActivationKind.PRELU:
        slope = arguments.array("prelu" if "prelu" in arguments.attributes else "slope").astype(
            np.float32
        )
    elif kind is ActivationKind.CLAMP:
        low, high = (float(np.float32(arguments.real(name) / unit)) for name in ("low", "high"))
        return {"activation": kind, "low": low, "high": high}
    else:
        return {"activation": kind}
    return {"activation": kind, "slope": slope}


def _expect_finite(arguments: Arguments, made: Requantization) -> None:
    for name in ("scale", "bias", "offset", "residual_scale", "post_bias", "table"):
        numbers = getattr(made, name)
        if numbers is not None and not np.all(np.isfinite(numbers)):
            raise arguments.refusal(
                f"{name}, in steps of the output",
                value=float(np.ravel(numbers)[~np.isfinite(np.ravel(numbers))][0]),
                allowed="within float32",
                remedy="calibrate again, or leave the layer float",
            )
