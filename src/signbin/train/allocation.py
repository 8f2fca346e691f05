"""Which density every layer gets: least loss of latent energy at a cost that is not exceeded."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError

__all__ = ["LayerChoice", "allocate", "allocate_uniform"]

_BISECTIONS: Final = 100


@dataclasses.dataclass(frozen=True, eq=False)
class LayerChoice:
    """The counts of non-zero codes per filter that a layer may take.

    counts: increasing; costs at each of them do not fall, losses do not rise. inputs: weights of a
    filter.
    """

    module: str
    inputs: int
    counts: NDArray[np.int64]
    costs: NDArray[np.float64]
    losses: NDArray[np.float64]


def allocate(layers: Sequence[LayerChoice], budget: float) -> tuple[int, ...]:
    """The count of every layer: min sum of losses, subject to sum of costs <= budget.

    For a multiplier m >= 0 every layer by itself takes argmin loss(n) + m * cost(n), of equals the
    cheapest; the total cost falls as m rises, and bisection finds the least m that meets the budget
    (Everett 1963, "Generalized Lagrange multiplier method"; bits are shared out so by Shoham and
    Gersho 1988). That is optimal among what lies on the lower convex hulls of the layers' curves;
    what it leaves of the budget is given away step by step, to the best ratio of loss saved to cost
    added.

    SpecError where even the smallest counts cost more than the budget.
    """
    least = float(sum(layer.costs[0] for layer in layers))
    if least > budget:
        raise SpecError("budget of all layers", value=budget, allowed=f">= {least}")
    places = [len(layer.counts) - 1 for layer in layers]
    if _total(layers, places) > budget:
        places = _relaxed(layers, budget)
        _fill(layers, places, budget)
    return tuple(int(one.counts[place]) for one, place in zip(layers, places, strict=True))


def allocate_uniform(layers: Sequence[LayerChoice], budget: float) -> tuple[int, ...]:
    """The counts of the largest density that all layers can have together within the budget.

    Each layer takes the allowed count nearest to density * inputs. SpecError as for
    :func:`allocate`.
    """
    least = float(sum(layer.costs[0] for layer in layers))
    if least > budget:
        raise SpecError("budget of all layers", value=budget, allowed=f">= {least}")
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _total(layers, _nearest(layers, middle)) <= budget:
            low = middle
        else:
            high = middle
    places = _nearest(layers, low)
    return tuple(int(one.counts[place]) for one, place in zip(layers, places, strict=True))


def _relaxed(layers: Sequence[LayerChoice], budget: float) -> list[int]:
    """The places at the least multiplier, to rounding, that meets the budget."""
    high = 1.0
    while _total(layers, _at_multiplier(layers, high)) > budget:
        high *= 2
        if not np.isfinite(high):
            return [0] * len(layers)
    low = 0.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _total(layers, _at_multiplier(layers, middle)) > budget:
            low = middle
        else:
            high = middle
    return _at_multiplier(layers, high)


def _at_multiplier(layers: Sequence[LayerChoice], multiplier: float) -> list[int]:
    # argmin takes the first of equals, which costs least.
    return [int(np.argmin(layer.losses + multiplier * layer.costs)) for layer in layers]


def _fill(layers: Sequence[LayerChoice], places: list[int], budget: float) -> None:
    """Raise places, the best ratio first, until no step fits."""
    while True:
        left = budget - _total(layers, places)
        best: tuple[float, int, int] | None = None
        for number, layer in enumerate(layers):
            step = _best_step(layer, places[number], left)
            if step is not None and (best is None or step[0] > best[0]):
                best = (step[0], number, step[1])
        if best is None:
            return
        places[best[1]] = best[2]


def _best_step(layer: LayerChoice, place: int, left: float) -> tuple[float, int] | None:
    """The ratio and the place of the best step up that costs no more than what is left."""
    added = layer.costs[place + 1 :] - layer.costs[place]
    saved = layer.losses[place] - layer.losses[place + 1 :]
    fits = (added <= left) & (saved > 0)
    if not fits.any():
        return None
    ratios = np.where(fits, saved / np.maximum(added, np.finfo(float).tiny), -1.0)
    chosen = int(np.argmax(ratios))
    return float(ratios[chosen]), place + 1 + chosen


def _nearest(layers: Sequence[LayerChoice], density: float) -> list[int]:
    return [int(np.argmin(np.abs(one.counts - density * one.inputs))) for one in layers]


def _total(layers: Sequence[LayerChoice], places: Sequence[int]) -> float:
    return float(sum(one.costs[place] for one, place in zip(layers, places, strict=True)))
