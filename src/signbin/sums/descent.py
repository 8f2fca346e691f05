"""Local search over which sums to compute, with exact costs kept up to date."""

from __future__ import annotations

import bisect
import dataclasses
import random
from collections.abc import Sequence
from typing import Final

from signbin.sums.cover import Choice

__all__ = ["descend"]

_TURNS: Final = 0.1  # share of the steps that make a wanted sum the other way round


def descend(start: Choice, shareable: Sequence[int], steps: int, draw: random.Random) -> Choice:
    """A choice of at most the cost of ``start``: of every random change, those that do not cost.

    shareable: sums that may be added. Changes that cost nothing are made, too: they lead on.
    """
    walk = _Walk(start)
    for _ in range(steps):
        before = walk.cost
        done = _move(walk, shareable, draw)
        if walk.cost > before:
            for mask, turn in reversed(done):
                (walk.turn if turn else walk.toggle)(mask)
    return walk.choice()


def _move(walk: _Walk, shareable: Sequence[int], draw: random.Random) -> list[tuple[int, bool]]:
    """One sum more, one less, both, or a wanted sum the other way round; what was done."""
    kind = draw.random()
    if kind < _TURNS:
        mask = draw.choice(walk.start.wanted)
        walk.turn(mask)
        return [(mask, True)]
    done = []
    if kind < 0.7 and walk.order:
        done.append((draw.choice(walk.order), False))
    if kind > 0.4 and shareable:
        mask = draw.choice(shareable)
        if mask not in walk.shared and mask not in walk.start.wanted:
            done.append((mask, False))
    for mask, _ in done:
        walk.toggle(mask)
    return done


@dataclasses.dataclass
class _Sum:
    """Something computed: what its operands cover, which sum they must not be, and its cost."""

    target: int
    itself: int
    saved: int
    cost: int = 0


class _Walk:
    """A choice under change. Only sums that contain a changed one are counted again."""

    def __init__(self, start: Choice) -> None:
        self.start = start
        self.shared: set[int] = set()
        self.order: list[int] = []  # of the shared sums, for drawing
        self.cost = 0
        self._turned: set[int] = set()
        self._pool: list[tuple[int, int]] = []
        self._sums: dict[tuple[str, int], _Sum] = {}
        for mask in start.wanted:
            self._add_to_pool(mask)
        for mask in sorted(start.shared):
            self.toggle(mask)
        for mask in sorted(start.from_total):
            self.turn(mask)

    def choice(self) -> Choice:
        """As it is now."""
        return Choice(self.start.wanted, frozenset(self.shared), frozenset(self._turned))

    def toggle(self, mask: int) -> None:
        """Share a sum, or stop sharing it; never a wanted one."""
        if mask in self.shared:
            self.shared.remove(mask)
            del self.order[bisect.bisect_left(self.order, mask)]
            self._drop_from_pool(mask)
        else:
            self.shared.add(mask)
            bisect.insort(self.order, mask)
            self._add_to_pool(mask)

    def turn(self, mask: int) -> None:
        """Make a wanted sum the other way round, unless it is that of all inputs."""
        total = self.start.total
        if mask == total:
            return
        if mask in self._turned:
            self._turned.remove(mask)
            self._forget(("turned", mask))
            self._add_to_pool(mask)
        else:
            self._turned.add(mask)
            self._drop_from_pool(mask)
            self._compute(("turned", mask), _Sum(total & ~mask, 0, 0))
        needed = bool(self._turned) and ("pool", total) not in self._sums
        if needed and ("total", total) not in self._sums:
            self._compute(("total", total), _Sum(total, total, 1))
        elif not needed and ("total", total) in self._sums:
            self._forget(("total", total))

    def _add_to_pool(self, mask: int) -> None:
        bisect.insort(self._pool, (-mask.bit_count(), mask))
        self._compute(("pool", mask), _Sum(mask, mask, 1))
        self._recount(mask)

    def _drop_from_pool(self, mask: int) -> None:
        del self._pool[bisect.bisect_left(self._pool, (-mask.bit_count(), mask))]
        self._forget(("pool", mask))
        self._recount(mask)

    def _compute(self, key: tuple[str, int], one: _Sum) -> None:
        self._sums[key] = one
        one.cost = self._count(one)
        self.cost += one.cost

    def _forget(self, key: tuple[str, int]) -> None:
        self.cost -= self._sums.pop(key).cost

    def _recount(self, changed: int) -> None:
        for one in self._sums.values():
            if changed & one.target == changed and changed != one.itself:
                self.cost -= one.cost
                one.cost = self._count(one)
                self.cost += one.cost

    def _count(self, one: _Sum) -> int:
        left, pieces = one.target, 0
        for _, piece in self._pool:
            if piece & left == piece and piece != one.itself:
                left ^= piece
                pieces += 1
        return pieces + left.bit_count() - one.saved
