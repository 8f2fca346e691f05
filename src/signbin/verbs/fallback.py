"""compile with a fallback: signbin runs what it runs faster, ONNX Runtime the rest."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from signbin.calibrate import QuantizedActivations
from signbin.draft import legal_name
from signbin.errors import CaptureError, ExecutionError, SpecError
from signbin.hybrid import Fallback, HybridProgram, Preference
from signbin.hybrid.content import PartEngine
from signbin.ir import Graph
from signbin.ir.form import Form, default_form
from signbin.runtime import Program
from signbin.verbs.compile_graph import CompileOptions, Watcher, compile_with
from signbin.verbs.graphs import example_arrays_of, graph_of
from signbin.verbs.source import Source, is_onnx
from signbin.version import VERSION

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor, nn

    from signbin.hybrid.eight_bits import EightBits
    from signbin.hybrid.network import OnnxNetwork

__all__ = ["compile_in_parts"]

_TIMED: Final = 1  # images of a call that is timed
_SEEN: Final = (2, 3)  # images of those that show which extents are free


@dataclasses.dataclass(frozen=True, eq=False)
class _Subject:
    """A network in ONNX, its whole graph where signbin has one, and how it hands results back."""

    model: ModelProto
    graph: Graph | None
    form: Form
    exporter: str


def compile_in_parts(
    source: Source, fallback: Fallback, options: CompileOptions, watch: Watcher
) -> Program | HybridProgram:
    """The fastest way to run a source, with ONNX Runtime for what signbin refuses or is slower at.

    A Program where signbin alone is fastest, else a HybridProgram; the provenance of either says
    why. ``options.activations``: the parts with one input are calibrated, on what reaches them
    when their samples are run, and ONNX Runtime may have all of the network as its own tool
    quantises it on them. CaptureError where not even ONNX Runtime can have the model,
    ExecutionError where it is not installed.
    """
    from signbin.hybrid.build import (  # noqa: PLC0415 - an extra
        Surroundings,
        ToRunInParts,
        build_program,
    )
    from signbin.hybrid.session import require_onnx_runtime  # noqa: PLC0415
    from signbin.verbs.part_compiler import PartMaker  # noqa: PLC0415

    require_onnx_runtime()
    subject = _subject(source, watch)
    if subject is None:
        program = compile_with(options, graph_of(source), source.card, watch)
        return _said(program, "signbin: codes that were trained have no counterpart in ONNX")
    network, feeds = _observed(source, subject)
    maker = PartMaker(network, options, subject.graph, watch)
    provenance = {"signbin": VERSION, **source.card.provenance}
    if subject.exporter:
        provenance["exporter"] = subject.exporter
    around = Surroundings(
        subject.form, source.card.preprocessing, source.card.class_names, provenance
    )
    coded = _in_8_bits(network, options.activations, fallback, watch)
    parted = ToRunInParts(network, feeds, {}, maker.compile, around, coded)
    made = build_program(parted, fallback, watch)
    maker.expect_float_layers()
    return _whole(made, source, subject) or made


def _in_8_bits(
    network: OnnxNetwork,
    asked: QuantizedActivations | None,
    fallback: Fallback,
    watch: Watcher,
) -> EightBits | None:
    """The network in ONNX Runtime's own 8 bits, where codes are asked for and the clock decides."""
    from signbin.hybrid.eight_bits import quantized_by_onnx_runtime  # noqa: PLC0415 - an extra

    if asked is None or asked.float_layers or fallback.prefer is not Preference.FASTEST:
        return None
    watch("quantising the network with ONNX Runtime's own tool")
    coded, why = quantized_by_onnx_runtime(network, asked.samples)
    if coded is None:
        watch(f"ONNX Runtime has it in float32 alone: {why}")
    return coded


def _subject(source: Source, watch: Watcher) -> _Subject | None:
    """None where only signbin can run it: ONNX has no such codes."""
    watch("tracing the model")
    try:
        graph = graph_of(source)
    except CaptureError:
        graph = None
    if is_onnx(source.model):
        count = len(source.model.graph.output)
        form = default_form(count)
        return _Subject(source.model, graph, form if graph is None else _form(graph), "")
    if graph is None:
        return _exported(source, watch)
    if any(node.type.dtype != "f32" for node in graph.nodes):
        return None
    from signbin.interop import to_onnx  # noqa: PLC0415 - an extra

    return _Subject(to_onnx(graph), graph, _form(graph), "signbin")


