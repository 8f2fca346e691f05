"""Plain documents (YAML, JSON) into frozen dataclasses and back, strictly.

An unknown key, a missing value or a value of another type is a SpecError that names the key's
full path and what is allowed there.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

from signbin.errors import SpecError

__all__ = ["from_document", "nearest", "to_document"]

_RecordT = TypeVar("_RecordT")


@runtime_checkable
class _ReadsItself(Protocol):
    """A configuration of another room, which knows its own JSON."""

    def to_json(self) -> dict[str, Any]: ...

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Any: ...


def from_document(record: type[_RecordT], document: object, path: str = "") -> _RecordT:
    """Build the dataclass ``record`` from a mapping; keys left out take the field's default.

    Fields may be bool, int, float (an int will do), str, enums (by value), nested dataclasses,
    tuples of one type (from lists), optional ones of these (None), and classes that bring
    ``from_json`` and ``to_json``. path names the document in messages. SpecError for anything
    else.
    """
    if not isinstance(document, Mapping):
        raise SpecError(path or "document", value=document, allowed="a mapping of keys to values")
    hints = typing.get_type_hints(record)
    fields = {field.name: field for field in dataclasses.fields(record)}  # type: ignore[arg-type]  # TypeVar of a dataclass cannot be said
    for key in document:
        if key not in fields:
            where = f"key of {path}" if path else "key"
            raise SpecError(
                where, value=key, allowed=", ".join(fields), remedy=nearest(key, fields)
            )
    values = {
        name: _value(hints[name], document[name], _join(path, name))
        for name in fields
        if name in document
    }
    for name, field in fields.items():
        if name not in values and field.default is field.default_factory is dataclasses.MISSING:
            raise SpecError(_join(path, name), allowed="this key is required")
    return record(**values)


def to_document(record: object) -> dict[str, Any]:
    """The mapping :func:`from_document` reads back to an equal dataclass."""
    fields = dataclasses.fields(record)  # type: ignore[arg-type]  # any dataclass instance
    return {field.name: _plain(getattr(record, field.name)) for field in fields}


def nearest(key: object, known: Mapping[str, object]) -> str:
    """What was probably meant: "did you mean KEY?", or nothing."""
    close = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else ""


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _value(hint: Any, value: object, path: str) -> object:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [option for option in typing.get_args(hint) if option is not types.NoneType]
        return None if value is None else _value(inner[0], value, path)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise SpecError(path, value=value, allowed="a list")
        element = typing.get_args(hint)[0]
        return tuple(_value(element, item, f"{path}[{n}]") for n, item in enumerate(value))
    if isinstance(hint, type) and issubclass(hint, _ReadsItself):
        return _read_by_itself(hint, value, path)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return from_document(hint, value, path)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _member(hint, value, path)
    return _scalar(hint, value, path)


def _read_by_itself(hint: type[_ReadsItself], value: object, path: str) -> object:
    if not isinstance(value, Mapping):
        raise SpecError(path, value=value, allowed="a mapping of keys to values")
    try:
        return hint.from_json(value)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from error


def _member(choices: type[enum.Enum], value: object, path: str) -> enum.Enum:
    try:
        return choices(value)
    except ValueError as error:
        allowed = ", ".join(str(choice.value) for choice in choices)
        raise SpecError(path, value=value, allowed=allowed) from error


def _scalar(hint: type, value: object, path: str) -> object:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not hint:
        raise SpecError(path, value=value, allowed=f"a value of type {hint.__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise SpecError(path, value=value, allowed="a finite number")
    return value


def _plain(value: object) -> object:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, _ReadsItself):
        return value.to_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_document(value)
    return value
