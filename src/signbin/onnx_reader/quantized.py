"""Rows for numbers that a network was trained, or calibrated, to round: codes from then on.

ONNX writes codes as values of their own, QuantizeLinear -> DequantizeLinear, or as operators on
them (QLinearConv); QONNX (Pappalardo et al. 2022) as one operator, Quant. Here a value of codes is
the value of the numbers they stand for, beside how they are meant.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from signbin.draft import Entry, Folded, Unsupported, Variable
from signbin.draft.coded_input import coded_input
from signbin.onnx_reader.elementwise import bounds_of, clip, scaled
from signbin.onnx_reader.folding_codes import DOMAINS
from signbin.onnx_reader.node import Coded, Meaning, OnnxNode, Rows

__all__ = ["MOVES", "OF_QONNX", "QUANTIZED", "READS_CODES"]

MOVES: Final = frozenset(
    {
        *("Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "MaxPool"),
        *("Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose"),
        "Unsqueeze",
    }
)
"""Operators that may read codes, and make codes that mean the same: they compute nothing new."""
READS_CODES: Final = frozenset({"Clip", "DequantizeLinear", "QLinearConv", "QLinearMatMul"})
"""Operators that read codes as the numbers they stand for."""

_MOST_BITS: Final = 8
_PER_TENSOR: Final = "quantise activations with one scale, of 8 bits at most"
_KINDS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "uint8": (0, 255),
        "int8": (-128, 127),
        "uint4": (0, 15),
        "int4": (-8, 7),
        "uint2": (0, 3),
        "int2": (-2, 1),
    }
)
"""Kinds of whole numbers that codes may be stored as -> the least and the largest of each."""


def _number(node: OnnxNode, position: int, role: str) -> float:
    """A scale or zero point of an activation: one number."""
    found = np.asarray(node.known(position))
    if found.size != 1:
        raise Unsupported(f"{found.size} numbers as {role} of an activation", _PER_TENSOR)
    return float(found.reshape(-1)[0])


def _meaning(node: OnnxNode, scale_at: int, zero_at: int, kind: str) -> Meaning:
    scale = _number(node, scale_at, "scale")
    zero = int(_number(node, zero_at, "zero point")) if node.has(zero_at) else 0
    if kind not in _KINDS:
        raise Unsupported(f"codes of {kind}", _PER_TENSOR)
    least, most = _KINDS[kind]
    return Meaning(float(np.float32(scale)), least - zero, most - zero, kind)


def _kind(node: OnnxNode, zero_at: int) -> str:
    """What codes are stored as: the type of the zero point, or the type that is asked for."""
    if node.has(zero_at):
        return str(node.known(zero_at).dtype)
    stated = int(node.attribute("output_dtype", 0))
    from onnx import helper  # noqa: PLC0415 - only where a type is stated by its number

    return str(np.dtype(helper.tensor_dtype_to_np_dtype(stated))) if stated else "uint8"


def _rounded(node: OnnxNode, x: Variable, meaning: Meaning) -> Variable:
    """The numbers that codes of x stand for: whole steps from the least to the most."""
    bits = (meaning.most - meaning.least).bit_length()
    if not 1 <= bits <= _MOST_BITS or meaning.scale <= 0:
        raise Unsupported(
            f"steps {meaning.least}..{meaning.most} of {meaning.scale:g}", _PER_TENSOR
        )
    signed = meaning.least < 0
    zero = 2 ** (bits - 1) if signed and bits > 1 else 0
    whole = (-zero, 2**bits - 1 - zero)
    x = node.call({"self": x}).variable("self")
    if (meaning.least, meaning.most) == (1 - zero, whole[1]):  # the least one is left out
        return _coded(node, x, meaning.scale, zero, bits, meaning.least * meaning.scale)
    if (meaning.least, meaning.most) == whole:
        return _coded(node, x, meaning.scale, zero, bits)
    full = meaning.most - meaning.least == 2**bits - 1
    if not full:
        low, high = (float(meaning.scale * step) for step in (meaning.least, meaning.most))
        held = node.say("clamp.default", self=x, min=low, max=high, shape=x.shape, suffix=".held")
        assert isinstance(held, Variable)
        x = held
    sign, pivot = _from_codes(meaning, bits)
    if (sign, pivot) == (1.0, 0):
        return _coded(node, x, meaning.scale, 0, bits)
    shift = pivot * meaning.scale
    moved = scaled(node, x, sign, -sign * shift, ".moved")
    codes = _coded(node, moved, meaning.scale, 0, bits, suffix=".steps")
    return scaled(node, codes, sign, shift)


def _from_codes(meaning: Meaning, bits: int) -> tuple[float, int]:
    """Sign and pivot of step = sign * code + pivot.

    The pivot is even, so that what lies between two steps goes to the even one, as ONNX says.
    """
    if meaning.least % 2 == 0:
        return 1.0, meaning.least
    if meaning.most % 2 == 0:
        return -1.0, meaning.most
    assert meaning.most - meaning.least < 2**bits - 1  # as many codes as steps: one end is even
    return 1.0, meaning.least - 1


def _coded(  # noqa: PLR0913 - what an operator takes are its arguments
    node: OnnxNode,
    x: Variable,
    scale: float,
    zero: int,
    bits: int,
    least: float | None = None,
    *,
    binary: bool = False,
    suffix: str = "",
) -> Variable:
    stated = {"x": x, "scale": scale, "zero_point": zero, "bits": bits, "least": least}
    made = coded_input(node.call({**stated, "binary": binary}, shape=x.shape, suffix=suffix))
    assert isinstance(made, Variable)
    return made


def _with(x: Variable, meaning: Meaning) -> Coded:
    return Coded(x.name, x.shape, x.stored, meaning)


def _quantize(node: OnnxNode) -> Entry:
    meaning = _meaning(node, 1, 2, _kind(node, 2))
    return _with(_rounded(node, node.variable(), meaning), meaning)


def _dequantize(node: OnnxNode) -> Entry:
    """Codes that are read as they were written are the numbers they stand for already."""
    return _as_written(node, 0, 1, 2)


def _as_written(node: OnnxNode, position: int, scale_at: int, zero_at: int) -> Variable:
    codes = node.variable(position)
    if not isinstance(codes, Coded):
        raise Unsupported("reads whole numbers that nothing quantised", "quantise them first")
    scale = float(np.float32(_number(node, scale_at, "scale")))
    zero = int(_number(node, zero_at, "zero point")) if node.has(zero_at) else 0
    written = codes.meaning
    least, most = _KINDS[written.kind]
    if (scale, least - zero, most - zero) != (written.scale, written.least, written.most):
        raise Unsupported(
            f"reads codes with scale {scale:g} and zero point {zero} that were written with others",
            "read them as they were written",
        )
    return Variable(codes.name, codes.shape, codes.stored)


def _clip(node: OnnxNode) -> Entry:
    """Of codes: fewer of them, as of 2 bits that are stored in 8."""
    codes = node.variable()
    if not isinstance(codes, Coded):
        return clip(node)
    written = codes.meaning
    zero = _KINDS[written.kind][0] - written.least
    low, high = bounds_of(node)
    least = written.least if low is None else max(written.least, math.ceil(low) - zero)
    most = written.most if high is None else min(written.most, math.floor(high) - zero)
    if least >= most:
        raise Unsupported(f"codes {least + zero}..{most + zero}", "leave two codes at least")
    numbers = Variable(codes.name, codes.shape, codes.stored)
    return _with(_rounded(node, numbers, Meaning(written.scale, least, most)), written)


def _dequantized(node: OnnxNode, position: int, axis: int) -> Folded:
    """A constant of codes, with its scale and zero point behind it, one or one per filter."""
    codes = np.asarray(node.known(position)).astype(np.float32)
    scale, zero = (
        np.asarray(node.known(at)).astype(np.float32).reshape(-1)
        for at in (position + 1, position + 2)
    )
    along = [1] * codes.ndim
    along[axis] = -1
    made = (codes - zero.reshape(along)) * scale.reshape(along)
    return Folded(made.astype(np.float32), getattr(node.entry(position), "origin", ""))


def _within(
    node: OnnxNode, row: str, roles: Sequence[Entry | None], suffix: str = ".numbers"
) -> Variable:
    """A row of another operator on the numbers that codes stand for."""
    from signbin.onnx_reader.products import PRODUCTS  # noqa: PLC0415 - all rows but these
    from signbin.onnx_reader.windows import WINDOWS  # noqa: PLC0415

    names = (f"{node.name}{suffix}",)
    inner = dataclasses.replace(node, inputs=tuple(roles), names=names)
    made = {**PRODUCTS, **WINDOWS}[row](inner)
    assert isinstance(made, Variable)
    return made


def _q_linear_conv(node: OnnxNode) -> Entry:
    """x, its scale and zero, w, its scale and zero, scale and zero of y, bias in whole numbers."""
    weight = _dequantized(node, 3, 0)
    bias = None
    if node.has(8):
        unit = np.float32(_number(node, 1, "scale")) * np.asarray(node.known(4), np.float32)
        bias = Folded((node.known(8).astype(np.float32) * unit).reshape(-1))
    made = _within(node, "Conv", (_as_written(node, 0, 1, 2), weight, bias))
    meaning = _meaning(node, 6, 7, str(node.known(7).dtype))
    return _with(_rounded(node, made, meaning), meaning)


def _q_linear_matmul(node: OnnxNode) -> Entry:
    """a, its scale and zero, b, its scale and zero, scale and zero of y."""
    second: Entry = (
        _as_written(node, 3, 4, 5)
        if isinstance(node.entry(3), Variable)
        else _dequantized(node, 3, -1)
    )
    made = _within(node, "MatMul", (_as_written(node, 0, 1, 2), second))
    meaning = _meaning(node, 6, 7, str(node.known(7).dtype))
    return _with(_rounded(node, made, meaning), meaning)


def _whole_bits(node: OnnxNode, position: int) -> int:
    bits = _number(node, position, "bits")
    if bits != math.floor(bits) or bits < 1:
        raise Unsupported(f"{bits:g} bits", "use whole bits")
    return int(bits)


def _steps(bits: int, *, signed: bool, narrow: bool) -> tuple[int, int]:
    """Of QONNX: the least and the largest whole number."""
    if signed:
        return -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    return 0, 2**bits - 1 - narrow


def _quant(node: OnnxNode) -> Entry:
    """QONNX: x, scale, zero point, bits."""
    if node.text("rounding_mode", "ROUND").upper() != "ROUND":
        raise Unsupported(f"rounding_mode={node.text('rounding_mode', '')}", "use ROUND")
    bits, zero = _whole_bits(node, 3), _number(node, 2, "zero point")
    if bits > _MOST_BITS or zero != math.floor(zero):
        raise Unsupported(f"{bits} bits around {zero:g}", _PER_TENSOR)
    signed, narrow = (bool(node.attribute(name, 1 - at)) for at, name in enumerate(_FLAGS))
    least, most = _steps(bits, signed=signed, narrow=narrow)
    scale = float(np.float32(_number(node, 1, "scale")))
    return _rounded(node, node.variable(), Meaning(scale, least - int(zero), most - int(zero)))


_FLAGS: Final = ("signed", "narrow")


def _bipolar(node: OnnxNode) -> Entry:
    """QONNX: scale where x >= 0, else -scale: codes 1 and 3 around 2, which is 0."""
    scale = float(np.float32(_number(node, 1, "scale")))
    x = node.call({"self": node.entry(0)}).variable("self")
    if scale == 1.0:
        return _coded(node, x, 1.0, 2, 2, binary=True)
    signs = _coded(node, x, 1.0, 2, 2, binary=True, suffix=".signs")
    return scaled(node, signs, scale, 0.0)


def _trunc(node: OnnxNode) -> Entry:
    """QONNX: floor of whole steps / 2^(bits less), as steps of the same scale.

    Floor of k / 2^t is the nearest whole number of (k - (2^t - 1) / 2) / 2^t, which is no tie.
    """
    if node.text("rounding_mode", "FLOOR").upper() != "FLOOR" or _number(node, 2, "zero point"):
        raise Unsupported("rounds otherwise than down, or has a zero point", "use FLOOR, and 0")
    given, kept = _whole_bits(node, 3), _whole_bits(node, 4)
    if not kept < _MOST_BITS or given < kept:
        raise Unsupported(f"from {given} to {kept} bits", "keep 7 bits at most")
    scale, parts = float(np.float32(_number(node, 1, "scale"))), 2 ** (given - kept)
    x = node.call({"self": node.entry(0)}).variable("self")
    down = scaled(node, x, 1.0, -scale * (parts - 1) / 2, ".down") if parts > 1 else x
    codes = _coded(node, down, scale * parts, 128, 8, suffix=".steps" if parts > 1 else "")
    return scaled(node, codes, 1 / parts, 0.0) if parts > 1 else codes


_OPERATORS: Final[Mapping[str, Callable[[OnnxNode], Entry]]] = MappingProxyType(
    {"Quant": _quant, "IntQuant": _quant, "BipolarQuant": _bipolar, "Trunc": _trunc}
)
OF_QONNX: Final = frozenset(f"{domain}.{name}" for domain in DOMAINS for name in _OPERATORS)
"""Operators of QONNX, whose results have the shape of what they read first."""
QUANTIZED: Final[Rows] = MappingProxyType(
    {
        "Clip": _clip,
        "QuantizeLinear": _quantize,
        "DequantizeLinear": _dequantize,
        "QLinearConv": _q_linear_conv,
        "QLinearMatMul": _q_linear_matmul,
        **{f"{domain}.{name}": row for domain in DOMAINS for name, row in _OPERATORS.items()},
    }
)
"""Operator of ONNX, with its domain where that is not ONNX's own -> its row."""
