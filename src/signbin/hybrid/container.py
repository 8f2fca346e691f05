"""A network in parts as the bytes of a .sbn file; see docs/format.md, "A network in parts"."""

from __future__ import annotations

from typing import Any, Final

from signbin.artifact import decode, encode
from signbin.artifact.frame import PARTS_MAGIC, canonical_json, frame, read_json, unframe
from signbin.documents import ReadingRules, from_document, to_document
from signbin.errors import FormatError, SignbinError
from signbin.hybrid.content import HybridContent, PartedNetwork, PartEngine
from signbin.ir.form import form_from_json, form_to_json

__all__ = ["decode_parts", "encode_parts", "holds_parts"]

_KEYS: Final = ("form", "network", "sizes")
_MOST_PARTS: Final = 1024
_RULES: Final = ReadingRules(error=FormatError, source="header")


def encode_parts(content: HybridContent) -> bytes:
    """The bytes of the file: equal contents give equal ones.

    FormatError where they are too large, or cannot be written.
    """
    blocks = [part if isinstance(part, bytes) else encode(part) for part in content.contents]
    document = {
        "form": form_to_json(content.form),
        "network": to_document(content.network),
        "sizes": [len(block) for block in blocks],
    }
    data = frame(PARTS_MAGIC, canonical_json(document), blocks)
    decode_parts(data)  # what we write, we can read
    return data


def decode_parts(data: bytes | bytearray | memoryview) -> HybridContent:
    """What :func:`encode_parts` wrote; FormatError for anything else.

    Models for ONNX Runtime are checked where they are loaded.
    """
    header, view = unframe(PARTS_MAGIC, data)
    members = read_json(header)
    if not isinstance(members, dict) or tuple(sorted(members)) != _KEYS:
        raise FormatError("keys of the header", allowed=", ".join(_KEYS))
    try:
        network = from_document(PartedNetwork, members["network"], "network", _RULES)
        if to_document(network) != members["network"]:
            raise FormatError("network of the header", allowed="every key, spelt as it is written")
        blocks = _blocks(members["sizes"], len(network.parts), view)
        form = form_from_json(members["form"])
        contents = [
            decode(block) if part.engine is PartEngine.SIGNBIN else bytes(block)
            for part, block in zip(network.parts, blocks, strict=True)
        ]
        return HybridContent(network, form, tuple(contents))
    except FormatError:
        raise
    except (SignbinError, ValueError) as error:
        raise FormatError(f"content of the file: {error}") from error


def holds_parts(start: bytes) -> bool:
    """Whether a file that starts so is a network in parts."""
    return start.startswith(PARTS_MAGIC)


def _blocks(sizes: Any, parts: int, view: memoryview) -> list[memoryview]:
    whole = isinstance(sizes, list) and all(type(size) is int and size > 0 for size in sizes)
    if not whole or not len(sizes) == parts <= _MOST_PARTS or sum(sizes) != len(view):
        raise FormatError(
            "sizes of the parts",
            value=sizes,
            allowed=f"{parts} numbers, {_MOST_PARTS} at most, that tile the data exactly",
        )
    starts = [sum(sizes[:number]) for number in range(parts)]
    return [view[start : start + size] for start, size in zip(starts, sizes, strict=True)]
