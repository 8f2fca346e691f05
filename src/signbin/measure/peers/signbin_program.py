"""Our own engine, in a process like every other one: times and memory compare like for like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from signbin.runtime import Program
from signbin.version import VERSION


def open_model(request: Mapping[str, Any]) -> tuple[Callable[[Any], Any], dict[str, Any]]:
    """The .sbn file as a program for ``threads`` threads, ``options["isa"]`` and ``["jit"]``."""
    options, threads = request["options"], request["threads"]
    program = Program.load(
        request["model"], isa=options["isa"], threads=threads, jit=options["jit"]
    )
    facts = {
        "version": VERSION,
        "isa": program.isa,
        "arena_bytes": program.arena_bytes,
        "code_bytes": program.code_bytes,
    }
    return program, facts
