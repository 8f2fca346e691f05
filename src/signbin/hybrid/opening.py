"""Any .sbn file, by what is in it."""

from __future__ import annotations

import os
from pathlib import Path

from signbin.hybrid.container import holds_parts
from signbin.hybrid.program import HybridProgram
from signbin.runtime import Program

__all__ = ["from_bytes", "load"]

_LONGEST_MAGIC = 8


def load(
    path: str | os.PathLike[str], *, isa: str = "auto", threads: int = 1, jit: bool | None = None
) -> Program | HybridProgram:
    """The program in a .sbn file: a :class:`signbin.Program`, or one in parts.

    isa, threads, jit: as for :class:`signbin.Program`. FormatError where the file is not a
    well-formed one; ExecutionError where it needs ONNX Runtime, which is not installed.
    """
    kind = HybridProgram if _holds_parts(Path(path)) else Program
    return kind.load(path, isa=isa, threads=threads, jit=jit)


def from_bytes(
    data: bytes, *, isa: str = "auto", threads: int = 1, jit: bool | None = None
) -> Program | HybridProgram:
    """:func:`load` for the content of a .sbn file that is in memory already."""
    kind = HybridProgram if holds_parts(data[:_LONGEST_MAGIC]) else Program
    return kind.from_bytes(data, isa=isa, threads=threads, jit=jit)


def _holds_parts(path: Path) -> bool:
    if not path.is_file():
        return False  # Program.load says what is wrong with it
    try:
        with path.open("rb") as file:
            return holds_parts(file.read(_LONGEST_MAGIC))
    except OSError:
        return False
