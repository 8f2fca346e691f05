"""A program from a .sbn file, or from a source that is compiled on the way."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from signbin.errors import SpecError
from signbin.hybrid import HybridProgram
from signbin.ir import BATCH, TensorType, Value
from signbin.runtime import Program
from signbin.spec import Preprocessing
from signbin.verbs.compile import compile_source
from signbin.verbs.compile_graph import Watcher, silent
from signbin.verbs.recognition import COMPILABLE, READ, SourceKind, kind_of, refusal
from signbin.verbs.source import load_source

__all__ = ["Facing", "compiled_file", "facing", "open_any", "open_program"]


@dataclasses.dataclass(frozen=True)
class Facing:
    """What people need around a program: its name, its only input, and how to read its outputs."""

    name: str
    given: Value
    preprocessing: Preprocessing | None
    class_names: tuple[str, ...]


def facing(program: Program | HybridProgram) -> Facing:
    """The facing of a program; SpecError where it has several inputs, or one of whole numbers."""
    if isinstance(program, Program):
        kept, inputs = program.artifact, program.graph.inputs
        made = Facing(program.graph.name, inputs[0], kept.preprocessing, kept.class_names)
        names = [value.name for value in inputs]
    else:
        body, first = program.network, program.network.inputs[0]
        shape = (BATCH, *first.shape[1:])
        value = Value(first.name, TensorType("f32", shape))
        made = Facing(body.name, value, body.preprocessing, body.class_names)
        names = [f"{port.name} ({port.dtype})" for port in body.inputs]
        if first.dtype == "float32":
            names[0] = first.name
    if names != [made.given.name]:
        raise SpecError(
            f"inputs of {made.name}",
            value=", ".join(names),
            allowed="one of float32",
            remedy="run it from Python: signbin.load(path)",
        )
    return made


def open_any(
    source: Path,
    *,
    isa: str = "auto",
    threads: int = 1,
    jit: bool | None = None,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    watch: Watcher = silent,
) -> Program | HybridProgram:
    """:func:`open_program`, or the program of a .sbn file that holds a network in parts."""
    if kind_of(str(source)) is SourceKind.PARTS:
        return HybridProgram.load(source, isa=isa, threads=threads, jit=jit)
    return open_program(
        source, isa=isa, threads=threads, jit=jit, input_shapes=input_shapes, watch=watch
    )


def open_program(
    source: Path,
    *,
    isa: str = "auto",
    threads: int = 1,
    jit: bool | None = None,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    watch: Watcher = silent,
) -> Program:
    """The program of a .sbn file, or of anything that can be compiled, with float activations.

    SpecError for what is neither, by what it is, and for a network in parts.
    """
    with compiled_file(source, isa=isa, input_shapes=input_shapes, watch=watch) as path:
        return Program.load(path, isa=isa, threads=threads, jit=jit)


@contextlib.contextmanager
def compiled_file(
    source: Path,
    *,
    isa: str = "auto",
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    watch: Watcher = silent,
) -> Iterator[Path]:
    """The .sbn file itself, or one that is compiled from the source and lasts as long as this.

    input_shapes: for inputs whose extents an ONNX file leaves open.
    """
    kind = kind_of(str(source))
    if kind not in (SourceKind.COMPILED, SourceKind.PARTS, *COMPILABLE):
        allowed = f"a .sbn file of signbin compile, or what that reads: {READ}"
        raise refusal(str(source), "model", allowed)
    if kind is SourceKind.PARTS:
        raise SpecError(
            "model",
            value=str(source),
            reason="a network in parts, some of which ONNX Runtime runs: there is no interpreter "
            "to hold it against, and it was raced against ONNX Runtime when it was compiled",
            allowed="a network that signbin runs alone",
            remedy="signbin profile shows its parts and their times, signbin compare its error",
        )
    if kind is SourceKind.COMPILED:
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="signbin-") as folder:
        found = load_source(str(source), input_shapes=input_shapes)
        path = Path(folder) / "model.sbn"
        compile_source(found, isa=isa, watch=watch).save(path)
        yield path
