"""Tensors as bytes: THE list of encodings, see docs/format.md, section "Tensors"."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import FormatError
from signbin.ir.graph import Constant
from signbin.spec import IntegerWeight, LowBitWeight, ValueSet

__all__ = ["ALIGNMENT", "Encoding", "TensorEntry", "decode_tensor", "encode_tensor", "stored_bytes"]

ALIGNMENT: Final = 4
_F32: Final = np.dtype("<f4")


class Encoding(enum.Enum):
    """How the elements of a tensor are written; the low-bit ones are named like ValueSet."""

    F32 = "f32"
    INTEGER = "integer"
    SIGNED_BINARY = "signed_binary"
    BINARY = "binary"
    TERNARY = "ternary"


@dataclasses.dataclass(frozen=True)
class TensorEntry:
    """One row of the tensor table; ``offset`` counts from the start of the data section.

    filter_offset: whether a low-bit weight has an offset per filter (centred filters).
    """

    name: str
    encoding: Encoding
    filter_offset: bool
    shape: tuple[int, ...]
    offset: int
    size: int


@dataclasses.dataclass(frozen=True)
class EncodedTensor:
    """The bytes of a tensor and what its table row says about them."""

    encoding: Encoding
    filter_offset: bool
    shape: tuple[int, ...]
    data: bytes


def encode_tensor(name: str, constant: Constant) -> EncodedTensor:
    """Encode a constant; FormatError for numbers that are not finite or not float32.

    An offset of zeros everywhere is the same weight as no offset and is written as none.
    """
    if isinstance(constant, LowBitWeight):
        return _encode_low_bit(constant)
    if isinstance(constant, IntegerWeight):
        data = constant.scale.astype(_F32).tobytes() + constant.codes.tobytes()
        data += bytes(-len(data) % ALIGNMENT)
        return EncodedTensor(Encoding.INTEGER, False, constant.shape, data)
    if constant.dtype != np.float32 or not constant.size or not 1 <= constant.ndim <= 4:
        raise FormatError(
            f"constant {name}",
            value=(str(constant.dtype), constant.shape),
            allowed="float32, 1 to 4 axes, not empty",
        )
    _check_finite(name, constant)
    shape = tuple(int(extent) for extent in constant.shape)
    return EncodedTensor(Encoding.F32, False, shape, constant.astype(_F32).tobytes())


def stored_bytes(constants: Mapping[str, Constant]) -> dict[str, int]:
    """How many bytes of a .sbn file each constant takes."""
    return {name: len(encode_tensor(name, constant).data) for name, constant in constants.items()}


def decode_tensor(entry: TensorEntry, data: memoryview) -> Constant:
    """Decode the ``entry.size`` bytes of a tensor into an array of its own.

    FormatError for a size that is not the one of shape and encoding (checked before anything is
    allocated), non-zero padding, a weight that a narrower encoding holds, a number that is not
    finite. Takes at most about 40 bytes of memory for each byte of data, 8 of which stay.
    """
    if entry.encoding is Encoding.F32:
        _check_size(entry, 4 * math.prod(entry.shape))
        array = np.frombuffer(data, _F32).astype(np.float32).reshape(entry.shape)
        _check_finite(entry.name, array)
        array.setflags(write=False)
        return array
    if entry.encoding is Encoding.INTEGER:
        return _decode_integer(entry, data)
    return _decode_low_bit(entry, data)


def _decode_integer(entry: TensorEntry, data: memoryview) -> IntegerWeight:
    scales_end = 4 * entry.shape[0]
    end = scales_end + math.prod(entry.shape)
    _check_size(entry, end + -end % ALIGNMENT)
    _check_padding(entry, data[end:])
    scale = np.frombuffer(data[:scales_end], _F32).astype(np.float32)
    _check_finite(entry.name, scale)
    codes = np.frombuffer(data[scales_end:end], np.int8).reshape(entry.shape)
    largest = IntegerWeight.LARGEST_CODE
    if codes.min() < -largest or codes.max() > largest:
        raise FormatError(f"codes of tensor {entry.name}", allowed=f"-{largest}..{largest}")
    return IntegerWeight(codes.copy(), scale)


def _check_padding(entry: TensorEntry, data: memoryview) -> None:
    if any(data):
        raise FormatError(f"padding of tensor {entry.name}", allowed="zero bytes")


def _encode_low_bit(weight: LowBitWeight) -> EncodedTensor:
    encoding = Encoding(weight.value_set.value)
    flat = weight.codes.reshape(-1)
    if encoding is Encoding.SIGNED_BINARY:
        fields = [flat != 0, weight.extremes[0] < 0]
    elif encoding is Encoding.BINARY:
        fields = [flat > 0]
    else:
        fields = [flat != 0, flat[flat != 0] < 0]
    vectors = [weight.scale]
    filter_offset = weight.offset is not None and bool(np.any(weight.offset != 0))
    if weight.offset is not None and filter_offset:
        vectors.append(weight.offset)
    data = b"".join(vector.astype(_F32).tobytes() for vector in vectors)
    data += b"".join(np.packbits(field, bitorder="little").tobytes() for field in fields)
    data += bytes(-len(data) % ALIGNMENT)
    return EncodedTensor(encoding, filter_offset, weight.shape, data)


def _decode_low_bit(entry: TensorEntry, data: memoryview) -> LowBitWeight:
    filters, count = entry.shape[0], math.prod(entry.shape)
    vectors_size = 4 * filters * (2 if entry.filter_offset else 1)
    fields_start = vectors_size + _bytes_for(count)
    second = filters if entry.encoding is Encoding.SIGNED_BINARY else 0
    _check_size(entry, fields_start + _bytes_for(second), at_least=True)
    first_bits = _bits(entry, data[vectors_size:fields_start], count)
    if entry.encoding is Encoding.TERNARY:
        second = int(np.count_nonzero(first_bits))
    fields_end = fields_start + _bytes_for(second)
    _check_size(entry, fields_end + -fields_end % ALIGNMENT)
    second_bits = _bits(entry, data[fields_start:fields_end], second)
    _check_padding(entry, data[fields_end:])
    vectors = np.frombuffer(data[:vectors_size], _F32).astype(np.float32).reshape(-1, filters)
    _check_finite(entry.name, vectors)
    weight = LowBitWeight(
        _codes(entry, first_bits, second_bits),
        vectors[0].copy(),
        vectors[1].copy() if entry.filter_offset else None,
    )
    _check_canonical(entry, weight)
    return weight


def _codes(
    entry: TensorEntry, first: NDArray[np.uint8], second: NDArray[np.uint8]
) -> NDArray[np.int8]:
    """Codes from the bit fields; ``first`` is overwritten."""
    codes = first.view(np.int8)
    signs = (1 - 2 * second.view(np.int8)).astype(np.int8)
    if entry.encoding is Encoding.BINARY:
        codes += codes
        codes -= 1
    elif entry.encoding is Encoding.TERNARY:
        codes[codes != 0] = signs
    else:
        rows = codes.reshape(entry.shape[0], -1)
        if np.any((second != 0) & ~rows.any(axis=1)):
            raise FormatError(
                f"signs of tensor {entry.name}", allowed="sign bit 0 for filters without non-zeros"
            )
        rows *= signs.reshape(-1, 1)
    return codes.reshape(entry.shape)


def _check_canonical(entry: TensorEntry, weight: LowBitWeight) -> None:
    if weight.value_set is not ValueSet(entry.encoding.value):
        raise FormatError(
            f"encoding of tensor {entry.name}",
            value=entry.encoding.value,
            allowed=f"{weight.value_set.value}, the narrowest that holds these codes",
        )
    if weight.offset is not None and not np.any(weight.offset != 0):
        raise FormatError(
            f"filter_offset of tensor {entry.name}", value=True, allowed="false where all are zero"
        )


def _bits(entry: TensorEntry, data: memoryview, count: int) -> NDArray[np.uint8]:
    if count % 8 and data[-1] >> (count % 8):
        raise FormatError(f"padding bits of tensor {entry.name}", allowed="zero")
    return np.unpackbits(np.frombuffer(data, np.uint8), count=count, bitorder="little")


def _bytes_for(bits: int) -> int:
    return -(-bits // 8)


def _check_size(entry: TensorEntry, size: int, *, at_least: bool = False) -> None:
    if entry.size < size if at_least else entry.size != size:
        raise FormatError(
            f"size of tensor {entry.name}",
            value=entry.size,
            allowed=f"{'at least ' if at_least else ''}{size} bytes for {entry.encoding.value} "
            f"{list(entry.shape)}",
        )


def _check_finite(name: str, numbers: NDArray[np.float32]) -> None:
    if not np.all(np.isfinite(numbers)):
        raise FormatError(
            f"numbers of tensor {name}",
            allowed="finite",
            remedy="find the layer whose weights became NaN or infinite",
        )
