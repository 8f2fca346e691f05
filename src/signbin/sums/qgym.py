"""Equality saturation over the sums of a sub-block, and the cheapest list found in it.

A sum of inputs is a class of equal expressions, named by its set of inputs: order and brackets do
not matter, so commuting and associating need no rules. The one rewrite shares what two sums have
in common: with C = A n B of at least two inputs, sum(A) = sum(C) + sum(A \\ C), and the new sums
meet others in turn. Extraction chooses which sums to compute, each once: an exact cost on the
whole e-graph (DAG cost), lowered by local search from SumMerge's choice, so never above it.

Source: Fu et al., Q-gym (PACT 2022); the e-graph is egglog's (Zhang et al., PLDI 2023).
"""

from __future__ import annotations

import dataclasses
import math
import random
import re
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError
from signbin.sums.budget import UNLIMITED, Budget
from signbin.sums.cover import Choice, Roots, choice_sums, shared_sums
from signbin.sums.descent import descend
from signbin.sums.inline import inlined
from signbin.sums.merge import PairMerging
from signbin.sums.sub_blocks import SubBlockSums, assemble, cut
from signbin.sums.sum_list import SumList

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Saturated", "Saturation"]

_MOST_INPUTS: Final = 62  # bits of a positive 64-bit number, less one to be safe from its sign
_PROGRAM: Final = """
(datatype Sum (Of i64) (Plus Sum Sum))
(ruleset share)
(rule ((= s (Of a)) (= t (Of b)) (!= a b) (= c (& a b)) (!= (& c (- c 1)) 0) (!= c a))
      ((union s (Plus (Of c) (Of (^ a c))))) :ruleset share)
"""
_SUM: Final = re.compile(r"\(Of (\d+)\) ->")


@dataclasses.dataclass(frozen=True, eq=False)
class Saturated:
    """A list of shared sums, and how many of its sub-blocks the search finished within its time."""

    sum_list: SumList
    finished: int
    sub_blocks: int


@dataclasses.dataclass(frozen=True)
class Saturation:
    """Sub-blocks of ``filters`` x ``inputs`` (at most 62 inputs).

    rounds: of rewriting; a round begins only while there are at most ``sums`` sums. steps: of the
    local search per sub-block, drawn from ``seed``. seconds: for a whole layer; sub-blocks that
    are not begun by then keep SumMerge's sums, as does one for which nothing better is found.
    """

    filters: int = 8
    inputs: int = 32
    rounds: int = 2
    sums: int = 1000
    steps: int = 6000
    seconds: float = math.inf
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.inputs, bool) or not 1 <= self.inputs <= _MOST_INPUTS:
            raise SpecError("inputs of a sub-block", value=self.inputs, allowed="1..62")
        for name in ("rounds", "sums", "steps"):
            if isinstance(getattr(self, name), bool) or getattr(self, name) < 0:
                raise SpecError(name, value=getattr(self, name), allowed="at least 0")

    def build(self, digits: NDArray[np.int8], budget: Budget = UNLIMITED) -> SumList:
        """The list of a layer's digits (K, M)."""
        return self.search(digits, budget).sum_list

    def search(self, digits: NDArray[np.int8], budget: Budget = UNLIMITED) -> Saturated:
        """The list, and how much of it the search got to; SpecError where egglog is missing."""
        make_egraph = _egraphs()
        end = time.monotonic() + self.seconds
        shape = (len(digits), digits.shape[1])
        parts, finished = [], 0
        for number, sub_block in enumerate(cut(shape, self.filters, self.inputs, budget)):
            found = sub_block.of(digits)
            part = PairMerging(self.filters, self.inputs).of_sub_block(found)
            if time.monotonic() < end:
                finished += 1
                part = self._improved(found, part, make_egraph, self.seed + number)
            parts.append((sub_block, part))
        return Saturated(inlined(assemble(shape, parts)), finished, len(parts))

    def _improved(
        self,
        digits: NDArray[np.int8],
        merged: SubBlockSums,
        make_egraph: Callable[[], Any],
        seed: int,
    ) -> SubBlockSums:
        roots = Roots.of(digits)
        if not roots.masks:
            return merged
        shareable = self._saturate(roots.masks, make_egraph())
        start = min(self._starts(digits, merged, roots), key=Choice.cost)
        found = descend(start, shareable, self.steps, random.Random(seed))
        part = choice_sums(found, roots, digits.shape[1])
        shape = (len(digits), digits.shape[1])
        sub_block = next(iter(cut(shape, *shape)))
        ours, theirs = (assemble(shape, [(sub_block, one)]).additions for one in (part, merged))
        return part if ours < theirs else merged

    def _starts(self, digits: NDArray[np.int8], merged: SubBlockSums, roots: Roots) -> list[Choice]:
        """What SumMerge shares; and what it shares between the sums over +1 and the total, with
        the sums over -1 made from those.
        """
        inputs = digits.shape[1]
        total = digits.any(axis=0, keepdims=True)
        positive = np.concatenate([digits > 0, total]).astype(np.int8)
        halves = PairMerging(len(positive), inputs).of_sub_block(positive)
        minus = {mask for pair in roots.terms for mask, negative in pair if negative}
        first = Choice(roots.masks, shared_sums(merged, inputs))
        turned = frozenset(minus & set(roots.masks) - {first.total})
        return [first, Choice(roots.masks, shared_sums(halves, inputs), turned)]

    def _saturate(self, masks: tuple[int, ...], egraph: Any) -> list[int]:
        """Sums of the saturated e-graph that at least two of the wanted ones contain, sorted."""

        def run(text: str) -> list[Any]:
            found: list[Any] = egraph.run_program(*egraph.parse_program(text))
            return found

        run(_PROGRAM + "".join(f"(Of {mask})" for mask in masks))
        for _ in range(self.rounds):
            if _sums_of(run) > self.sums:
                break
            run("(run share 1)")
        listed = str(run(f"(print-function Of {_sums_of(run)})")[0])
        sums = {int(number) for number in _SUM.findall(listed)}
        sums = {mask for mask in sums if mask.bit_count() > 1}
        return sorted(one for one in sums if sum(one & mask == one for mask in masks) > 1)


def _sums_of(run: Callable[[str], list[Any]]) -> int:
    return int(re.sub(r"\D", "", str(run("(print-size Of)")[0])))


def _egraphs() -> Callable[[], Any]:
    try:
        from egglog.bindings import EGraph  # noqa: PLC0415 - an extra of its own
    except ImportError as error:
        raise SpecError(
            "equality saturation needs egglog, which is not installed",
            remedy="run: pip install 'signbin[qgym]'",
        ) from error
    make_egraph: Callable[[], Any] = EGraph
    return make_egraph
