"""Which candidates of a plan are worth a measurement, and what follows from their times."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Final

from signbin.plan import Candidate, LayerPlan

__all__ = ["CandidateTimes", "name_of", "settle", "shortlist"]

_OF_EACH_KIND: Final = 3

CandidateTimes = Mapping[str, float]
"""Milliseconds of one image, by :func:`name_of` the candidate."""


def name_of(candidate: Candidate) -> str:
    """Strategy and tile, as ``bucket chunk=64 filters=7 generated=1 vectors=2``."""
    tile = (f"{name}={value}" for name, value in sorted(candidate.parameters.items()))
    return " ".join((candidate.strategy.value, *tile))


def shortlist(layer: LayerPlan, *, forced: bool) -> tuple[Candidate, ...]:
    """The three candidates of every kind that are predicted to be fastest, the planner's first.

    A kind is a strategy with or without generated code. forced: only those of the plan's own
    strategy.
    """
    kinds: dict[tuple[str, bool], list[Candidate]] = {}
    for candidate in sorted(layer.candidates, key=lambda candidate: candidate.cost):
        serves = math.isfinite(candidate.cost)
        if serves and (candidate.strategy is layer.strategy or not forced):
            kind = candidate.strategy.value, "generated" in candidate.parameters
            kinds.setdefault(kind, []).append(candidate)
    best = [candidate for found in kinds.values() for candidate in found[:_OF_EACH_KIND]]
    distinct = {name_of(candidate): candidate for candidate in best}
    return tuple(sorted(distinct.values(), key=lambda candidate: not _is_chosen(candidate, layer)))


def settle(layer: LayerPlan, times: CandidateTimes) -> LayerPlan:
    """The layer with the candidate of least measured time; every measured time is recorded."""
    measured = [candidate for candidate in layer.candidates if name_of(candidate) in times]
    best = min(measured, key=lambda candidate: times[name_of(candidate)])
    least = times[name_of(best)]
    summary, runner_up = _summary(best), None
    for candidate in measured:
        other = times[name_of(candidate)]
        if name_of(candidate) != name_of(best) and (runner_up is None or other < runner_up[0]):
            runner_up = (other, name_of(candidate))
    why = f"{summary}; measured {least:.4f} ms"
    if runner_up is not None:
        why += f", {runner_up[1]} {runner_up[0]:.4f} ms"
    if not _is_chosen(best, layer):
        why += "; not the predicted best"
    return dataclasses.replace(
        layer,
        strategy=best.strategy,
        parameters=best.parameters,
        why=why,
        candidates=tuple(_told(one, best, times) for one in layer.candidates),
    )


def _told(candidate: Candidate, best: Candidate, times: CandidateTimes) -> Candidate:
    ms = times.get(name_of(candidate))
    if ms is None:
        return candidate
    if candidate is best:
        verdict = f"chosen: measured {ms:.4f} ms"
    else:
        ratio = ms / times[name_of(best)]
        verdict = f"rejected: measured {ms:.4f} ms, {ratio:.2f}x the choice"
    return dataclasses.replace(candidate, ms=ms, why=f"{verdict}; {_summary(candidate)}")


def _is_chosen(candidate: Candidate, layer: LayerPlan) -> bool:
    return (candidate.strategy, candidate.parameters) == (layer.strategy, layer.parameters)


def _summary(candidate: Candidate) -> str:
    """What the planner counted, without its verdict."""
    return candidate.why.removeprefix("chosen: ").rpartition("; ")[2]
