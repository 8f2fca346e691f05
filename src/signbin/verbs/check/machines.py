"""The machine that a check predicts for, and how fast it is known to be."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from signbin import files, native
from signbin.analysis.latency import Rates
from signbin.documents import ReadingRules, from_document
from signbin.errors import FormatError, SpecError
from signbin.plan import Strategy, Target
from signbin.plan.cores import CORES, MODELLED

__all__ = ["machine_of", "rates_for", "rates_of"]

_RATES: Final = Path(__file__).parent / "rates"
_LARGEST_FILE: Final = 2**20
_NUMBER_CYCLES: Final = 0.25
"""For every number read and every one written beside sums of weights: a guess for all cores."""


def machine_of(isa: str, target: str | None = None) -> Target:
    """This machine with an instruction set, or another by name.

    PlanError for a name that is none, SpecError for a target beside an isa.
    """
    if target is None:
        return Target.from_cpu(native.cpu(), native.resolve_isa(isa))
    if isa != "auto":
        raise SpecError("isa", value=isa, allowed=f"none beside a target, which says it: {target}")
    return Target.named(target)


def rates_for(machine: Target) -> Rates | None:
    """How fast a machine is: measured, or of another one with a known core modelled; else None."""
    if machine.host:
        cpu = native.cpu()
        return rates_of(str(cpu["name"]), machine.isa, str(cpu["isa"]))
    core = CORES.get(machine.core)
    if core is None:
        return None
    board = f"at {core.gigahertz:g} GHz, as in {core.board}"
    cycle = 1e-6 / core.gigahertz
    return Rates(machine.core, machine.isa, f"{MODELLED}, {board}", _kinds(cycle))


def rates_of(cpu: str, isa: str, widest: str = "") -> Rates | None:
    """How fast a CPU was measured to be with an instruction set; None where nobody measured.

    widest: its own one. Of processors of one name, one that was held to ``isa`` as it is held now
    goes before one that has nothing wider.
    """
    found = [each for each in _measured() if (each.cpu, each.isa) == (cpu, isa)]
    alike = [each for each in found if (each.widest or each.isa) == (widest or isa)]
    return next(iter(alike or found), None)


def _measured() -> list[Rates]:
    found = []
    for path in sorted(_RATES.glob("*.json")):
        rules = ReadingRules(FormatError, str(path), "install signbin again")
        document = json.loads(files.read_text(path, _LARGEST_FILE))
        found.append(from_document(Rates, document, rules=rules))
    return found


def _kinds(cycle: float) -> Mapping[str, tuple[float, ...]]:
    """Milliseconds per unit of latency.TERMS of every kind of step, where a cycle takes so many."""
    strategies = [strategy.value for strategy in Strategy]
    strategies += [f"generated {name}" for name in strategies]
    forms, number = ("conv2d", "linear", "depthwise"), _NUMBER_CYCLES * cycle
    kinds: dict[str, tuple[float, ...]] = {}
    for dtype in ("f32", "u8"):
        for strategy, form in itertools.product(strategies, forms):
            kinds[f"{strategy} {form} {dtype}"] = (cycle, 0.0, 0.0, 0.0, 2 * number, 0.0)
        kinds[f"direct {dtype}"] = (0.0, number, number, 0.0, 0.0, 0.0)
        kinds[f"window {dtype}"] = (0.0, 0.0, number, number, 0.0, 0.0)
    return MappingProxyType(kinds)
