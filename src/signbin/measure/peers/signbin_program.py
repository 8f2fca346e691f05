"""Our own engine, in a process like every other one: times and memory compare like for like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from signbin import Program, __version__


def open_model(request: Mapping[str, Any]) -> tuple[Callable[[Any], Any], dict[str, Any]]:
    """The .sbn file as a program for ``threads`` threads and ``options["isa"]``."""
    isa, threads = request["options"]["isa"], request["threads"]
    program = Program.load(request["model"], isa=isa, threads=threads)
    facts = {
        "version": __version__,
        "isa": program.isa,
        "arena_bytes": program.arena_bytes,
    }
    return program, facts
