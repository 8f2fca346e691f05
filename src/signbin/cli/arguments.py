"""From the words of a command line to values; SpecError names the option."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, TypeVar

from signbin.errors import SpecError, unknown

if TYPE_CHECKING:
    from pathlib import Path

    from signbin.hybrid import Fallback, HybridProgram
    from signbin.plan import Strategy, Target
    from signbin.runtime import Program
    from signbin.tune import Autotune
    from signbin.verbs.compile import CalibrationRequest

__all__ = [
    "compiled_seed",
    "parse_activations",
    "parse_autotune",
    "parse_choice",
    "parse_fallback",
    "parse_input_shapes",
    "parse_seeds",
    "parse_strategy",
    "parse_target",
]

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


def parse_input_shapes(texts: list[str] | None) -> dict[str, tuple[int, ...]]:
    """Extents by input, from "x=3,224,224"."""
    found = {}
    for text in texts or ():
        name, _, extents = text.rpartition("=")
        try:
            found[name] = tuple(int(extent) for extent in extents.split(","))
        except ValueError:
            name = ""
        if not name or any(extent < 1 for extent in found[name]):
            allowed = "INPUT=C,H,W: extents after the batch, as x=3,224,224"
            raise SpecError("--input-shape", value=text, allowed=allowed)
    return found


def parse_choice(choices: type[_Choice], option: str, value: str) -> _Choice:
    """The member of an enum that has this value."""
    try:
        return choices(value)
    except ValueError as error:
        raise unknown(option, value, (str(choice.value) for choice in choices)) from error


def parse_strategy(name: str | None) -> Strategy | None:
    """The strategy of that name; None where nothing was said."""
    from signbin.plan import Strategy

    choices = {strategy.value: strategy for strategy in Strategy}
    if name is not None and name not in choices:
        raise unknown("--strategy", name, choices)
    return choices[name] if name is not None else None


def parse_activations(
    name: str, data: Path | None, method: str | None, samples: int | None, float_layers: str | None
) -> CalibrationRequest | None:
    """What to calibrate, and how; None for float activations, which take no further option."""
    from signbin.verbs.compile import CalibrationRequest

    bits = {"float": None, "int8": 8, "int7": 7}
    if name not in bits:
        raise unknown("--activations", name, bits)
    given = {
        "--calibrate": data,
        "--calibration-method": method,
        "--calibration-samples": samples,
        "--float-layers": float_layers,
    }
    number = bits[name]
    if number is None:
        for option, value in given.items():
            if value is not None:
                allowed = "only with --activations int8 or int7"
                raise SpecError(option, value=str(value), allowed=allowed)
        return None
    layers = tuple(float_layers.split(",")) if float_layers else ()
    request = CalibrationRequest(number, data, float_layers=layers)
    if method is not None:
        request = dataclasses.replace(request, method=method)
    return request if samples is None else dataclasses.replace(request, most=samples)


def parse_fallback(name: str | None, free_sizes: bool) -> Fallback | None:
    """The fallback of that engine; None where nothing was said."""
    from signbin.hybrid import as_fallback

    if name is not None and free_sizes:
        allowed = "only without --fallback, whose parts are tried at one size"
        raise SpecError("--free-sizes", value=True, allowed=allowed)
    return None if name is None else as_fallback(name)


def parse_target(name: str | None, *, measured: bool, in_parts: bool) -> Target | None:
    """The machine of that name; None where nothing was said.

    measured, in_parts: whether the program is timed here, or has parts, which name no machine.
    """
    from signbin.plan import Target

    if name is None:
        return None
    for option, given in (("--autotune", measured), ("--fallback", in_parts)):
        if given:
            raise SpecError(option, value=True, allowed="only without --target: it is timed here")
    return Target.named(name)


def parse_autotune(wanted: bool, cache: Path | None, seconds: float | None) -> Autotune | None:
    """How to measure; None where nobody asked for it, which takes no further option."""
    from signbin.tune import Autotune

    if not wanted:
        for option, value in (("--autotune-cache", cache), ("--autotune-seconds", seconds)):
            if value is not None:
                raise SpecError(option, value=str(value), allowed="only with --autotune")
        return None
    how = Autotune() if cache is None else Autotune(cache)
    return how if seconds is None else dataclasses.replace(how, seconds=seconds)


def compiled_seed(program: Program | HybridProgram) -> int | None:
    """The seed a program was compiled from; None where it does not say."""
    from signbin.runtime import Program

    kept = program.artifact if isinstance(program, Program) else program.network
    seed = kept.provenance.get("seed", "")
    return int(seed) if seed.isdecimal() else None
