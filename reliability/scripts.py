"""A shell script of native/tests, run and timed; its words are counted by whoever runs it."""

from __future__ import annotations

import dataclasses
import resource
import shutil
import subprocess
import sys
from pathlib import Path

from reliability import ROOT

__all__ = ["Ran", "cmake", "run_script"]


@dataclasses.dataclass(frozen=True)
class Ran:
    """How a script ended, what it said, and the processor seconds of it and its children."""

    status: int
    said: str
    complained: str
    seconds: float


def cmake() -> str:
    """The one beside this Python, else any."""
    beside = Path(sys.executable).parent / "cmake"
    return str(beside) if beside.exists() else shutil.which("cmake") or "cmake"


def run_script(name: str, *arguments: str) -> Ran:
    """``native/tests/name.sh``; what it printed is printed here, too."""
    before = _children_seconds()
    done = subprocess.run(
        ["sh", str(ROOT / "native" / "tests" / f"{name}.sh"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return Ran(done.returncode, done.stdout, done.stderr, round(_children_seconds() - before, 1))


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
