"""Which sums to compute, as sets of inputs, what that costs, and the list it stands for."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from signbin.locks import kept_property
from signbin.sums.sub_blocks import SubBlockSums
from signbin.sums.sum_list import TEMPORARY

__all__ = ["Choice", "Roots", "choice_sums", "shared_sums"]


@dataclasses.dataclass(frozen=True)
class Roots:
    """The sums a sub-block wants, as bit sets of inputs.

    masks: the distinct ones of at least two inputs, ascending. terms: for every filter its (mask,
    minus) pairs: what it adds and what it subtracts, single inputs included.
    """

    masks: tuple[int, ...]
    terms: tuple[tuple[tuple[int, bool], ...], ...]

    @classmethod
    def of(cls, digits: NDArray[np.int8]) -> Roots:
        """The sums over the inputs of +1 and over those of -1 of every filter."""
        terms = []
        for row in digits:
            pair = [(_mask(row > 0), False), (_mask(row < 0), True)]
            terms.append(tuple(term for term in pair if term[0]))
        masks = {mask for pair in terms for mask, _ in pair if mask.bit_count() > 1}
        return cls(tuple(sorted(masks)), tuple(terms))


@dataclasses.dataclass(frozen=True)
class Choice:
    """What is computed: the wanted sums, and the shared ones they are put together from.

    Every sum is covered greedily, the largest first, by smaller disjoint sums and single inputs.
    from_total: wanted sums that are made the other way round, as the sum of all inputs less
    those they lack; no other sum is made of these.
    """

    wanted: tuple[int, ...]
    shared: frozenset[int]
    from_total: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "shared", self.shared - set(self.wanted))

    def turned(self, mask: int) -> Choice:
        """The same with one wanted sum made the other way round; never that of all inputs."""
        if mask == self.total:
            return self
        return dataclasses.replace(self, from_total=self.from_total ^ {mask})

    @kept_property
    def total(self) -> int:
        """All inputs any wanted sum has."""
        return functools.reduce(int.__or__, self.wanted, 0)

    @kept_property
    def pool(self) -> tuple[int, ...]:
        """Sums that others may use, the largest first."""
        found = self.shared | (set(self.wanted) - self.from_total)
        return tuple(sorted(found, key=lambda mask: (-mask.bit_count(), mask)))

    def pieces(self, mask: int, *, whole: bool = False) -> list[int]:
        """Disjoint sums of the pool and single inputs that make up ``mask``.

        Not ``mask`` itself, unless ``whole``.
        """
        found, itself = [], 0 if whole else mask
        for piece in self.pool:
            if piece & mask == piece and piece != itself:
                found.append(piece)
                mask ^= piece
        while mask:
            single = mask & -mask
            found.append(single)
            mask ^= single
        return found

    def cost(self) -> int:
        """Additions for all wanted sums."""
        cost = sum(len(self.pieces(mask)) - 1 for mask in self.pool)
        if self.from_total and self.total not in self.pool:
            cost += len(self.pieces(self.total)) - 1
        rest = (self.total & ~mask for mask in self.from_total)
        return cost + sum(len(self.pieces(mask, whole=True)) for mask in rest)


def shared_sums(made: SubBlockSums, inputs: int) -> frozenset[int]:
    """The temporaries of sums without subtractions, as sets of inputs."""
    masks = [1 << index for index in range(inputs)]
    for begin, end in itertools.pairwise(made.starts.tolist()):
        operands = made.operands[begin:end].tolist()
        masks.append(functools.reduce(int.__or__, (masks[one >> 1] for one in operands), 0))
    roles = zip(masks[inputs:], made.roles.tolist(), strict=True)
    return frozenset(mask for mask, role in roles if role == TEMPORARY)


def choice_sums(choice: Choice, roots: Roots, inputs: int) -> SubBlockSums:
    """The sums a choice stands for, in order."""
    made = {1 << index: 2 * index for index in range(inputs)}
    arities: list[int] = []
    operands: list[int] = []

    def add(mask: int, terms: Sequence[int]) -> None:
        made[mask] = 2 * (inputs + len(arities))
        arities.append(len(terms))
        operands.extend(terms)

    for mask in reversed(choice.pool):
        add(mask, [made[piece] for piece in choice.pieces(mask)])
    if choice.from_total and choice.total not in made:
        add(choice.total, [made[piece] for piece in choice.pieces(choice.total)])
    for mask in sorted(choice.from_total):
        rest = choice.pieces(choice.total & ~mask, whole=True)
        add(mask, [made[choice.total], *(made[piece] + 1 for piece in rest)])
    temporaries = len(arities)
    for pair in roots.terms:
        arities.append(len(pair))
        operands.extend(made[mask] + minus for mask, minus in pair)
    roles = [TEMPORARY] * temporaries + list(range(len(roots.terms)))
    return SubBlockSums(
        np.concatenate([[0], np.cumsum(arities)]).astype(np.int32),
        np.array(operands, np.int32),
        np.array(roles, np.int32),
    )


def _mask(used: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(used, bitorder="little").tobytes(), "little")