def _form(graph: Graph) -> Form:
    return default_form(len(graph.outputs)) if graph.form is None else graph.form


def _exported(source: Source, watch: Watcher) -> _Subject:
    from signbin.verbs.onnx_export import (  # noqa: PLC0415 - needs torch
        export_with_torch,
        form_of,
        torch_exporter,
    )

    model = cast("nn.Module", source.model)
    examples = cast("tuple[Tensor, ...]", source.example_inputs)
    import torch  # noqa: PLC0415

    with torch.no_grad():
        form = form_of(copy.deepcopy(model).eval()(*examples))
    watch(f"exporting the model with {torch_exporter()}")
    return _Subject(export_with_torch(model, examples), None, form, torch_exporter())


def _observed(source: Source, subject: _Subject) -> tuple[OnnxNetwork, Mapping[str, NDArray[Any]]]:
    """The network with the types its values were seen to have, and inputs to time it with.

    Of one that does not run with another number of images, all extents are those of the examples.
    """
    from signbin.hybrid.network import read_network  # noqa: PLC0415 - an extra
    from signbin.hybrid.observe import with_observed_types  # noqa: PLC0415
    from signbin.verbs.onnx_inputs import batch_axes, free_inputs  # noqa: PLC0415

    network, arrays = read_network(subject.model), example_arrays_of(source)
    infos = free_inputs(subject.model)
    if len(arrays) != len(infos):
        names = ", ".join(info.name for info in infos)
        raise SpecError("example inputs", value=len(arrays), allowed=f"one each for {names}")
    examples = {info.name: array for info, array in zip(infos, arrays, strict=True)}
    axes = batch_axes(infos)

    def feeds(count: int) -> dict[str, NDArray[Any]]:
        return {name: _of_batch(array, axes[name], count) for name, array in examples.items()}

    if any(axes.values()):
        with contextlib.suppress(ExecutionError):
            seen = [feeds(count) for count in _SEEN]
            return with_observed_types(network, seen), feeds(_TIMED)
    return with_observed_types(network, [examples]), examples


def _of_batch(array: NDArray[Any], axes: Collection[int], count: int) -> NDArray[Any]:
    """As many images: noise where they are floats, else the first one again and again."""
    shape = tuple(count if axis in axes else extent for axis, extent in enumerate(array.shape))
    if shape == array.shape:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        first = array[
            tuple(slice(1) if axis in axes else slice(None) for axis in range(array.ndim))
        ]
        return np.array(np.broadcast_to(first, shape))
    return np.random.default_rng(0).standard_normal(shape).astype(array.dtype)


def _whole(made: HybridProgram, source: Source, subject: _Subject) -> Program | None:
    """The only part as a program of its own, where signbin runs it and it is the network."""
    body, program = made.network, made.program_of(0)
    ports = (tuple(each.name for each in body.inputs), tuple(each.name for each in body.outputs))
    if len(made.parts) != 1 or made.parts[0].engine is not PartEngine.SIGNBIN or program is None:
        return None
    if (made.parts[0].inputs, made.parts[0].outputs) != ports:
        return None
    graph = dataclasses.replace(program.graph, name=legal_name(source.name), form=subject.form)
    artifact = dataclasses.replace(
        program.artifact,
        graph=graph,
        plan=program.plan,
        preprocessing=body.preprocessing,
        class_names=body.class_names,
        provenance={
            **program.artifact.provenance,
            **body.provenance,
            "fallback": f"signbin alone: {body.decision.why}",
        },
    )
    return Program(artifact, isa=program.isa)


def _said(program: Program, why: str) -> Program:
    """The program with what was decided in its provenance."""
    provenance = {**program.artifact.provenance, "fallback": why}
    artifact = dataclasses.replace(program.artifact, plan=program.plan, provenance=provenance)
    return Program(artifact, isa=program.isa)
