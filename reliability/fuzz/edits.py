"""A document of JSON, changed as bytes say: what a fuzzer that changes its text seldom reaches."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["edited"]

_BYTES: Final = 5  # of one change: where, how, with what
_MOST_CHANGES: Final = 24
_LONGEST_COPY: Final = 500
_NASTY: Final[tuple[Any, ...]] = (
    *(None, True, False, -1, 0, 1, 2, 255, 2**31, 2**63, 10**30, 0.5, 1e308),
    *("", "x", "\0", "s77", "0", [], {}, [[]], [None], {"": 0}, [0, 1, 2, 3]),
)


def edited(document: Any, data: bytes) -> Any:
    """A copy of a document, with a change for every five bytes, at most 24 of them.

    A value becomes one that nobody expects, a copy of a short one from elsewhere, or a text or
    number beside the one it was; or it is taken out.
    """
    changed = copy.deepcopy(document)
    for at in range(0, min(len(data), _BYTES * _MOST_CHANGES) - _BYTES + 1, _BYTES):
        places = list(_places(changed))
        if not places:
            break
        where, how, which = data[at : at + 2], data[at + 2], data[at + 3 : at + 5]
        inside, key = places[int.from_bytes(where, "little") % len(places)]
        number = int.from_bytes(which, "little")
        if how % 4 == 3:
            del inside[key]
        elif how % 4 == 0:
            inside[key] = copy.deepcopy(_NASTY[number % len(_NASTY)])
        elif how % 4 == 1:
            other, name = places[number % len(places)]
            if len(json.dumps(other[name])) <= _LONGEST_COPY:
                inside[key] = copy.deepcopy(other[name])
        else:
            inside[key] = _beside(inside[key], which)
    return changed


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every value inside, as what holds it and its key, from the outermost inwards."""
    waiting = [document]
    for each in waiting:
        if isinstance(each, dict | list):
            for key in each if isinstance(each, dict) else range(len(each)):
                yield each, key
                waiting.append(each[key])


def _beside(value: Any, which: bytes) -> Any:
    """A text with another letter, a number that differs a little, a list of one more."""
    at, by = which
    if isinstance(value, str):
        place = at % (len(value) + 1)
        return value[:place] + chr(by) + value[place + (at & 1) :]
    if isinstance(value, int | float):
        with contextlib.suppress(OverflowError):
            return value + (by - 128)
    return [*value, *value[:1]] if isinstance(value, list) else value
