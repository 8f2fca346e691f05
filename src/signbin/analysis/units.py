"""Units of energy. Figures of a table without a unit are ``relative`` and convert to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from signbin.errors import SpecError

__all__ = ["RELATIVE", "check_unit", "convert", "in_readable_units", "readable"]

RELATIVE: Final = "relative"
_JOULES: Final = {"fJ": 1e-15, "pJ": 1e-12, "nJ": 1e-9, "uJ": 1e-6, "mJ": 1e-3, "J": 1.0}


def check_unit(unit: object) -> str:
    """The unit; SpecError where we do not know it."""
    if not isinstance(unit, str) or (unit != RELATIVE and unit not in _JOULES):
        raise SpecError("unit of energy", value=unit, allowed=", ".join([*_JOULES, RELATIVE]))
    return unit


def convert(value: float, unit: str, to: str) -> float:
    """``value`` of ``unit`` in ``to``; SpecError between joules and relative figures.

    >>> convert(1500.0, "pJ", "nJ")
    1.5
    """
    if check_unit(unit) == check_unit(to):
        return value
    if RELATIVE in (unit, to):
        raise SpecError(
            "conversion of energy",
            value=(unit, to),
            allowed="between units of joules",
            remedy="relative figures only compare with figures of the same table",
        )
    return value * _JOULES[unit] / _JOULES[to]


def readable(value: float, unit: str) -> tuple[float, str]:
    """The same energy in the unit that leaves 1 to 999 before the decimal point.

    >>> readable(2.5e9, "pJ")
    (2.5, 'mJ')
    """
    if unit == RELATIVE or value == 0:
        return value, unit
    fits = [other for other in _JOULES if convert(value, unit, other) >= 1.0]
    best = fits[-1] if fits else "fJ"
    return convert(value, unit, best), best


def in_readable_units(document: Mapping[str, Any]) -> dict[str, Any]:
    """An estimate's JSON, or a sweep's, for people: all its energies in one readable unit.

    That of its largest energy; the documents under ``kinds`` and ``points`` share it.
    """
    parts = [document, *document.get("kinds", {}).values(), *document.get("points", [])]
    found = [(part["energy"], part["unit"]) for part in parts if "unit" in part]
    _, unit = readable(*max(found))
    return _converted(document, unit, unit)


def _converted(document: Mapping[str, Any], own: str, unit: str) -> dict[str, Any]:
    result = dict(document)
    own = document.get("unit", own)
    if "unit" in document:
        result["unit"] = unit
    if "energy" in document:
        result["energy"] = convert(document["energy"], own, unit)
    if "components" in document:
        parts = document["components"].items()
        result["components"] = {name: convert(energy, own, unit) for name, energy in parts}
    for key in ("layers", "points"):
        if key in document:
            result[key] = [_converted(part, own, unit) for part in document[key]]
    if "kinds" in document:
        kinds = document["kinds"].items()
        result["kinds"] = {name: _converted(kind, own, unit) for name, kind in kinds}
    return result
