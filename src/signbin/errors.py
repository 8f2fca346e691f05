"""The exception tree. Everything signbin raises on purpose is a SignbinError.

    SignbinError
    ├── SpecError        a configuration, recipe or argument is not one we allow
    ├── CaptureError     a model cannot be turned into a graph (names the module and the remedy)
    ├── VerifyError      a graph breaks the rules of the IR
    ├── PlanError        no strategy, or a forced strategy, cannot serve a layer
    ├── FormatError      a file is not a well-formed .sbn, checkpoint, image or recipe
    └── ExecutionError   an input, or the machine, does not fit the compiled program

A message says what is wrong, the offending value, why (where another error is the reason), what is
allowed and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

__all__ = [
    "CaptureError",
    "ExecutionError",
    "FormatError",
    "PlanError",
    "SignbinError",
    "SpecError",
    "VerifyError",
    "nearest",
    "unknown",
]

_UNSET: Final = object()
_LONGEST_VALUE: Final = 200
_BRACKETS: Final[dict[type, tuple[str, str]]] = {list: ("[", "]"), tuple: ("(", ")")}


class SignbinError(Exception):
    """Base of the tree: ``SignbinError(what, value=..., reason=..., allowed=..., remedy=...)``.

    reason: the words of the error underneath, as those of the operating system or of a parser.

    >>> print(SpecError("density", value=1.5, allowed="0 < density <= 1", remedy="pass --density"))
    density: got 1.5; allowed: 0 < density <= 1; pass --density
    """

    def __init__(
        self,
        what: str,
        *,
        value: object = _UNSET,
        reason: str = "",
        allowed: str = "",
        remedy: str = "",
    ) -> None:
        self.what = what
        self.allowed = allowed
        self.remedy = remedy
        parts = []
        if value is not _UNSET:
            parts.append(f"got {_shortened(value)}")
        if reason:
            parts.append(" ".join(reason.split()))
        if allowed:
            parts.append(f"allowed: {allowed}")
        if remedy:
            parts.append(remedy)
        glue = "" if what.endswith("\n") else ": "  # a list above begins no sentence
        super().__init__(f"{what}{glue}{'; '.join(parts)}" if parts else what)


class SpecError(SignbinError, ValueError):
    """A configuration, recipe or argument outside what is allowed."""


class CaptureError(SignbinError):
    """A model that cannot be turned into a graph.

    findings: each layer that has no counterpart, where that is why.
    """

    findings: tuple[Any, ...] = ()


class VerifyError(SignbinError):
    """A graph that breaks the rules of the IR."""


class PlanError(SignbinError):
    """No strategy can serve a layer, or the forced one cannot."""


class FormatError(SignbinError):
    """A file that is not what its name says."""


class ExecutionError(SignbinError):
    """An input or a machine that does not fit the compiled program."""


def unknown(what: str, value: object, known: Iterable[str], remedy: str = "") -> SpecError:
    """The error of a name that nothing has: all that are known, and the one probably meant.

    >>> print(unknown("weights", "signed-binary", ["binary", "signed_binary"]))
    weights: got 'signed-binary'; allowed: binary, signed_binary; did you mean signed_binary?
    """
    names = list(known)
    told = " ".join(part for part in (nearest(value, names), remedy) if part)
    return SpecError(what, value=value, allowed=", ".join(names), remedy=told)


def nearest(value: object, known: Iterable[str]) -> str:
    """What was probably meant: "did you mean NAME?", or nothing.

    >>> nearest("epoch", ["epochs", "seeds"])
    'did you mean epochs?'
    """
    import difflib  # noqa: PLC0415 - only errors need it

    close = difflib.get_close_matches(str(value), list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else ""


def _shortened(value: object) -> str:
    """Its repr, cut; what is cut is not made first: values may be huge, or hold one many times."""
    text = ""
    for piece in _pieces(value):
        text += piece
        if len(text) > _LONGEST_VALUE:
            return text[: _LONGEST_VALUE - 3] + "..."
    return text


def _pieces(value: object) -> Iterator[str]:
    if type(value) in {str, bytes, bytearray}:
        yield repr(value[: _LONGEST_VALUE + 1])  # type: ignore[index]  # all three are sliced
    elif type(value) is int and value.bit_length() > _LONGEST_VALUE * 4:
        yield f"a whole number of {value.bit_length()} bits"
    elif type(value) is dict:
        yield "{"
        for number, (key, inner) in enumerate(value.items()):
            yield ", " if number else ""
            yield from _pieces(key)
            yield ": "
            yield from _pieces(inner)
        yield "}"
    elif type(value) in _BRACKETS:
        opening, closing = _BRACKETS[type(value)]
        yield opening
        for number, inner in enumerate(value):  # type: ignore[arg-type]  # a list or a tuple
            yield ", " if number else ""
            yield from _pieces(inner)
        yield "," if type(value) is tuple and len(value) == 1 else ""
        yield closing
    else:
        yield repr(value)
