"""Frozen dataclasses <-> plain documents (JSON, YAML): the one strict reader and the one writer.

An unknown key, a missing value or a value of another type is an error that names the key's full
path and what is allowed there.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

from signbin.errors import SignbinError, SpecError, nearest

__all__ = ["ReadingRules", "from_document", "to_document"]

_RecordT = TypeVar("_RecordT")
_WORDS: Final = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}
_MAPPING: Final = "a mapping of keys to values"
_NOTHING: Final = object()


@dataclasses.dataclass(frozen=True)
class ReadingRules:
    """How a document is read.

    error: what is raised where it is refused. source: where it comes from, as a file's name, said
    before the path of a key. remedy: said after it. takes_unknown: whether keys that the record
    does not know are left out, as those of a newer version are, in place of refused.
    """

    error: type[SignbinError] = SpecError
    source: str = ""
    remedy: str = ""
    takes_unknown: bool = False

    def refusal(
        self, path: str, *, value: object = _NOTHING, allowed: str, remedy: str = ""
    ) -> SignbinError:
        """The error that names a place; the caller raises it."""
        what = ": ".join(part for part in (self.source, path) if part) or "document"
        remedy = remedy or self.remedy
        if value is _NOTHING:
            return self.error(what, allowed=allowed, remedy=remedy)
        return self.error(what, value=value, allowed=allowed, remedy=remedy)


_STRICT: Final = ReadingRules()


@runtime_checkable
class _ReadsItself(Protocol):
    """A record that knows its own document, as one of several classes told apart by a key."""

    def to_json(self) -> dict[str, Any]: ...

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Any: ...


def from_document(
    record: type[_RecordT], document: object, path: str = "", rules: ReadingRules = _STRICT
) -> _RecordT:
    """Build the dataclass ``record`` from a mapping; keys left out take the field's default.

    Fields may be bool, int, float (an int will do), str, enums (by value), nested dataclasses,
    tuples of one type (from lists), mappings from str to one type, optional ones of these (None),
    and classes that bring ``from_json`` and ``to_json``. path names the document in messages.
    SpecError, or the error of ``rules``, for anything else.
    """
    if not isinstance(document, Mapping):
        raise rules.refusal(path, value=document, allowed=_MAPPING)
    hints = typing.get_type_hints(record)
    fields = {field.name: field for field in dataclasses.fields(record)}  # type: ignore[arg-type]  # TypeVar of a dataclass cannot be said
    for key in document:
        if key not in fields and not rules.takes_unknown:
            where, allowed = f"key of {path}" if path else "key", ", ".join(fields) or "none"
            raise rules.refusal(where, value=key, allowed=allowed, remedy=nearest(key, fields))
    values = {
        name: _value(hints[name], document[name], _join(path, name), rules)
        for name in fields
        if name in document
    }
    for name, field in fields.items():
        if name not in values and field.default is field.default_factory is dataclasses.MISSING:
            raise rules.refusal(_join(path, name), allowed="this key is required")
    return record(**values)


def to_document(record: object) -> dict[str, Any]:
    """The mapping :func:`from_document` reads back to an equal dataclass.

    JSON has no NaN and no infinity: such numbers become null.
    """
    fields = dataclasses.fields(record)  # type: ignore[arg-type]  # any dataclass instance
    return {field.name: _plain(getattr(record, field.name)) for field in fields}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _value(hint: Any, value: object, path: str, rules: ReadingRules) -> object:
    if typing.get_origin(hint) is not None:
        return _composed(hint, value, path, rules)
    if issubclass(hint, _ReadsItself):
        return _read_by_itself(hint, value, path, rules)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return from_document(hint, value, path, rules)
    if issubclass(hint, enum.Enum):
        return _member(hint, value, path, rules)
    return _scalar(hint, value, path, rules)


def _composed(hint: Any, value: object, path: str, rules: ReadingRules) -> object:
    """An optional value, a list or a mapping."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise rules.refusal(path, value=value, allowed="a list")
        items = enumerate(value)
        return tuple(_value(arguments[0], item, f"{path}[{n}]", rules) for n, item in items)
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise rules.refusal(path, value=value, allowed=_MAPPING)
        named = {str(key): item for key, item in value.items()}
        return {
            key: _value(arguments[1], item, _join(path, key), rules) for key, item in named.items()
        }
    inner = [option for option in arguments if option is not types.NoneType]
    return None if value is None else _value(inner[0], value, path, rules)


def _read_by_itself(
    hint: type[_ReadsItself], value: object, path: str, rules: ReadingRules
) -> object:
    if not isinstance(value, Mapping):
        raise rules.refusal(path, value=value, allowed=_MAPPING)
    try:
        return hint.from_json(value)
    except SpecError as error:
        raise rules.error(f"{path}: {error}") from error


def _member(choices: type[enum.Enum], value: object, path: str, rules: ReadingRules) -> enum.Enum:
    try:
        return choices(value)
    except ValueError as error:
        names = [str(choice.value) for choice in choices]
        remedy = nearest(value, names)
        raise rules.refusal(path, value=value, allowed=", ".join(names), remedy=remedy) from error


def _scalar(hint: type, value: object, path: str, rules: ReadingRules) -> object:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not hint:
        raise rules.refusal(path, value=value, allowed=_WORDS.get(hint, hint.__name__))
    if isinstance(value, float) and not math.isfinite(value):
        raise rules.refusal(path, value=value, allowed="a finite number")
    return value


def _plain(value: object) -> object:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, _ReadsItself):
        return value.to_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_document(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
