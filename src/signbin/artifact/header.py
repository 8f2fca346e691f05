"""The JSON header: strict reading, canonical writing, see docs/format.md, section "Header"."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from signbin.artifact.frame import MOST_HEADER_BYTES, canonical_json, read_json
from signbin.artifact.tensors import ALIGNMENT, Encoding, TensorEntry
from signbin.errors import FormatError, SignbinError
from signbin.ir.graph import is_name
from signbin.plan import Plan
from signbin.spec import Preprocessing

__all__ = ["Header", "header_text", "read_header", "write_header"]

_MOST_TENSORS: Final = 65_536
_MOST_CLASS_NAMES: Final = 65_536
_MOST_PROVENANCE: Final = 256
_LONGEST_LINE: Final = 1_024
_LONGEST_TEXT: Final = 65_536
_LARGEST_EXTENT: Final = 2**31 - 1
_AXES: Final = {Encoding.F32: (1, 2, 3, 4)}
_WEIGHT_AXES: Final = (2, 4)
_WITHOUT_OFFSETS: Final = (Encoding.F32, Encoding.INTEGER)
_ENTRY_KEYS: Final = tuple(sorted(field.name for field in dataclasses.fields(TensorEntry)))


@dataclasses.dataclass(frozen=True)
class Header:
    """The header's six members, checked one by one but not yet against the data."""

    graph_text: str
    tensors: tuple[TensorEntry, ...]
    plan: Plan | None
    preprocessing: Preprocessing | None
    class_names: tuple[str, ...]
    provenance: Mapping[str, str]


_HEADER_KEYS: Final = ("class_names", "graph", "plan", "preprocessing", "provenance", "tensors")


def write_header(header: Header) -> bytes:
    """Canonical JSON in UTF-8: sorted keys, no spaces, no escapes that are not needed.

    FormatError where a member is over its cap or holds text that UTF-8 cannot.
    """
    text = header_text(header)
    read_header(text)  # what we write, we can read
    return text


def header_text(header: Header) -> bytes:
    """:func:`write_header` of what is not kept, and so is not read back."""
    preprocessing = header.preprocessing
    if preprocessing is not None:  # 1 and 1.0 are equal: they must give equal bytes
        preprocessing = Preprocessing.from_json(preprocessing.to_json())
    document = {
        "class_names": list(header.class_names),
        "graph": header.graph_text,
        "plan": None if header.plan is None else header.plan.to_json(),
        "preprocessing": None if preprocessing is None else preprocessing.to_json(),
        "provenance": dict(header.provenance),
        "tensors": [_entry_to_json(entry) for entry in header.tensors],
    }
    return canonical_json(document)


def read_header(data: bytes) -> Header:
    """Parse and check the header; FormatError for anything but what :func:`write_header` wrote."""
    document = read_json(data)
    members = _object(document, "header", _HEADER_KEYS)
    plan, preprocessing = members["plan"], members["preprocessing"]
    try:
        return Header(
            graph_text=_text(members["graph"], "graph", MOST_HEADER_BYTES),
            tensors=_tensors(members["tensors"]),
            plan=None if plan is None else Plan.from_json(plan),
            preprocessing=None if preprocessing is None else _preprocessing(preprocessing),
            class_names=tuple(
                _text(name, "class name", _LONGEST_LINE)
                for name in _list(members["class_names"], "class_names", _MOST_CLASS_NAMES)
            ),
            provenance=_provenance(members["provenance"]),
        )
    except FormatError:
        raise
    except SignbinError as error:
        raise FormatError(f"header of the file: {error}") from error


def _entry_to_json(entry: TensorEntry) -> dict[str, Any]:
    document = dataclasses.asdict(entry)
    return document | {"encoding": entry.encoding.value, "shape": list(entry.shape)}


def _tensors(value: object) -> tuple[TensorEntry, ...]:
    entries = tuple(_entry(item) for item in _list(value, "tensors", _MOST_TENSORS))
    end = 0
    for before, entry in zip((None, *entries), entries, strict=False):
        if before is not None and entry.name <= before.name:
            raise FormatError(
                "tensor name", value=entry.name, allowed=f"after {before.name}: sorted, each once"
            )
        if entry.offset != end or entry.size % ALIGNMENT:
            raise FormatError(
                f"place of tensor {entry.name}",
                value=(entry.offset, entry.size),
                allowed=f"offset {end}, where the one before ends; size a multiple of {ALIGNMENT}",
            )
        end += entry.size
    return entries


def _entry(document: object) -> TensorEntry:
    members = _object(document, "tensor", _ENTRY_KEYS)
    name, encoding, shape = members["name"], members["encoding"], members["shape"]
    if not isinstance(name, str) or not is_name(name):
        raise FormatError("tensor name", value=name, allowed="letters, digits, '_' and '.'")
    known = {entry.value: entry for entry in Encoding}
    if not isinstance(encoding, str) or encoding not in known:
        raise FormatError(f"encoding of {name}", value=encoding, allowed=", ".join(known))
    axes = _AXES.get(known[encoding], _WEIGHT_AXES)
    extents = tuple(
        _whole(extent, f"extent of {name}", 1, _LARGEST_EXTENT)
        for extent in _list(shape, f"shape of {name}", max(axes))
    )
    if len(extents) not in axes:
        raise FormatError(f"axes of {name}", value=len(extents), allowed=f"one of {axes}")
    filter_offset = members["filter_offset"]
    low_bit = known[encoding] not in _WITHOUT_OFFSETS
    if not isinstance(filter_offset, bool) or (filter_offset and not low_bit):
        raise FormatError(
            f"filter_offset of {name}", value=filter_offset, allowed="true (low-bit only) or false"
        )
    return TensorEntry(
        name=name,
        encoding=known[encoding],
        filter_offset=filter_offset,
        shape=extents,
        offset=_whole(members["offset"], f"offset of {name}", 0, 2**63),
        size=_whole(members["size"], f"size of {name}", 1, 2**63),
    )


def _preprocessing(document: object) -> Preprocessing:
    if not isinstance(document, Mapping):
        raise FormatError("preprocessing", value=document, allowed="an object or null")
    for name in ("mean", "std"):
        numbers = _list(document.get(name), f"preprocessing {name}", 3)
        if not all(isinstance(number, float) for number in numbers):
            raise FormatError(f"preprocessing {name}", value=numbers, allowed="JSON numbers as 1.0")
    preprocessing = Preprocessing.from_json(document)
    if set(document) != set(preprocessing.to_json()):
        raise FormatError("preprocessing keys", value=sorted(document), allowed="all of them")
    return preprocessing


def _provenance(document: object) -> dict[str, str]:
    if not isinstance(document, dict) or len(document) > _MOST_PROVENANCE:
        raise FormatError(
            "provenance", value=document, allowed=f"an object of at most {_MOST_PROVENANCE} texts"
        )
    return {
        _text(key, "provenance key", _LONGEST_LINE): _text(text, f"provenance {key}", _LONGEST_TEXT)
        for key, text in document.items()
    }


def _object(value: object, what: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, dict) or tuple(sorted(value)) != keys:
        shown = sorted(value)[:16] if isinstance(value, dict) else value
        raise FormatError(f"keys of the {what}", value=shown, allowed=", ".join(keys))
    return value


def _list(value: object, what: str, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise FormatError(what, value=value, allowed=f"a list of at most {most} entries")
    return value


def _text(value: object, what: str, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise FormatError(what, value=value, allowed=f"text of at most {longest} characters")
    return value


def _whole(value: object, what: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise FormatError(what, value=value, allowed=f"a whole number, {least}..{most}")
    return value
