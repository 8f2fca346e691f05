"""What a module has to know of a program before it runs, whichever engines run it."""

from __future__ import annotations

import dataclasses
from typing import Any, Final, TypeAlias

from signbin import native
from signbin.errors import SpecError
from signbin.hybrid import HybridProgram, Port
from signbin.ir.form import Form, default_form
from signbin.runtime import Program

__all__ = ["AnyProgram", "Face", "face_of"]

AnyProgram: TypeAlias = "Program | HybridProgram"

_FREE: Final = -1


@dataclasses.dataclass(frozen=True)
class Face:
    """inputs: how many. form: of the outputs. isa: ``auto``, or the one that was forced.

    extents: rank and extents behind the batch of every output in turn; none where sizes are free.
    """

    inputs: int
    form: Form
    isa: str
    extents: tuple[int, ...]


def face_of(program: AnyProgram) -> Face:
    """The face of a program.

    SpecError for a network in parts whose outputs are not float32, the batch first and then fixed
    sizes: what is traced has to know them before anything runs.
    """
    if isinstance(program, HybridProgram):
        ports = (*program.network.inputs, *program.network.outputs)
        for port in ports:
            _expect_batch(port)
        for port in program.network.outputs:
            _expect_known(port)
        shapes = [port.shape[1:] for port in program.network.outputs]
        return Face(len(ports) - len(shapes), program.content.form, program.isa, _flat(shapes))
    graph = program.graph
    free = any(value.free for value in graph.inputs)
    found = [] if free else [graph.type_of(name).shape[1:] for name in graph.outputs]
    form = default_form(len(graph.outputs)) if graph.form is None else graph.form
    isa = "auto" if program.isa == native.resolve_isa("auto") else program.isa
    return Face(len(graph.inputs), form, isa, _flat(found))


def _flat(shapes: list[Any]) -> tuple[int, ...]:
    return tuple(number for shape in shapes for number in (len(shape), *shape))


def _expect_batch(port: Port) -> None:
    if port.shape[:1] != (_FREE,):
        _refuse(port, f"the shape {port.shape}", "a batch of any size first")


def _expect_known(port: Port) -> None:
    if port.dtype != "float32":
        _refuse(port, port.dtype, "float32")
    if _FREE in port.shape[1:]:
        _refuse(port, f"the shape {port.shape}", "sizes that do not depend on the input")


def _refuse(port: Port, value: str, allowed: str) -> None:
    raise SpecError(
        f"{port.name} of a network in parts for signbin.nn.ProgramModule",
        value=value,
        allowed=allowed,
        remedy="call the program itself, on arrays: program(images)",
    )
