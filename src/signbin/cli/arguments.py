"""From the words of a command line to values; SpecError names the option."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, TypeVar

from signbin.errors import SpecError

if TYPE_CHECKING:
    from signbin.plan import Strategy
    from signbin.runtime import Program

__all__ = ["compiled_seed", "parse_choice", "parse_seeds", "parse_strategy"]

_Choice = TypeVar("_Choice", bound=enum.Enum)


def parse_seeds(text: str | None) -> list[int] | None:
    """Seeds from "0,1,2"; None where nothing was said."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        allowed = "whole numbers with commas between them, as 0,1,2"
        raise SpecError("--seeds", value=text, allowed=allowed) from error


def parse_choice(choices: type[_Choice], option: str, value: str) -> _Choice:
    """The member of an enum that has this value."""
    try:
        return choices(value)
    except ValueError as error:
        allowed = ", ".join(str(choice.value) for choice in choices)
        raise SpecError(option, value=value, allowed=allowed) from error


def parse_strategy(name: str | None) -> Strategy | None:
    """The strategy of that name; None where nothing was said."""
    from signbin.plan import Strategy

    choices = {strategy.value: strategy for strategy in Strategy}
    if name is not None and name not in choices:
        raise SpecError("--strategy", value=name, allowed=", ".join(choices))
    return choices[name] if name is not None else None


def compiled_seed(program: Program) -> int | None:
    """The seed a program was compiled from; None where it does not say."""
    seed = program.artifact.provenance.get("seed", "")
    return int(seed) if seed.isdecimal() else None
