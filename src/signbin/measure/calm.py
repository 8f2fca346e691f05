"""Whether the cores that a benchmark runs on are its own at the moment.

On a virtual machine the second thread of a core may belong to somebody else. While that is busy,
everything on the core takes up to twice as long, by no fault of what is measured. A probe that
always does the same, and is done before a turn whoever's turn it is, shows that without looking at
what is timed.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from signbin.errors import SpecError

__all__ = ["CalmCores"]

_PROBES: Final = 24
_ADDITIONS: Final = 100  # of a probe, on arrays in the first cache
_NUMBERS: Final = 2048
_SLACK: Final = 1.08  # of the fastest probe ever seen
_PAUSE_S: Final = 0.02


class CalmCores:
    """Waits until a probe runs on all of ``cores`` about as fast as it ever did.

    limit_s: seconds to wait in all; afterwards nothing is waited for. probe: seconds of each of
    some equal pieces of work on a core. calm, asked: how many of the waits found calm cores, and
    how many there were.

    SpecError for a limit below 0.
    """

    def __init__(
        self,
        cores: Sequence[int],
        limit_s: float,
        probe: Callable[[int], Sequence[float]] | None = None,
    ) -> None:
        if not limit_s >= 0:
            raise SpecError("seconds to wait for calm cores", value=limit_s, allowed=">= 0")
        self._cores, self._left_s = tuple(cores), limit_s
        self._probe = _probe if probe is None else probe
        self._fastest = dict.fromkeys(self._cores, float("inf"))
        self.calm = self.asked = 0

    def wait(self) -> bool:
        """Until all cores are calm or the limit is spent; whether they are."""
        self.asked += 1
        while self._left_s > 0:
            start = time.monotonic()
            found = [self._is_calm(core) for core in self._cores]
            if all(found):
                self.calm += 1
                return True
            time.sleep(_PAUSE_S)
            self._left_s -= time.monotonic() - start
        return False

    def _is_calm(self, core: int) -> bool:
        seconds = self._probe(core)
        self._fastest[core] = min(self._fastest[core], *seconds)
        return float(np.median(seconds)) <= _SLACK * self._fastest[core]


def _probe(core: int) -> list[float]:
    a, b = np.ones(_NUMBERS, np.float32), np.ones(_NUMBERS, np.float32)
    times = []
    with _running_on(core):
        for _ in range(_PROBES):
            start = time.perf_counter()
            for _ in range(_ADDITIONS):
                np.add(a, b, out=b)
            times.append(time.perf_counter() - start)
    return times


@contextlib.contextmanager
def _running_on(core: int) -> Iterator[None]:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
