"""Which filters sit together in a bucket walk: groups whose zeros coincide cost fewer additions.

A walk adds every input that any of its filters uses, so a group costs the union of its filters'
supports, and filters may be permuted freely: the sums are the same, only who shares a walk
changes. Each chunk of channels may have groups of its own. Finding the best groups is a balanced
clustering; this is clustering by least growth, then the best exchange of two filters, again and
again, until none helps.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import PlanError
from signbin.plan.layer import Layer
from signbin.plan.stats import group_sizes, walk_digits
from signbin.spec import LowBitWeight
from signbin.sums import common_counts, packed_rows

__all__ = ["GroupSearch", "Grouping", "group_filters", "order_of_chunks", "regroup"]

Order = tuple[int, ...]
_ROUNDS: Final = 16


@dataclasses.dataclass(frozen=True)
class GroupSearch:
    """How hard to look. restarts: random groups to start from, drawn from ``seed``, beside the
    given ones and clustered ones. rounds: of exchanges from each start. seconds: after so long no
    further round begins; with a limit that is reached, results depend on the machine.
    """

    restarts: int = 0
    rounds: int = _ROUNDS
    seed: int = 0
    seconds: float = math.inf

    def __post_init__(self) -> None:
        for name in ("restarts", "rounds", "seed"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise PlanError(f"group search {name}", value=value, allowed="at least 0")
        if not self.seconds >= 0:
            raise PlanError("group search seconds", value=self.seconds, allowed="at least 0")


@dataclasses.dataclass(frozen=True)
class Grouping:
    """The filters of every chunk in walking order, and what they cost.

    order: permutations of a convolution group's filters, each cut into walk groups as group_sizes
    says: one per chunk, group by group; or one per convolution group, for all its chunks.
    load_adds: inputs added, over all chunks; before: the same for filters in their own order.
    """

    order: tuple[Order, ...]
    load_adds: int
    before: int

    @property
    def gain(self) -> float:
        """Share of the load-adds that is saved, 0 or more."""
        return 1 - self.load_adds / self.before if self.before else 0.0


def regroup(
    layer: Layer,
    filters: int,
    chunk: int,
    search: GroupSearch | None = None,
    *,
    shared: bool = False,
) -> Grouping:
    """Groups for every chunk of ``chunk`` channels; never worse than filters in their own order.

    shared: one order for all chunks, as a linear layer always has. PlanError for weights that are
    not low-bit.
    """
    if not isinstance(layer.weight, LowBitWeight):
        raise PlanError(f"walk groups of {layer.name}", allowed="low-bit weights")
    used = walk_digits(layer.weight, layer.radix) != 0
    parts = used.reshape(layer.groups, layer.filters // layer.groups, layer.channels, -1)
    whole = shared or layer.op == "linear"
    step = layer.channels if whole else min(chunk, layer.channels)
    search = search or GroupSearch()
    end = time.monotonic() + search.seconds
    order, load_adds, before = [], 0, 0
    for part in parts:
        for start in range(0, layer.channels, step):
            support = part[:, start : start + step].reshape(len(part), -1)
            left = max(0.0, end - time.monotonic())
            found = group_filters(support, filters, dataclasses.replace(search, seconds=left))
            order.append(found)
            load_adds += _cost(support, found, filters)
            before += _cost(support, tuple(range(len(part))), filters)
    return Grouping(tuple(order), load_adds, before)


def order_of_chunks(
    order: Sequence[Sequence[int]], groups: int, chunks: int
) -> Sequence[Sequence[int]]:
    """A row per chunk of every convolution group, where ``order`` may have one per group.

    >>> order_of_chunks([(1, 0), (0, 1)], groups=2, chunks=2)
    [(1, 0), (1, 0), (0, 1), (0, 1)]
    """
    if len(order) != groups:
        return order
    return [row for row in order for _ in range(chunks)]


def group_filters(
    support: NDArray[np.bool_], filters: int, search: GroupSearch | None = None
) -> Order:
    """The filters (K, inputs) in an order whose consecutive groups have small unions.

    The union of a group is what its walk adds; groups are of ``filters`` or one less, as
    group_sizes says, and stand in their original order where that is as good.
    """
    search = search or GroupSearch()
    sizes = group_sizes(len(support), filters)
    end = time.monotonic() + search.seconds
    own = tuple(range(len(support)))
    best, least = own, _cost(support, own, filters)
    bits = packed_rows(support)
    for start in _starts(bits, sizes, search):
        found = _exchange(bits, start, sizes, search.rounds, end)
        cost = _cost(support, found, filters)
        if cost < least:
            best, least = found, cost
        if time.monotonic() >= end:
            break
    return best


def _cost(support: NDArray[np.bool_], order: Order, filters: int) -> int:
    """Inputs in the unions of all groups."""
    cost, first = 0, 0
    for size in group_sizes(len(order), filters):
        cost += int(np.count_nonzero(support[list(order[first : first + size])].any(axis=0)))
        first += size
    return cost


def _starts(
    bits: NDArray[np.uint64], sizes: Sequence[int], search: GroupSearch
) -> Sequence[NDArray[np.intp]]:
    """Groups to start from, as the group of every filter."""
    membership = np.repeat(np.arange(len(sizes)), sizes)
    draw = np.random.default_rng(search.seed)
    shuffled = [membership[draw.permutation(len(bits))] for _ in range(search.restarts)]
    return [membership, _clustered(bits, sizes), *shuffled]


def _clustered(bits: NDArray[np.uint64], sizes: Sequence[int]) -> NDArray[np.intp]:
    """Group after group: the smallest support left, then whoever grows the union least."""
    membership = np.full(len(bits), -1)
    left = np.argsort(common_counts(_all_ones(bits), bits)[0], kind="stable")
    for group, size in enumerate(sizes):
        union = bits[left[0]]
        chosen, left = [left[0]], left[1:]
        while len(chosen) < size:
            growth = common_counts(~union[None], bits[left])[0]
            nearest = int(np.argmin(growth))
            union = union | bits[left[nearest]]
            chosen.append(left[nearest])
            left = np.delete(left, nearest)
        membership[chosen] = group
    return membership


def _all_ones(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A row that has every bit in common."""
    return np.full((1, bits.shape[1]), np.iinfo(np.uint64).max, np.uint64)


