"""Inputs that a network was trained to quantise: whole numbers from then on, as in training."""

from __future__ import annotations

from typing import Final

from signbin.draft.call import Call, Entry, Unsupported, Variable
from signbin.errors import SpecError
from signbin.ir import Node, TensorType
from signbin.spec import ActivationSpec

__all__ = ["CODED_INPUT", "coded_input"]

CODED_INPUT: Final = "signbin.quantized_input.default"
"""What readers call the operator: x, scale, zero_point, bits, least (or None), binary."""


def coded_input(call: Call) -> Entry:
    """quantize, then dequantize, with what has to come before; one quantize per value and scale."""
    x = call.variable("x")
    try:
        spec = ActivationSpec(call.get("scale"), call.get("zero_point"), call.get("bits"))
    except SpecError as error:
        raise Unsupported(f"quantised input: {error}", "train the layer's range again") from None
    least = call.get("least")
    if call.get("binary"):
        x = call.emit("unary", (x,), {"function": "binary_sign"}, suffix=".sign")
    elif least is not None:
        x = call.emit("clamp", (x,), {"low": float(least)}, suffix=".clamp")
    return call.emit("dequantize", (_codes(call, x, spec),), {})


def _codes(call: Call, x: Variable, spec: ActivationSpec) -> Variable:
    type_ = TensorType("u8", x.shape, spec)
    for node in call.drafted.nodes:
        if node.op == "quantize" and node.inputs == (x.name,) and node.type == type_:
            return Variable(node.name, x.shape, x.shape)
    name = call.drafted.free(f"{call.name}.codes")
    call.drafted.nodes.append(Node(name, "quantize", (x.name,), {}, type_, call.source))
    return Variable(name, x.shape, x.shape)
