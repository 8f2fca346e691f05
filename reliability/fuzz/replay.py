"""Inputs of a target in Python, once more, without atheris: ``replay TARGET FILE-OR-FOLDER...``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

from reliability.fuzz.readers import PYTHON_TARGETS
from reliability.fuzz.run_python import checked

__all__ = ["replay"]


def replay(target: str, inputs: Iterable[bytes]) -> int:
    """Read each; how many there were. Whatever is not SignbinError is raised."""
    read, count = checked(PYTHON_TARGETS[target].read), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for content in inputs:
            read(content)
            count += 1
    return count


def _count_lines_of(name: str) -> None:
    """Under coverage.py, lines from here on are those of the input of this name."""
    coverage = sys.modules.get("coverage")
    current = coverage.Coverage.current() if coverage else None
    if current is not None:
        current.switch_context(name)


def _inputs(paths: Iterable[Path]) -> Iterable[bytes]:
    for path in paths:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        for file in files:
            _count_lines_of(file.name)
            yield file.read_bytes()


if __name__ == "__main__":
    replay(sys.argv[1], _inputs(map(Path, sys.argv[2:])))
