"""Writers of ONNX that keep codes: QDQ, in standard operators, and QONNX, in its own.

A value of codes is written as a float one that was rounded: where it is quantised, and after every
layer that hands codes on. Low-bit and 7-bit weights are stored as codes (QDQ), or as the numbers
they stand for with an operator that rounds them (QONNX).
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from signbin.interop.onnx_nodes import OnnxWriter
from signbin.ir import Node
from signbin.spec import ActivationSpec, IntegerWeight, LowBitWeight, ValueSet

__all__ = ["INT2_OPSET", "QONNX_DOMAIN", "CodedWriter", "QdqWriter", "QonnxWriter"]

QONNX_DOMAIN: Final = "qonnx.custom_op.general"
INT2_OPSET: Final = 25
"""The first one that has whole numbers of two bits."""
_PLACES: Final = np.array([0, 2, 4, 6], np.uint8)
_BYTE: Final = 255  # the largest code of 8 bits


@dataclasses.dataclass
class CodedWriter(OnnxWriter):
    """What both have in common: which values and weights are rounded, and where."""

    def write(self, node: Node) -> None:
        """Append the operators of a node; those of one that makes codes round its numbers."""
        spec = node.type.quantization
        if node.op == "dequantize":
            self.append(node, "Identity", [node.inputs[0]], node.name)
        elif spec is None:
            super().write(node)
        elif node.op == "quantize":
            self.rounded(node, node.inputs[0], spec)
        else:
            inner = dataclasses.replace(node, name=f"{node.name}/float")
            super().write(inner)
            self.rounded(node, inner.name, spec)

    def stored(self, name: str) -> str:
        """A constant as it is, but for weights with codes: those come with what rounds them."""
        weight = self.graph.constants[name]
        if isinstance(weight, np.ndarray):
            return super().stored(name)
        result = f"{name}/rounded"
        if result in self.made:
            return result
        self.made.add(result)
        offset = weight.offset if isinstance(weight, LowBitWeight) else None
        codes = result if offset is None else f"{name}/without_offset"
        self.weight(name, _positive(weight), codes)
        if offset is not None:
            column = self.constant(f"{name}/offset", _column(offset, weight))
            self.append(None, "Add", [codes, column], result)
        return result

    def rounded(self, node: Node, value: str, spec: ActivationSpec) -> None:
        """Append what rounds a value to the numbers of a spec, as the node's own value."""
        raise NotImplementedError(type(self).__name__)

    def weight(self, name: str, weight: LowBitWeight | IntegerWeight, result: str) -> None:
        """Append what makes the numbers of a weight with codes, without its offset."""
        raise NotImplementedError(type(self).__name__)


@dataclasses.dataclass
class QdqWriter(CodedWriter):
    """QuantizeLinear and DequantizeLinear; two-bit weights where the opset has them."""

    def rounded(self, node: Node, value: str, spec: ActivationSpec) -> None:
        """Clip where a code has fewer than 8 bits, then to codes and back."""
        scale = self.constant(f"{node.name}/scale", np.array(spec.scale, np.float32))
        zero = self.constant(f"{node.name}/zero", np.array(spec.zero_point, np.uint8))
        if spec.top < _BYTE:
            ends = (-spec.zero_point, spec.top - spec.zero_point)
            bounds = [
                self.constant(f"{node.name}/{end}", np.array(steps * spec.scale, np.float32))
                for end, steps in zip(("least", "largest"), ends, strict=True)
            ]
            value = self.append(node, "Clip", [value, *bounds], f"{node.name}/clipped")
        codes = f"{node.name}/codes"
        self.append(node, "QuantizeLinear", [value, scale, zero], codes)
        self.append(node, "DequantizeLinear", [codes, scale, zero], node.name)

    def weight(self, name: str, weight: LowBitWeight | IntegerWeight, result: str) -> None:
        """Codes with a scale per filter."""
        full = f"{name}/codes"
        two_bits = isinstance(weight, LowBitWeight) and self.opset >= INT2_OPSET
        kind = TensorProto.INT2 if two_bits else TensorProto.INT8
        data = _two_bits(weight.codes) if two_bits else weight.codes.tobytes()
        self.constants[full] = helper.make_tensor(full, kind, weight.shape, data, raw=True)
        scale = self.constant(f"{name}/scale", weight.scale)
        self.append(None, "DequantizeLinear", [full, scale], result, axis=0)


@dataclasses.dataclass
class QonnxWriter(CodedWriter):
    """Quant and BipolarQuant of QONNX."""

    def rounded(self, node: Node, value: str, spec: ActivationSpec) -> None:
        """Signed codes are counted from zero there."""
        scale = np.array(spec.scale, np.float32)
        self._quant(node, value, scale, spec.bits, node.name, signed=int(spec.signed), narrow=0)

    def weight(self, name: str, weight: LowBitWeight | IntegerWeight, result: str) -> None:
        """Numbers that are rounded to themselves; of +1 and -1 alone by BipolarQuant."""
        numbers = self.constant(name, dataclasses.replace(weight).dequantized())
        scale = _column(weight.scale, weight)
        if isinstance(weight, LowBitWeight) and weight.value_set is ValueSet.BINARY:
            inputs = [numbers, self.constant(f"{name}/scale", scale)]
            self.append(None, "BipolarQuant", inputs, result, domain=QONNX_DOMAIN)
            return
        bits = 2 if isinstance(weight, LowBitWeight) else 7
        self._quant(None, numbers, scale, bits, result, signed=1, narrow=1)

    def _quant(
        self,
        node: Node | None,
        value: str,
        scale: NDArray[np.float32],
        bits: int,
        result: str,
        **signs: int,
    ) -> None:
        inputs = [value, self.constant(f"{result}/scale", scale)]
        inputs.append(self.constant(f"{result}/zero", np.array(0, np.float32)))
        inputs.append(self.constant(f"{result}/bits", np.array(bits, np.float32)))
        attributes: dict[str, Any] = {**signs, "rounding_mode": "ROUND", "domain": QONNX_DOMAIN}
        self.append(node, "Quant", inputs, result, **attributes)


def _positive(weight: LowBitWeight | IntegerWeight) -> LowBitWeight | IntegerWeight:
    """The same numbers with scales above zero, without offsets."""
    sign = np.where(weight.scale < 0, -1, 1).astype(np.int8)
    codes = (weight.codes * _column(sign, weight)).astype(np.int8)
    scale = np.where(weight.scale == 0, 1, np.abs(weight.scale)).astype(np.float32)
    codes[weight.scale == 0] = 0
    return type(weight)(codes, scale)


def _column(vector: NDArray[Any], weight: LowBitWeight | IntegerWeight) -> NDArray[Any]:
    return vector.reshape((-1,) + (1,) * (len(weight.shape) - 1))


def _two_bits(codes: NDArray[np.int8]) -> bytes:
    """Four to a byte, the first in the lowest bits."""
    fields = (codes.reshape(-1) & 3).astype(np.uint8)
    quads = np.concatenate([fields, np.zeros(-len(fields) % 4, np.uint8)]).reshape(-1, 4)
    packed: NDArray[np.uint8] = np.bitwise_or.reduce(quads << _PLACES, axis=1)
    return packed.tobytes()
