"""The JSON of a record as a JSON Schema (draft 2020-12), read from the record's own types.

Fields may be what :mod:`signbin.documents` writes: bool, int, float, str, other records, tuples of
one type, mappings from str to one type, and optional ones of these.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["json_schema"]

_SCALARS: Final = {bool: "boolean", int: "integer", float: "number", str: "string"}


def json_schema(record: type, title: str) -> dict[str, Any]:
    """What every document of ``record`` keeps to: all keys are there, and nothing beside them.

    >>> import dataclasses
    >>> Point = dataclasses.make_dataclass("Point", [("x", int), ("label", str | None)])
    >>> Point.__doc__ = "Where it is."
    >>> json_schema(Point, "A point")["$defs"]["Point"]["properties"]
    {'x': {'type': 'integer'}, 'label': {'anyOf': [{'type': 'string'}, {'type': 'null'}]}}
    """
    definitions: dict[str, Any] = {}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **_of(record, definitions),
        "$defs": definitions,
    }


def _of(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if origin is tuple:
        return {"type": "array", "items": _of(arguments[0], definitions)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _of(arguments[1], definitions)}
    if origin in (types.UnionType, typing.Union):
        (inner,) = (option for option in arguments if option is not types.NoneType)
        return {"anyOf": [_of(inner, definitions), {"type": "null"}]}
    if hint.__name__ not in definitions:
        definitions[hint.__name__] = {}  # the place in the order, and an end to recursion
        definitions[hint.__name__].update(_record(hint, definitions))
    return {"$ref": f"#/$defs/{hint.__name__}"}


def _record(record: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(record)
    fields = [field.name for field in dataclasses.fields(record)]
    return {
        "description": " ".join((record.__doc__ or "").split()),
        "type": "object",
        "properties": {name: _of(hints[name], definitions) for name in fields},
        "required": fields,
        "additionalProperties": False,
    }
