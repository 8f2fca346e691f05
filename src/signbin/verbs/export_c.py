"""export --format c: a model as C99 for microcontrollers, held to our own runtime first."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin import artifact
from signbin.arrays import open_array
from signbin.artifact import Artifact
from signbin.c_source import (
    CompiledNetwork,
    DeviceBudget,
    Golden,
    Network,
    check_budget,
    write_network,
    write_project,
)
from signbin.errors import ExecutionError, SpecError
from signbin.files import write_folder
from signbin.runtime import Program
from signbin.verbs.compile_graph import Watcher, silent
from signbin.verbs.recognition import SourceKind, kind_of, refusal

__all__ = ["CExport", "CRequest", "expect_folder", "export_c", "model_to_export"]

_GOLDEN: Final = 2
_CHECKED: Final = 16
# Of softmax, whose sums are added in another order; everything else is equal bit by bit.
_SOFTMAX_TOLERANCE: Final = 1e-5


@dataclasses.dataclass(frozen=True)
class CRequest:
    """What is asked of an export.

    name: of the network in C; "" takes the folder's. golden: inputs for the test program, (N, ...);
    None draws two. verify: compile it here and compare it with signbin's runtime. watch: write
    NAME_run_watched too, which shows every image as it is made.
    """

    name: str = ""
    golden: Path | None = None
    budget: DeviceBudget = dataclasses.field(default_factory=DeviceBudget)
    verify: bool = True
    overwrite: bool = False
    watch: bool = False


@dataclasses.dataclass(frozen=True)
class CExport:
    """What was written. Bytes as :class:`signbin.c_source.Sizes` says; checked_images: how many
    gave the same outputs, compiled on this machine; 0 where nobody asked.
    """

    folder: str
    name: str
    files: int
    constants_bytes: int
    code_bytes: int
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    checked_images: int


def model_to_export(source: str) -> Artifact:
    """A compiled model; SpecError for anything else."""
    if kind_of(source) is not SourceKind.COMPILED:
        raise refusal(
            source,
            "model to export as C",
            "a .sbn file: signbin compile MODEL --activations int8 -o model.sbn",
        )
    return artifact.read(Path(source))


def expect_folder(folder: Path, *, overwrite: bool) -> None:
    """Asked before any work: SpecError for a folder that cannot be made, or is there already."""
    if not folder.parent.is_dir():
        raise SpecError("--output", value=str(folder), allowed="a folder in one that is there")
    if folder.exists() and not (overwrite and _is_export(folder)):
        remedy = "pass --force to replace it" if _is_export(folder) else "name another folder"
        raise SpecError(f"{folder} exists", remedy=remedy)


def _is_export(folder: Path) -> bool:
    """Whether everything in a folder is what an export writes: nothing else is ever removed."""
    return folder.is_dir() and (folder / "src" / "sbc.h").is_file()


def export_c(model: Artifact, folder: Path, request: CRequest, watch: Watcher = silent) -> CExport:
    """Write a model as C99; nothing is written unless all of it is.

    SpecError for what cannot be said in C, by name, or does not fit the budget; ExecutionError
    where the compiled C computes anything else than signbin's runtime.
    """
    expect_folder(folder, overwrite=request.overwrite)
    name = request.name or _name_of(folder)
    watch("writing C")
    network = write_network(model.graph, name, model.class_names, watch=request.watch)
    _check_budget(network, request.budget)
    program = Program(model)
    inputs = _golden_inputs(model, request.golden)
    files = write_project(network, Golden(inputs, _computed(program, inputs)))
    checked = 0
    if request.verify:
        watch("compiling it here, and comparing")
        checked = _verify(model, network, files, program)
    write_folder(folder, {path: text.encode("utf-8") for path, text in files.items()})
    sizes = network.sizes
    return CExport(
        folder=str(folder),
        name=name,
        files=len(files),
        constants_bytes=sizes.constants,
        code_bytes=sizes.code,
        flash_bytes=sizes.flash,
        ram_bytes=sizes.ram,
        stack_bytes=sizes.stack,
        checked_images=checked,
    )


def _name_of(folder: Path) -> str:
    """A name in C from the folder's."""
    name = re.sub(r"[^a-z0-9_]", "_", folder.resolve().name.lower()).strip("_")
    return name if name[:1].isalpha() else f"network_{name}"


def _check_budget(network: Network, budget: DeviceBudget) -> None:
    held = ", ".join(f"{name} {network.values[name]:,}" for name in network.arena.fullest)
    scratch = f", scratch {network.scratch_bytes:,}"
    check_budget(network.sizes, budget, network.layer_bytes, held + scratch)


def _golden_inputs(model: Artifact, path: Path | None) -> NDArray[np.float32]:
    shape = model.graph.inputs[0].type.shape[1:]
    if path is None:
        return np.random.default_rng(0).standard_normal((_GOLDEN, *shape), dtype=np.float32)
    array = open_array(path)
    if array.shape[1:] != shape or not len(array) or array.dtype != np.float32:
        raise SpecError(
            f"golden inputs {path}",
            value=f"{array.dtype} {array.shape}",
            allowed=f"float32 (N, {', '.join(map(str, shape))})",
        )
    if not np.isfinite(array).all():
        raise SpecError(f"golden inputs {path}", value="NaN or infinity", allowed="finite numbers")
    return np.ascontiguousarray(array)


def _computed(program: Program, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    made = program(inputs)
    assert isinstance(made, np.ndarray)  # one output, which write_network asked for
    return made.reshape(len(inputs), -1)


def _verify(model: Artifact, network: Network, files: Mapping[str, str], program: Program) -> int:
    """How many images gave the same; ExecutionError where one did not."""
    shape = model.graph.inputs[0].type.shape[1:]
    images = np.random.default_rng(1).standard_normal((_CHECKED, *shape), dtype=np.float32)
    compiled = CompiledNetwork(files, network.name, network.outputs)
    ours, theirs = _computed(program, images), compiled(images)
    softmax = any(node.op == "softmax" for node in model.graph.nodes)
    close = np.allclose(ours, theirs, rtol=0, atol=_SOFTMAX_TOLERANCE) if softmax else False
    if not (close or np.array_equal(ours, theirs)):
        raise ExecutionError(
            f"export of {network.name} as C",
            value=f"{int((ours != theirs).sum())} of {ours.size} outputs differ",
            allowed="the outputs of signbin's runtime",
            remedy="nothing was written; report it",
        )
    if network.watched:
        _verify_inside(network, compiled, program, images[:_GOLDEN])
    return len(images)


def _verify_inside(
    network: Network, compiled: CompiledNetwork, program: Program, images: NDArray[np.float32]
) -> None:
    """ExecutionError where what it shows of a layer is not what signbin's runtime computes."""
    ours = program.trace(images)
    shapes = {name: ours[name].shape[1:] for name in network.watched}
    for i, image in enumerate(images):
        theirs = compiled.trace(image, shapes)
        wrong = [name for name in shapes if not np.array_equal(ours[name][i], theirs[name])]
        if wrong:
            raise ExecutionError(
                f"what {network.name} shows of itself",
                value=f"{', '.join(wrong)} differ",
                allowed="the values of signbin's runtime",
                remedy="nothing was written; report it",
            )
