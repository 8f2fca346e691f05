"""From what torch.export wrote, to a file or in memory, back to a module that can be captured."""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from signbin.capture.archive_trust import trusted_archive
from signbin.capture.warnings_of_torch import own_warnings_of_torch_ignored
from signbin.errors import CaptureError, FormatError

__all__ = ["load_archive", "module_of"]

_RESHAPES: Final = ("aten.view", "aten.reshape", "aten._unsafe_view", "aten.expand")
_KEPT: Final = ("nn_module_stack",)  # what names modules; the rest of a node's notes is recomputed
_WITH_A_BATCH: Final = (
    "export with a free batch: torch.export.export(model, inputs, "
    "dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))"
)


def load_archive(path: Path) -> ExportedProgram:
    """The program in a ``.pt2`` file of torch.export.save, read without trust in it.

    FormatError where it is no such archive, is damaged, or holds anything that would run while it
    is read: a pickle, a function by name, an expression that is none.
    """
    trusted = trusted_archive(path)
    try:
        with own_warnings_of_torch_ignored(), _quiet():
            program = torch.export.load(trusted)
    except Exception as error:  # whatever torch raises on a file that nobody wrote
        raise FormatError(
            f"archive {path}",
            reason=f"torch {torch.__version__} cannot read it: {type(error).__name__}: "
            f"{(str(error).strip().splitlines() or [''])[0]}",
            remedy="export the model again with this version of PyTorch",
        ) from error
    program._guards_code = []  # Python in text, for a module that we do not make
    return program


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """torch logs a traceback before it raises: our error says it."""
    log = logging.getLogger("torch.export")
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = False


def module_of(program: ExportedProgram) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """A module that computes what the program does, for any batch, and an input of one sample.

    Its inputs keep their names, its layers those of the model it was. Where the program was
    exported for a batch of a certain size, shapes that repeat that size are made free; capture
    refuses what still depends on it. The program itself is not changed. CaptureError where
    an input is no float32 tensor whose extents, but for the batch, are known.
    """
    names, examples = _inputs(program)
    with own_warnings_of_torch_ignored():
        copied = program.run_decompositions({})  # a copy, without operators that change inputs
        _free_batch(copied, names)
        module = torch.export.unflatten(copied)
    module.check_input_constraints = False
    for part in module.modules():
        if isinstance(graph := getattr(part, "graph", None), fx.Graph):
            for node in graph.nodes:
                node.meta = {key: node.meta[key] for key in _KEPT if key in node.meta}
    _name_inputs(module, names)
    return module, examples


def _inputs(program: ExportedProgram) -> tuple[list[str], tuple[Tensor, ...]]:
    """Names of the inputs, and zeros of their shapes."""
    names = [
        spec.arg.name
        for spec in program.graph_signature.input_specs
        if spec.kind == InputKind.USER_INPUT
    ]
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    given, keywords = program.example_inputs or ((), {})
    if keywords or any(isinstance(each, (tuple, list, dict)) for each in given):
        raise CaptureError(
            "inputs of the archive",
            value="by keyword, or in tuples, lists or dicts",
            allowed="tensors by position",
            remedy="export a module whose forward takes them so",
        )
    return names, tuple(_example(name, values.get(name)) for name in names)


def _example(name: str, value: object) -> Tensor:
    what = f"input {name} of the archive"
    if not isinstance(value, Tensor) or value.dtype != torch.float32 or value.ndim < 2:
        described = f"{value.dtype} of {value.ndim} axes" if isinstance(value, Tensor) else value
        raise CaptureError(what, value=described, allowed="a float32 tensor (N, C, ...)")
    extents = []
    for axis, extent in enumerate(value.shape[1:], 1):
        known = extent if isinstance(extent, int) else extent.node.hint
        if known is None:
            raise CaptureError(
                f"{what}, axis {axis}",
                value="of any extent",
                allowed="an extent that was seen while exporting",
                remedy="keep the example inputs in the archive, or export with fixed extents",
            )
        extents.append(int(known))
    return torch.zeros(1, *extents)


def _free_batch(program: ExportedProgram, names: list[str]) -> None:
    """Shapes that begin with the batch of a program for one size of it, as shapes of any batch."""
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    batch = values[names[0]].shape[0]
    if not isinstance(batch, int):
        return
    for node in program.graph.nodes:
        target = str(node.target)
        if not target.startswith(_RESHAPES):
            continue
        read, extents = values.get(getattr(node.args[0], "name", "")), list(node.args[1])
        if isinstance(read, Tensor) and read.ndim and read.shape[0] == batch and extents:
            _free_first(node, extents, batch)


def _free_first(node: fx.Node, extents: list[Any], batch: int) -> None:
    """The first of the extents becomes the one that follows from the others."""
    if extents[0] not in (batch, -1):
        return
    known = [int(extent) for extent in node.meta["val"].shape]
    if str(node.target).startswith("aten.expand"):
        node.args = (node.args[0], [-1, *extents[1:]], *node.args[2:])
    else:
        node.args = (node.args[0], [-1, *known[1:]], *node.args[2:])


def _name_inputs(module: nn.Module, names: list[str]) -> None:
    """Gives forward the parameters that torch.export calls the inputs by."""

    kept = type(module)

    def forward(self: nn.Module, *inputs: Tensor) -> Any:
        return kept.forward(self, *inputs)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind) for name in ("self", *names)]
    forward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # as inspect documents
    module.__class__ = type("ExportedModule", (kept,), {"forward": forward})
