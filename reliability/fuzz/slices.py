"""Runs of a fuzzer, a slice at a time, and what each says it did."""

from __future__ import annotations

import dataclasses
import os
import re
import resource
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from reliability.fuzz.target import MOST_MEMORY, MOST_SECONDS

__all__ = ["Slice", "run_slice"]

_INITED: Final = re.compile(r"^#(\d+)\s+INITED", re.MULTILINE)
_EXECUTED: Final = re.compile(r"^stat::number_of_executed_units:\s+(\d+)", re.MULTILINE)
_AT: Final = re.compile(r"^#(\d+)\s", re.MULTILINE)
_ARTIFACT: Final = re.compile(r"Test unit written to (\S+)")
_RESIDENT_MIB: Final = 4096


@dataclasses.dataclass(frozen=True)
class Slice:
    """executions: of new inputs; those that only read the corpus again are not among them.

    seconds: of processor time, so that a fuzzer that waits for others is not one that works.
    finding: the file of the input that ended it; words: the end of what it printed.
    """

    executions: int
    seconds: float
    finding: Path | None
    words: str


def run_slice(
    command: Sequence[str],
    corpus: Path,
    found: Path,
    *,
    seconds: int,
    largest: int,
    runs: int = -1,
) -> Slice:
    """Run a fuzzer on from its corpus, which it adds to, for about so long by the clock.

    runs: at most, -1 for any.
    """
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    options = {
        "max_total_time": seconds,
        "runs": runs,
        "max_len": largest,
        # By the clock, which goes on where others have the processor.
        "timeout": 60 * MOST_SECONDS,
        "report_slow_units": 60 * MOST_SECONDS,
        "rss_limit_mb": _RESIDENT_MIB,
        "malloc_limit_mb": MOST_MEMORY,
        "print_final_stats": 1,
        "entropic": 0,  # what it weighs costs more than it finds where inputs are this cheap
        "artifact_prefix": f"{found}/",
    }
    given = [f"-{name}={value}" for name, value in options.items()]
    before = _seconds_of_children()
    done = subprocess.run(
        [*command, *given, str(corpus)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env=os.environ | {"ASAN_OPTIONS": "allocator_may_return_null=1:detect_leaks=1"},
    )
    took = _seconds_of_children() - before
    artifact = _ARTIFACT.search(done.stderr)
    finding = Path(artifact[1]) if artifact else None
    if done.returncode and finding is None:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return Slice(_executions(done.stderr), took, finding, done.stderr[-6000:])


def _seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _executions(text: str) -> int:
    inited, executed = _INITED.search(text), _EXECUTED.search(text)
    last = [int(found) for found in _AT.findall(text)]
    total = int(executed[1]) if executed else max(last, default=0)
    return max(total - (int(inited[1]) if inited else 0), 0)
