"""Which of our sources a row of the grid was measured with: rows of others are no longer true."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

__all__ = ["newest_of", "of_sources", "sources"]

Row = Mapping[str, Any]
_ROOT: Final = Path(__file__).parent.parent
# What decides which kernel runs a layer, and how: kernels and code generators, layouts, plans.
_FOLDERS: Final = ("native/include", "native/src", "src/signbin/layout", "src/signbin/plan")
_SUFFIXES: Final = {".c", ".h", ".in", ".def", ".py"}
_DIGITS: Final = 12


@cache
def sources(root: Path = _ROOT) -> str:
    """A hash of all kernels and of what chooses among them."""
    found = hashlib.sha256()
    for folder in _FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in _SUFFIXES and path.is_file():
                found.update(path.relative_to(root).as_posix().encode() + b"\0")
                found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:_DIGITS]


def of_sources(rows: Sequence[Row], which: str) -> list[Row]:
    """Rows that were measured with them; rows that do not say so were not."""
    return [row for row in rows if row.get("sources") == which]


def newest_of(rows: Sequence[Row]) -> list[Row]:
    """Rows measured with the same sources as the last one: what a page may tell of."""
    return of_sources(rows, rows[-1].get("sources", "")) if rows else []
