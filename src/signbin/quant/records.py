"""Configurations of one kind among several: JSON objects whose "kind" says which class.

The base of every configuration of this room. Reading is strict: an unknown key, a wrong type or
a value outside its range is a SpecError that names the key and what is allowed.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self, TypeVar

from signbin.documents import from_document, to_document
from signbin.errors import SpecError, unknown

__all__ = [
    "SEED_MAX",
    "Record",
    "check_choice",
    "check_flag",
    "check_number",
    "check_whole",
    "read_listed",
    "registered",
]

SEED_MAX: Final = 2**63 - 1

_Listed = TypeVar("_Listed", bound="Record")
_Subclass = TypeVar("_Subclass", bound="Record")


@dataclasses.dataclass(frozen=True)
class Record:
    """A named configuration: ``kind`` says which class, the fields say the rest.

    ``from_json(to_json(x)) == x``. Keys that are absent take the field's default.
    """

    kind: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        """The JSON object {"kind": ..., field: value, ...}; enums are written by value."""
        return {"kind": self.kind, **to_document(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises SpecError for another kind, an unknown key or a value that is not allowed.
        """
        values = _checked_mapping(document, cls.kind)
        kind = values.pop("kind", cls.kind)
        if kind != cls.kind:
            raise SpecError("kind", value=kind, allowed=repr(cls.kind))
        return from_document(cls, values, cls.kind)


def read_listed(
    what: str, document: Mapping[str, Any], listed: Mapping[str, type[_Listed]]
) -> _Listed:
    """Read the JSON object of one of the listed classes, chosen by its "kind".

    Raises SpecError where the kind is absent or not listed.
    """
    kind = _checked_mapping(document, what).get("kind")
    if not isinstance(kind, str) or kind not in listed:
        raise unknown(f"kind of {what}", kind, listed)
    return listed[kind].from_json(document)


def registered(
    what: str, subclass: type[_Subclass], base: type[_Listed], listed: dict[str, type[_Listed]]
) -> type[_Subclass]:
    """``subclass``, which is now in ``listed`` under its kind; SpecError where it cannot be."""
    added: Any = subclass
    if not (isinstance(added, type) and issubclass(added, base)) or inspect.isabstract(added):
        raise SpecError(
            f"{what} to register",
            value=added,
            allowed=f"a subclass of {base.__name__} without abstract methods",
        )
    fields = dataclasses.fields(added)
    if "__dataclass_params__" not in vars(added) or any(_has_no_default(each) for each in fields):
        raise SpecError(
            f"{what} to register",
            value=added.__name__,
            allowed="a dataclass(frozen=True) whose fields all have defaults",
        )
    kind = vars(added).get("kind")
    if not isinstance(kind, str) or not kind.isidentifier():
        raise SpecError(f"kind of {added.__name__}", value=kind, allowed="a name of its own")
    before: type[Record] = listed.get(kind, added)
    if (before.__module__, before.__qualname__) != (added.__module__, added.__qualname__):
        raise SpecError(
            f"kind of {added.__name__}",
            value=kind,
            allowed=f"a name that is free; {kind} is {before.__name__}",
        )
    listed[kind] = added
    return subclass


def _has_no_default(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.init and field.default is missing and field.default_factory is missing


def check_number(
    what: str, value: object, *, low: float, high: float, includes_low: bool = False
) -> None:
    """SpecError unless value is a real number in (low, high], or [low, high]."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and low <= value <= high and (includes_low or value != low):  # type: ignore[operator]  # narrowed by `number`
        return
    sign = "<=" if includes_low else "<"
    raise SpecError(what, value=value, allowed=f"a number, {low:g} {sign} value <= {high:g}")


def check_whole(what: str, value: object, *, least: int, most: int = 2**63 - 1) -> None:
    """SpecError unless value is a whole number with least <= value <= most."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise SpecError(what, value=value, allowed=f"a whole number, {least} <= value <= {most}")


def check_flag(what: str, value: object) -> None:
    """SpecError unless value is True or False."""
    if not isinstance(value, bool):
        raise SpecError(what, value=value, allowed="True or False")


def check_choice(what: str, value: object, choices: tuple[enum.Enum, ...]) -> None:
    """SpecError unless value is one of the enum members."""
    if value not in choices:
        raise SpecError(what, value=value, allowed=", ".join(str(choice) for choice in choices))


def _checked_mapping(document: Mapping[str, Any], what: str) -> dict[str, Any]:
    if not isinstance(document, Mapping) or not all(isinstance(key, str) for key in document):
        raise SpecError(
            f"configuration of {what}", value=document, allowed="a mapping of keys to values"
        )
    return dict(document)
