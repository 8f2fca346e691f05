"""The frame of every file that holds compiled networks: fixed header, JSON header, data.

docs/format.md says what stands where; files of another content have another magic.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Sequence
from typing import Any, Final

from signbin.errors import FormatError

__all__ = [
    "MAGIC",
    "MOST_FILE_BYTES",
    "MOST_HEADER_BYTES",
    "PARTS_MAGIC",
    "VERSION",
    "canonical_json",
    "frame",
    "framed_bytes",
    "read_json",
    "unframe",
]

MAGIC: Final = b"\x89SBN\r\n\x1a\n"
PARTS_MAGIC: Final = b"\x89SBP\r\n\x1a\n"
_OTHERS: Final = {MAGIC: "one network", PARTS_MAGIC: "a network in parts"}
VERSION: Final = 1
MOST_FILE_BYTES: Final = 4 * 1024**3
MOST_HEADER_BYTES: Final = 16 * 1024 * 1024
_MOST_JSON_TOKENS: Final = 1_048_576
_FIXED: Final = struct.Struct("<8sIIQQ32s")  # magic, version, header, total, reserved, SHA-256
_CHECKED: Final = _FIXED.size - 32
_DATA_ALIGNMENT: Final = 64


def frame(magic: bytes, header: bytes, blocks: Sequence[bytes]) -> bytes:
    """A file of this header and these blocks of data; FormatError where it is over the cap."""
    padding = bytes(-len(header) % _DATA_ALIGNMENT)
    total = framed_bytes(len(header), sum(map(len, blocks)))
    if total > MOST_FILE_BYTES:
        raise FormatError("size of the file", value=total, allowed=f"at most {MOST_FILE_BYTES}")
    body = [header, padding, *blocks]
    start = _FIXED.pack(magic, VERSION, len(header), total, 0, bytes(32))[:_CHECKED]
    return b"".join([start, _digest([start, *body]), *body])


def framed_bytes(header: int, data: int) -> int:
    """The size of a file with a header and data of so many bytes."""
    return _FIXED.size + header + -header % _DATA_ALIGNMENT + data


def unframe(magic: bytes, data: bytes | bytearray | memoryview) -> tuple[bytes, memoryview]:
    """Header and data of what :func:`frame` wrote; FormatError for anything else.

    Nothing is allocated but for the header, and its size is checked before.
    """
    view = memoryview(data).cast("B").toreadonly()
    header_end = _read_fixed(magic, view)
    data_start = header_end + -header_end % _DATA_ALIGNMENT
    if data_start > len(view) or any(view[header_end:data_start]):
        allowed = f"zero bytes up to a multiple of {_DATA_ALIGNMENT}"
        raise FormatError("padding after the header", allowed=allowed)
    return bytes(view[_FIXED.size : header_end]), view[data_start:]


def _read_fixed(magic: bytes, view: memoryview) -> int:
    """Check the fixed header and the checksum; the end of the JSON header."""
    found = bytes(view[: len(magic)])
    if found in _OTHERS and found != magic:
        raise FormatError("content of the file", value=_OTHERS[found], remedy="use signbin.load")
    if len(view) < _FIXED.size or found != magic:
        raise FormatError(
            "start of the file",
            value=found,
            allowed=f"{magic!r} and at least {_FIXED.size} bytes",
            remedy="this is not a .sbn file, or it is cut short",
        )
    _, version, header_size, total, reserved, digest = _FIXED.unpack(view[: _FIXED.size])
    if version != VERSION:
        raise FormatError(
            "version of the file",
            value=version,
            allowed=str(VERSION),
            remedy="compile the model again with this signbin, or install the one that wrote it",
        )
    if total != len(view) or total > MOST_FILE_BYTES:
        raise FormatError(
            "length of the file",
            value=len(view),
            allowed=f"{total}, as its header says, and at most {MOST_FILE_BYTES}",
            remedy="the file is cut short or has trailing bytes: copy it again",
        )
    header_end = _FIXED.size + int(header_size)
    if not 2 <= header_size <= MOST_HEADER_BYTES or header_end > len(view):
        raise FormatError(
            "length of the header",
            value=header_size,
            allowed=f"2..{MOST_HEADER_BYTES}, inside the file",
        )
    if reserved:
        raise FormatError("reserved bytes of the header", value=reserved, allowed="zero")
    if digest != _digest([view[:_CHECKED], view[_FIXED.size :]]):
        raise FormatError(
            "checksum of the file", allowed="SHA-256 of its content", remedy="copy it again"
        )
    return header_end


def _digest(parts: Sequence[bytes | memoryview]) -> bytes:
    checksum = hashlib.sha256()
    for part in parts:
        checksum.update(part)
    return checksum.digest()


def canonical_json(document: object) -> bytes:
    """Canonical JSON in UTF-8: sorted keys, no spaces, no escapes that are not needed.

    FormatError for what JSON or UTF-8 cannot hold, and beyond the cap.
    """
    try:
        text = json.dumps(
            document, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
        )
        data = text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise FormatError("header", allowed="what JSON and UTF-8 can hold") from error
    if len(data) > MOST_HEADER_BYTES:
        raise FormatError("header", value=len(data), allowed=f"at most {MOST_HEADER_BYTES} bytes")
    return data


def read_json(data: bytes) -> object:
    """What :func:`canonical_json` wrote; FormatError for anything else."""
    tokens = sum(data.count(character) for character in b'{[,:"')
    if len(data) > MOST_HEADER_BYTES or tokens > _MOST_JSON_TOKENS:
        raise FormatError(
            "header",
            value=(len(data), tokens),
            allowed=f'at most {MOST_HEADER_BYTES} bytes and {_MOST_JSON_TOKENS} of {{ [ , : "',
        )
    try:
        document: object = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise FormatError("header", value=str(error), allowed="UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise FormatError("header", value=str(error), allowed="JSON, nested at most 16") from error
    if canonical_json(document) != data:
        raise FormatError(
            "header", allowed="canonical JSON: sorted keys, no spaces, shortest numbers and escapes"
        )
    return document


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in members if names.count(name) > 1)
        raise FormatError("JSON key", value=twice, allowed="each key once")
    return members


def _no_constant(name: str) -> None:
    raise FormatError("JSON number", value=name, allowed="finite numbers")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise FormatError("JSON number", value=text, allowed="finite numbers")
    return number
