"""Where the nodes of a graph lie when it is drawn in layers, from top to bottom.

The steps of Sugiyama, Tagawa and Toda (1981): a node's layer is the longest way to it from an
input; an edge that passes layers goes through a place of its own in each of them, so that no line
crosses a node; places are ordered by the mean place of their neighbours, down and up in turns; then
they are moved towards their neighbours as far as those beside them allow.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["LayeredLayout", "Place", "layered_layout"]

_SWEEPS: Final = 6
_LANE: Final = 24.0
"""How wide the place is that a passing edge takes."""


@dataclasses.dataclass(frozen=True)
class Place:
    """The middle of a node: x in units of the drawing, layer counted from the top."""

    x: float
    layer: int


@dataclasses.dataclass(frozen=True)
class LayeredLayout:
    """Places by node; edges as (from, to, x in every layer between), width of all of it."""

    places: Mapping[str, Place]
    edges: tuple[tuple[str, str, tuple[float, ...]], ...]
    width: float
    layers: int


def layered_layout(
    inputs: Mapping[str, Sequence[str]], width: float, gap: float = 24.0
) -> LayeredLayout:
    """The layout of nodes of one width, ``gap`` apart; inputs: by node, in execution order.

    >>> made = layered_layout({"x": (), "a": ("x",), "b": ("x",), "sum": ("a", "b")}, 100)
    >>> [(name, place.layer) for name, place in made.places.items()]
    [('x', 0), ('a', 1), ('b', 1), ('sum', 2)]
    """
    depth: dict[str, int] = {}
    for name, read in inputs.items():
        depth[name] = 1 + max((depth[one] for one in read), default=-1)
    drawn = _Drawn(depth, width, gap)
    edges = [(one, name) for name, read in inputs.items() for one in dict.fromkeys(read)]
    ways = {edge: drawn.add_edge(*edge) for edge in edges}
    drawn.order()
    x = drawn.positions()
    left = min((x[one] - drawn.extent(one) / 2 for one in x), default=0.0)
    right = max((x[one] + drawn.extent(one) / 2 for one in x), default=0.0)
    return LayeredLayout(
        places={name: Place(x[name] - left, depth[name]) for name in inputs},
        edges=tuple(
            (one, other, tuple(x[place] - left for place in ways[one, other]))
            for one, other in edges
        ),
        width=right - left,
        layers=1 + max(depth.values(), default=-1),
    )


class _Drawn:
    """Layers of places: nodes by name, and those that edges pass through."""

    def __init__(self, depth: Mapping[str, int], width: float, gap: float) -> None:
        self._width, self._gap = width, gap
        self._layers: dict[int, list[str]] = defaultdict(list)
        self._above: dict[str, list[str]] = defaultdict(list)
        self._below: dict[str, list[str]] = defaultdict(list)
        self._depth = dict(depth)
        self._passing: set[str] = set()
        for name, layer in depth.items():
            self._layers[layer].append(name)

    def extent(self, place: str) -> float:
        """How wide a place is."""
        return _LANE if place in self._passing else self._width

    def add_edge(self, one: str, other: str) -> tuple[str, ...]:
        """The places that the edge passes."""
        passed = []
        for layer in range(self._depth[one] + 1, self._depth[other]):
            place = f"{one} > {other} {layer}"  # no node has a space in its name
            self._passing.add(place)
            self._layers[layer].append(place)
            passed.append(place)
        for above, below in zip((one, *passed), (*passed, other), strict=True):
            self._below[above].append(below)
            self._above[below].append(above)
        return tuple(passed)

    def order(self) -> None:
        """Fewer crossings: every layer by the mean place of its neighbours, down and up."""
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            layers = sorted(self._layers, reverse=not down)
            for fixed, moved in itertools.pairwise(layers):
                means = self._means(self._above if down else self._below, fixed, moved)
                self._layers[moved].sort(key=means.__getitem__)

    def _means(self, near: Mapping[str, list[str]], fixed: int, moved: int) -> dict[str, float]:
        """For every place of a layer the mean place of its neighbours; its own without any."""
        index = {place: at for at, place in enumerate(self._layers[fixed])}
        return {
            place: statistics.fmean([index[one] for one in near[place] if one in index] or [at])
            for at, place in enumerate(self._layers[moved])
        }

    def positions(self) -> dict[str, float]:
        """x of every place: as near to its neighbours' as the order and the widths allow."""
        x: dict[str, float] = {}
        for places in self._layers.values():
            x |= self._apart(places, dict.fromkeys(places, 0.0))
        for sweep in range(2 * _SWEEPS):
            for layer in sorted(self._layers, reverse=sweep % 2 == 1):
                places = self._layers[layer]
                x |= self._apart(places, {place: self._wanted(place, x) for place in places})
        return x

    def _wanted(self, place: str, x: Mapping[str, float]) -> float:
        near = [*self._above[place], *self._below[place]]
        return statistics.fmean(x[one] for one in near) if near else x[place]

    def _apart(self, places: Sequence[str], wanted: Mapping[str, float]) -> dict[str, float]:
        """The wanted places, pushed apart: the mean of pushing to the right and to the left."""
        steps = [
            (self.extent(one) + self.extent(other)) / 2 + self._gap
            for one, other in itertools.pairwise(places)
        ]
        right = [wanted[place] for place in places]
        left = list(right)
        for at, step in enumerate(steps):
            right[at + 1] = max(right[at + 1], right[at] + step)
        for at, step in reversed(list(enumerate(steps))):
            left[at] = min(left[at], left[at + 1] - step)
        return {
            place: (one + other) / 2 for place, one, other in zip(places, left, right, strict=True)
        }
