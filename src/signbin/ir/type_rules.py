"""Type rules of the op table: which values may be f32 and which u8, and that sums stay exact."""

from __future__ import annotations

import math
from typing import Final

from signbin.ir.graph import TensorType
from signbin.ir.requantize import requantization_of
from signbin.ir.schema import Arguments, Op, TypeRule
from signbin.spec import IntegerWeight, LowBitWeight

__all__ = ["MAX_SUM", "verify_types"]

MAX_SUM: Final = 2**31 - 1
"""What no sum of a u8 node may exceed: all kernels accumulate in int32."""


def verify_types(arguments: Arguments, op: Op) -> None:
    """Check the types of what a node reads and writes; VerifyError otherwise.

    They follow the op's rule; all inputs have one dtype. A weight under a u8 input is low-bit or
    integer, under f32 low-bit or float. No sum of a u8 node can exceed MAX_SUM, and none of its
    constants leaves float32.
    """
    result = arguments.node.type
    dtypes = {type_.dtype for type_ in arguments.inputs}
    if len(dtypes) > 1 or not _follows(op.types, arguments.inputs[0], result):
        raise arguments.refusal(
            "types",
            value=f"{', '.join(map(str, arguments.inputs))} -> {result}",
            allowed=f"{op.types.value}; all inputs of one kind",
            remedy="insert quantize or dequantize",
        )
    if "weight" in arguments.attributes:
        _verify_weight(arguments)
    if arguments.quantized and "value" in arguments.attributes:
        _verify_fill(arguments)
    if arguments.quantized and op.types is not TypeRule.KEPT:
        _verify_sums(arguments, op)
        for part in range(len(arguments.inputs) if op.types is TypeRule.JOINED else 1):
            requantization_of(arguments, channels=1, part=part)


def _follows(rule: TypeRule, given: TensorType, result: TensorType) -> bool:
    if rule is TypeRule.QUANTIZED:
        return (given.dtype, result.dtype) == ("f32", "u8")
    if rule is TypeRule.DEQUANTIZED:
        return (given.dtype, result.dtype) == ("u8", "f32")
    if given.dtype == "f32":
        return result.dtype == "f32"
    if rule is TypeRule.KEPT:
        return result.dtype == "u8" and result.quantization == given.quantization
    return rule in (TypeRule.REQUANTIZED, TypeRule.JOINED)


def _verify_fill(arguments: Arguments) -> None:
    """A border of codes holds a number that codes reach, or one less than all of them."""
    spec, value = arguments.inputs[0].quantization, arguments.real("value")
    if spec is None:
        return
    low, high = (spec.scale * (code - spec.zero_point) for code in (0, spec.top))
    if value != -math.inf and not low - spec.scale / 2 <= value <= high + spec.scale / 2:
        raise arguments.refusal(
            "attribute value",
            value=value,
            allowed=f"-inf, or what codes reach, {low:g}..{high:g}",
            remedy="leave the layer float",
        )


def _verify_weight(arguments: Arguments) -> None:
    weight = arguments.constant("weight")
    if arguments.quantized and not isinstance(weight, LowBitWeight | IntegerWeight):
        allowed = "a low-bit or integer weight, for the input is u8"
    elif not arguments.quantized and isinstance(weight, IntegerWeight):
        allowed = "a low-bit or float weight, for the input is f32"
    else:
        return
    raise arguments.refusal("attribute weight", value=type(weight).__name__, allowed=allowed)


def _verify_sums(arguments: Arguments, op: Op) -> None:
    """Sums of codes, and of codes times weights, fit int32 in any order of addition."""
    spec = arguments.inputs[0].quantization
    if spec is None:
        return
    terms = 1 if op.terms is None else op.terms(arguments)
    if terms * spec.top > MAX_SUM:
        raise arguments.refusal(
            "largest sum of codes",
            value=terms * spec.top,
            allowed=f"<= {MAX_SUM}",
            remedy="leave the layer float",
        )
