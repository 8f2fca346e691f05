"""Whether a file is an ONNX model, told from the outermost fields of its protocol buffer alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

__all__ = ["looks_like_onnx"]

_GRAPH: Final = 7
_OPERATOR_SETS: Final = 8
_TEXT_OR_MESSAGE: Final = 2
_FIXED: Final = {1: 8, 5: 4}  # kind of a field -> its bytes
_MOST_FIELDS: Final = 10_000
_LONGEST_NUMBER: Final = 10  # bytes


def looks_like_onnx(path: Path) -> bool:
    """Whether the fields of a file, read without what is in them, are those of an ONNX model.

    A model has a graph and versions of its operators, and its fields fill the file exactly; other
    protocol buffers lack one of them. OSError where it cannot be read.
    """
    with path.open("rb") as file:
        seen = set()
        try:
            for number, kind in _fields(file, path.stat().st_size):
                seen.add((number, kind))
        except ValueError:
            return False
    return {(_GRAPH, _TEXT_OR_MESSAGE), (_OPERATOR_SETS, _TEXT_OR_MESSAGE)} <= seen


def _fields(file: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """Number and kind of every field; ValueError where the bytes are no fields."""
    for _ in range(_MOST_FIELDS):
        at = file.tell()
        if at >= size:
            break
        key = _number(file)
        kind = key & 7
        if kind == 0:
            _number(file)
            step = 0
        elif kind in _FIXED:
            step = _FIXED[kind]
        elif kind == _TEXT_OR_MESSAGE:
            step = _number(file)
        else:
            raise ValueError(f"kind {kind}")
        if not key >> 3 or file.tell() + step > size:
            raise ValueError(f"field {key >> 3} at {at}")
        file.seek(step, 1)
        yield key >> 3, kind


def _number(file: BinaryIO) -> int:
    """A whole number in groups of seven bits, the lowest first."""
    value = 0
    for place in range(_LONGEST_NUMBER):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 127) << (7 * place)
        if byte[0] < 128:
            return value
    raise ValueError("a number without an end")
