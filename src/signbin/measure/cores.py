"""Which cores the sides of a benchmark run on: the same ones, by turns."""

from __future__ import annotations

import os

from signbin.errors import ExecutionError, SpecError

__all__ = ["choose_cores"]


def choose_cores(threads: int) -> tuple[int, ...]:
    """The last ``threads`` cores this process may use: core 0 serves most interrupts.

    SpecError for no thread, ExecutionError for more threads than cores.
    """
    if threads < 1:
        raise SpecError("threads", value=threads, allowed="1 or more")
    allowed = sorted(os.sched_getaffinity(0))
    if threads > len(allowed):
        raise ExecutionError(
            "threads",
            value=threads,
            allowed=f"1..{len(allowed)}, the cores this process may use",
            remedy="more threads than cores measure the scheduler",
        )
    return tuple(allowed[-threads:])
