"""How the outputs of a network are handed back: one array, or arrays in tuples, lists and dicts.

A form is built of the numbers of the outputs: ``2`` is the third one; ``(0, 1)``, ``[0, 1]`` and
``{"logits": 0, "features": (1, 2)}`` are what they look like. An output may stand in it twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

__all__ = [
    "Form",
    "collected",
    "default_form",
    "filled",
    "form_from_json",
    "form_to_json",
    "numbers_of",
]

Form: TypeAlias = "int | tuple[Form, ...] | list[Form] | dict[str, Form]"

_MOST_LEVELS: Final = 8
_MOST_LEAVES: Final = 4096
_LONGEST_KEY: Final = 255


def default_form(outputs: int) -> Form:
    """The array itself where there is one, else a tuple.

    >>> default_form(1), default_form(2)
    (0, (0, 1))
    """
    return 0 if outputs == 1 else tuple(range(outputs))


def filled(form: Form, arrays: Sequence[Any]) -> Any:
    """The form with arrays in place of their numbers.

    >>> filled({"logits": 1, "both": (0, 1)}, ["a", "b"])
    {'logits': 'b', 'both': ('a', 'b')}
    """
    if isinstance(form, dict):
        return {key: filled(each, arrays) for key, each in form.items()}
    if isinstance(form, (tuple, list)):
        return type(form)(filled(each, arrays) for each in form)
    return arrays[form]


def collected(form: Form, handed: Any) -> dict[int, Any]:
    """The arrays by number: what :func:`filled` was given.

    >>> collected({"logits": 1, "both": (0, 1)}, {"logits": "b", "both": ("a", "b")})
    {1: 'b', 0: 'a'}
    """
    if isinstance(form, int):
        return {form: handed}
    places = form.items() if isinstance(form, dict) else enumerate(form)
    found: dict[int, Any] = {}
    for place, each in places:
        found |= collected(each, handed[place])
    return found


def numbers_of(form: Form) -> list[int]:
    """All numbers in a form, as they come.

    >>> numbers_of({"logits": 1, "both": (0, 1)})
    [1, 0, 1]
    """
    if isinstance(form, int):
        return [form]
    members = form.values() if isinstance(form, dict) else form
    return [number for member in members for number in numbers_of(member)]


def form_to_json(form: Form) -> Any:
    """A form as JSON holds it, which knows no tuples.

    >>> form_to_json({"logits": 1, "both": (0, 1)})
    {'dict': {'logits': 1, 'both': {'tuple': [0, 1]}}}
    """
    if isinstance(form, dict):
        return {"dict": {key: form_to_json(each) for key, each in form.items()}}
    if isinstance(form, (tuple, list)):
        return {type(form).__name__: [form_to_json(each) for each in form]}
    return form


def form_from_json(document: Any, levels: int = _MOST_LEVELS) -> Form:
    """What :func:`form_to_json` wrote; ValueError for anything else.

    >>> form_from_json({"tuple": [0, {"list": [1]}]})
    (0, [1])
    """
    if type(document) is int and 0 <= document < _MOST_LEAVES:
        return document
    if not isinstance(document, dict) or len(document) != 1 or not levels:
        raise ValueError("a form is a number or one of tuple, list and dict, 8 levels at most")
    ((kind, members),) = document.items()
    if kind == "dict" and isinstance(members, dict):
        if any(not key or len(key) > _LONGEST_KEY or not key.isprintable() for key in members):
            raise ValueError("keys of a form are 1 to 255 printable characters")
        return {key: form_from_json(each, levels - 1) for key, each in members.items()}
    if kind in ("tuple", "list") and isinstance(members, list):
        read = [form_from_json(each, levels - 1) for each in members]
        return tuple(read) if kind == "tuple" else read
    raise ValueError("a form is a number or one of tuple, list and dict")
