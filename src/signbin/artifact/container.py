"""A .sbn file as bytes: fixed header, JSON header, data section; see docs/format.md."""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from collections.abc import Sequence
from typing import Final

from signbin.artifact.artifact import Artifact
from signbin.artifact.header import MOST_HEADER_BYTES, Header, read_header, write_header
from signbin.artifact.tensors import TensorEntry, decode_tensor, encode_tensor
from signbin.errors import FormatError, SignbinError
from signbin.ir import parse_graph, print_graph, verify
from signbin.ir.graph import Constant, Graph
from signbin.spec import LowBitWeight

__all__ = ["MAGIC", "MOST_FILE_BYTES", "VERSION", "decode", "encode"]

MAGIC: Final = b"\x89SBN\r\n\x1a\n"
VERSION: Final = 1
MOST_FILE_BYTES: Final = 4 * 1024**3
_FIXED: Final = struct.Struct("<8sIIQQ32s")  # magic, version, header, total, reserved, SHA-256
_CHECKED: Final = _FIXED.size - 32
_DATA_ALIGNMENT: Final = 64


def encode(artifact: Artifact) -> bytes:
    """The bytes of a .sbn file: equal artifacts give equal bytes.

    FormatError where the artifact cannot be written: a graph that does not verify, numbers that
    are not finite, a part over its cap.
    """
    try:
        graph = _without_zero_offsets(artifact.graph)
        verify(graph)
        text = print_graph(graph)
    except SignbinError as error:
        raise FormatError(f"graph of the artifact: {error}") from error
    entries, blocks, end = [], [], 0
    for name in sorted(graph.constants):
        encoded = encode_tensor(name, graph.constants[name])
        size = len(encoded.data)
        entries.append(
            TensorEntry(name, encoded.encoding, encoded.filter_offset, encoded.shape, end, size)
        )
        blocks.append(encoded.data)
        end += size
    header = write_header(
        Header(
            graph_text=text,
            tensors=tuple(entries),
            plan=artifact.plan,
            preprocessing=artifact.preprocessing,
            class_names=artifact.class_names,
            provenance=artifact.provenance,
        )
    )
    padding = bytes(-len(header) % _DATA_ALIGNMENT)
    total = _FIXED.size + len(header) + len(padding) + end
    if total > MOST_FILE_BYTES:
        raise FormatError("size of the file", value=total, allowed=f"at most {MOST_FILE_BYTES}")
    body = [header, padding, *blocks]
    start = _FIXED.pack(MAGIC, VERSION, len(header), total, 0, bytes(32))[:_CHECKED]
    return b"".join([start, _digest([start, *body]), *body])


def decode(data: bytes | bytearray | memoryview) -> Artifact:
    """Read the bytes of a .sbn file; FormatError for anything but what :func:`encode` wrote.

    Sizes are checked against ``len(data)`` before anything is allocated for them. Low-bit codes
    take 8 bytes for each byte of the file, see docs/format.md for all bounds.
    """
    view = memoryview(data).cast("B").toreadonly()
    header_end = _read_fixed(view)
    header = read_header(bytes(view[_FIXED.size : header_end]))
    data_start = header_end + -header_end % _DATA_ALIGNMENT
    if any(view[header_end:data_start]):
        raise FormatError("padding after the header", allowed="zero bytes")
    data_size = header.tensors[-1].offset + header.tensors[-1].size if header.tensors else 0
    if data_start + data_size != len(view):
        raise FormatError(
            "size of the data section",
            value=len(view) - data_start,
            allowed=f"{data_size} bytes, which the tensors tile exactly",
        )
    try:
        return _artifact(header, view[data_start:])
    except FormatError:
        raise
    except SignbinError as error:
        raise FormatError(f"content of the file: {error}") from error


def _read_fixed(view: memoryview) -> int:
    """Check the fixed header and the checksum; the end of the JSON header."""
    if len(view) < _FIXED.size or bytes(view[: len(MAGIC)]) != MAGIC:
        raise FormatError(
            "start of the file",
            value=bytes(view[: len(MAGIC)]),
            allowed=f"{MAGIC!r} and at least {_FIXED.size} bytes",
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


def _artifact(header: Header, data: memoryview) -> Artifact:
    constants = {
        entry.name: decode_tensor(entry, data[entry.offset : entry.offset + entry.size])
        for entry in header.tensors
    }
    graph = parse_graph(header.graph_text, constants)
    if print_graph(graph) != header.graph_text:
        raise FormatError("graph", allowed="the text as the graph prints, without comments")
    return Artifact(
        graph=graph,
        plan=header.plan,
        preprocessing=header.preprocessing,
        class_names=header.class_names,
        provenance=header.provenance,
    )


def _without_zero_offsets(graph: Graph) -> Graph:
    """Offsets of zeros everywhere are no offsets: one weight, one spelling."""
    constants: dict[str, Constant] = dict(graph.constants)
    for name, constant in graph.constants.items():
        if isinstance(constant, LowBitWeight) and constant.offset is not None:
            constants[name] = constant if constant.offset.any() else _offset_free(constant)
    return dataclasses.replace(graph, constants=constants)


def _offset_free(weight: LowBitWeight) -> LowBitWeight:
    return LowBitWeight(weight.codes, weight.scale)


def _digest(parts: Sequence[bytes | memoryview]) -> bytes:
    checksum = hashlib.sha256()
    for part in parts:
        checksum.update(part)
    return checksum.digest()
