"""A program from a .sbn file, or from a source that is compiled on the way."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from signbin.errors import SpecError
from signbin.runtime import Program
from signbin.verbs.compile import Watcher, compile_source, silent
from signbin.verbs.recognition import COMPILABLE, READ, SourceKind, kind_of, refusal
from signbin.verbs.source import load_source

__all__ = ["compiled_file", "open_program"]


def open_program(
    source: Path,
    *,
    isa: str = "auto",
    threads: int = 1,
    jit: bool = True,
    watch: Watcher = silent,
) -> Program:
    """The program of a .sbn file, or of anything that can be compiled, with float activations.

    SpecError for what is neither, by what it is, and for a network in parts.
    """
    with compiled_file(source, isa=isa, watch=watch) as path:
        return Program.load(path, isa=isa, threads=threads, jit=jit)


@contextlib.contextmanager
def compiled_file(source: Path, *, isa: str = "auto", watch: Watcher = silent) -> Iterator[Path]:
    """The .sbn file itself, or one that is compiled from the source and lasts as long as this."""
    kind = kind_of(str(source))
    if kind not in (SourceKind.COMPILED, SourceKind.PARTS, *COMPILABLE):
        allowed = f"a .sbn file of signbin compile, or what that reads: {READ}"
        raise refusal(str(source), "model", allowed)
    if kind is SourceKind.PARTS:
        raise SpecError(
            "model",
            value=str(source),
            reason="a network in parts, some of which ONNX Runtime runs",
            allowed="a network that signbin runs alone",
            remedy="signbin run and signbin.load take it",
        )
    if kind is SourceKind.COMPILED:
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="signbin-") as folder:
        found = load_source(str(source))
        path = Path(folder) / "model.sbn"
        compile_source(found, isa=isa, watch=watch).save(path)
        yield path