def _exchange(
    bits: NDArray[np.uint64],
    membership: NDArray[np.intp],
    sizes: Sequence[int],
    rounds: int,
    end: float,
) -> Order:
    """Exchanges of two filters that lower the cost; in every round each group takes part once."""
    membership = membership.copy()
    change = np.zeros((len(bits), len(bits)), np.int32)
    stale = np.arange(len(sizes))
    for _ in range(rounds):
        if time.monotonic() >= end:
            break
        _update(bits, membership, stale, change)
        stale = _best_exchanges(change, membership)
        if not len(stale):
            break
    order = np.argsort(membership, kind="stable")
    return tuple(int(number) for number in order)


def _update(
    bits: NDArray[np.uint64],
    membership: NDArray[np.intp],
    stale: NDArray[np.intp],
    change: NDArray[np.int32],
) -> None:
    """change[a, b]: what the cost of a's group changes by if b takes the place of a.

    Only rows of filters in ``stale`` groups are computed again. Others' inputs are free to a
    newcomer; those that a alone used are freed.
    """
    members = [np.flatnonzero(membership == group) for group in stale]
    for size in {len(group) for group in members}:
        groups = np.array([group for group in members if len(group) == size])
        rows = groups.ravel()
        unused = ~_used_by_others(bits[groups]).reshape(len(rows), -1)
        grown = common_counts(unused, bits)
        change[rows] = grown - grown[np.arange(len(rows)), rows][:, None]


def _used_by_others(groups: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(groups, members, words): for each member the union of the others in its group."""
    union = np.zeros_like(groups)
    for member in range(groups.shape[1]):
        others = np.delete(groups, member, axis=1)
        union[:, member] = np.bitwise_or.reduce(others, axis=1)
    return union


def _best_exchanges(change: NDArray[np.int32], membership: NDArray[np.intp]) -> NDArray[np.intp]:
    """Carry out the best exchanges, at most one per group; the groups that took part."""
    total = change + change.T
    rows, columns = np.nonzero(np.triu(total < 0, 1))
    apart = membership[rows] != membership[columns]
    rows, columns = rows[apart], columns[apart]
    order = np.argsort(total[rows, columns], kind="stable")
    taken: set[int] = set()
    for place in order:
        one, other = rows[place], columns[place]
        groups = {int(membership[one]), int(membership[other])}
        if not groups & taken:
            taken |= groups
            membership[one], membership[other] = membership[other], membership[one]
    return np.array(sorted(taken), np.intp)
