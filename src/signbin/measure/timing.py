"""Paired timing: sides take turns in rounds, so that drift of the machine meets all of them.

A round is one turn of every side; every other round goes in the opposite order. A turn is some
calls in a row (one more before them is not timed: the other side has had the caches). The ratio
of two sides is taken inside each round and the median over the rounds is reported: a round in
which the machine was busy then spoils one of many ratios instead of one of the two medians.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import Final, Protocol

import numpy as np

from signbin.errors import SignbinError, SpecError
from signbin.measure.calm import CalmCores

__all__ = ["InProcess", "Ratio", "Schedule", "Side", "Times", "paired_ratio", "take_turns"]

_PAUSE_S: Final = 0.002
_MOST_CALLS: Final = 10_000
_SMALLEST_ROUNDS: Final = 3


class Side(Protocol):
    """Something that can be called and timed."""

    @property
    def name(self) -> str:
        """What the records call it."""

    def run(self, count: int) -> Sequence[float]:
        """Seconds of each of ``count`` calls in a row, after one that is not timed."""


@dataclasses.dataclass(frozen=True)
class InProcess:
    """A side that is a function of this process."""

    name: str
    call: Callable[[], object]

    def run(self, count: int) -> Sequence[float]:
        """As :meth:`Side.run`."""
        self.call()
        seconds = []
        for _ in range(count):
            start = time.perf_counter()
            self.call()
            seconds.append(time.perf_counter() - start)
        return seconds


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long to measure: rounds, and seconds of warm-up and of one turn of one side.

    A turn has at least one call, so slow networks take longer than ``turn_s``. calm_s: seconds to
    wait at most, over all turns, for cores that nobody else uses, see :class:`CalmCores`.
    """

    rounds: int = 10
    warm_up_s: float = 0.2
    turn_s: float = 0.1
    calm_s: float = 0.0

    def __post_init__(self) -> None:
        if self.rounds < _SMALLEST_ROUNDS:
            raise SpecError(
                "rounds",
                value=self.rounds,
                allowed=f"at least {_SMALLEST_ROUNDS}: the spread comes from them",
            )
        if not (self.warm_up_s >= 0 and self.turn_s > 0):
            raise SpecError(
                "warm-up and turn", value=(self.warm_up_s, self.turn_s), allowed="seconds"
            )
        if not self.calm_s >= 0:
            raise SpecError("seconds to wait for calm cores", value=self.calm_s, allowed=">= 0")


@dataclasses.dataclass(frozen=True)
class Times:
    """Milliseconds of every timed call of one side, one tuple per round."""

    rounds: tuple[tuple[float, ...], ...]

    @property
    def median_ms(self) -> float:
        """Median over all calls."""
        return float(np.median(self._all))

    @property
    def min_ms(self) -> float:
        """The fastest call."""
        return float(np.min(self._all))

    @property
    def p90_ms(self) -> float:
        """Nine of ten calls took at most this (linear interpolation)."""
        return float(np.quantile(self._all, 0.9))

    @property
    def mean_ms(self) -> float:
        """Mean over all calls."""
        return float(np.mean(self._all))

    @property
    def calls(self) -> int:
        """How many calls were timed."""
        return len(self._all)

    @property
    def _all(self) -> list[float]:
        return [time_ms for turn in self.rounds for time_ms in turn]

    def to_json(self) -> dict[str, float | int]:
        """``median_ms``, ``min_ms``, ``p90_ms``, ``mean_ms``, ``calls``."""
        names = ("median_ms", "min_ms", "p90_ms", "mean_ms", "calls")
        return {name: getattr(self, name) for name in names}


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Theirs / ours: median, smallest and largest over the rounds. Above 1: ours is faster."""

    median: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """``ratio``, ``ratio_low``, ``ratio_high``."""
        return {"ratio": self.median, "ratio_low": self.low, "ratio_high": self.high}


def take_turns(
    sides: Sequence[Side],
    schedule: Schedule,
    cores: CalmCores | None = None,
    failures: MutableMapping[str, SignbinError] | None = None,
) -> dict[str, Times]:
    """Time all sides by turns; by name, rounds in the same order for all of them.

    cores: waited for before every turn. failures: where given, a side that raises a SignbinError
    is left out from then on, and its error is put there by its name; else it ends the race.
    Raises SpecError for no side, or two of one name.
    """
    names = [side.name for side in sides]
    if not names or len(set(names)) != len(names):
        raise SpecError("sides to time", value=names, allowed="one or more, each name once")
    calls: dict[str, int] = {}
    turns: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    for side in sides:
        with _left_out(side, turns, failures):
            calls[side.name] = _warm_up(side, schedule)
    for index in range(schedule.rounds):
        for side in sides if index % 2 == 0 else reversed(sides):
            if side.name not in turns:
                continue
            time.sleep(_PAUSE_S)  # threads of the side before may still spin for work
            if cores is not None:
                cores.wait()
            with _left_out(side, turns, failures):
                seconds = side.run(calls[side.name])
                turns[side.name].append(tuple(1e3 * second for second in seconds))
    return {name: Times(tuple(rounds)) for name, rounds in turns.items()}


@contextlib.contextmanager
def _left_out(
    side: Side,
    turns: dict[str, list[tuple[float, ...]]],
    failures: MutableMapping[str, SignbinError] | None,
) -> Iterator[None]:
    """Takes a side that fails out of the race, where failures are wanted."""
    try:
        yield
    except SignbinError as error:
        if failures is None:
            raise
        failures[side.name] = error
        del turns[side.name]


def paired_ratio(theirs: Times, ours: Times) -> Ratio:
    """Median over rounds of (their median / our median) in the same round."""
    ratios = [
        float(np.median(their_turn) / np.median(our_turn))
        for their_turn, our_turn in zip(theirs.rounds, ours.rounds, strict=True)
    ]
    return Ratio(float(np.median(ratios)), min(ratios), max(ratios))


def _warm_up(side: Side, schedule: Schedule) -> int:
    """Run a side for a while; how many calls fill one turn of it."""
    fastest, spent = float("inf"), 0.0
    while True:
        seconds = side.run(1)
        fastest = min(fastest, *seconds)
        spent += 2 * sum(seconds)  # run() calls once more than it times
        if spent >= schedule.warm_up_s:
            return max(1, min(_MOST_CALLS, int(schedule.turn_s / max(fastest, 1e-9))))
