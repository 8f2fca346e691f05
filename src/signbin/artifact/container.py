"""A .sbn file as bytes: fixed header, JSON header, data section; see docs/format.md."""

from __future__ import annotations

import dataclasses

from signbin.artifact.artifact import Artifact
from signbin.artifact.frame import MAGIC, frame, framed_bytes, unframe
from signbin.artifact.header import Header, header_text, read_header, write_header
from signbin.artifact.tensors import TensorEntry, decode_tensor, encode_tensor
from signbin.errors import FormatError, SignbinError
from signbin.ir import parse_graph, print_graph, verify
from signbin.ir.graph import Constant, Graph
from signbin.spec import LowBitWeight

__all__ = ["MAGIC", "decode", "encode", "encoded_bytes"]


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
    header, blocks = _parts(artifact, graph, text)
    return frame(MAGIC, write_header(header), blocks)


def encoded_bytes(artifact: Artifact) -> int:
    """The size of what :func:`encode` makes of an artifact that can be written."""
    header, blocks = _parts(artifact, artifact.graph, print_graph(artifact.graph))
    return framed_bytes(len(header_text(header)), sum(map(len, blocks)))


def _parts(artifact: Artifact, graph: Graph, text: str) -> tuple[Header, list[bytes]]:
    entries, blocks, end = [], [], 0
    for name in sorted(graph.constants):
        encoded = encode_tensor(name, graph.constants[name])
        size = len(encoded.data)
        entries.append(
            TensorEntry(name, encoded.encoding, encoded.filter_offset, encoded.shape, end, size)
        )
        blocks.append(encoded.data)
        end += size
    header = Header(
        graph_text=text,
        tensors=tuple(entries),
        plan=artifact.plan,
        preprocessing=artifact.preprocessing,
        class_names=artifact.class_names,
        provenance=artifact.provenance,
    )
    return header, blocks


def decode(data: bytes | bytearray | memoryview) -> Artifact:
    """Read the bytes of a .sbn file; FormatError for anything but what :func:`encode` wrote.

    Sizes are checked against ``len(data)`` before anything is allocated for them. Low-bit codes
    take 8 bytes for each byte of the file, see docs/format.md for all bounds.
    """
    text, view = unframe(MAGIC, data)
    header = read_header(text)
    data_size = header.tensors[-1].offset + header.tensors[-1].size if header.tensors else 0
    if data_size != len(view):
        raise FormatError(
            "size of the data section",
            value=len(view),
            allowed=f"{data_size} bytes, which the tensors tile exactly",
        )
    try:
        return _artifact(header, view)
    except FormatError:
        raise
    except SignbinError as error:
        raise FormatError(f"content of the file: {error}") from error


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
