"""The doors joined: model -> graph -> passes -> calibrate -> plan -> artifact -> Program.

torch is imported only by the calls that are given a torch model or a training run, onnx by those
that are given an ONNX model.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from signbin import native
from signbin.artifact import Artifact
from signbin.calibrate import CalibrationMethod, QuantizedActivations, calibrate
from signbin.diagnose import QuantizationCost, measure_quantization
from signbin.errors import SpecError
from signbin.ir import Graph
from signbin.passes import lower, quantize_activations
from signbin.plan import GroupSearch, Strategy, Target, make_plan
from signbin.runtime import Program, Samples
from signbin.tune import Autotune
from signbin.tune import autotune as measured_plan
from signbin.verbs.free_sizes import FreeSizes, with_free_sizes
from signbin.verbs.graphs import graph_of
from signbin.verbs.source import (
    MOST_SAMPLES,
    Examples,
    Model,
    ModelCard,
    Source,
    as_source,
    read_calibration,
)
from signbin.version import VERSION

__all__ = [
    "CalibrationRequest",
    "Watcher",
    "compile",
    "compile_graph",
    "compile_source",
    "quantize_program",
    "quantize_source",
    "silent",
    "tune_program",
]

Watcher: TypeAlias = Callable[[str], None]
"""Told in words what a compilation begins."""


def silent(_begins: str) -> None:
    """A watcher that says nothing."""


_GROUPING: Final = GroupSearch(seconds=5.0)  # per layer; 512 x 512 x 3 x 3 takes about two


@dataclasses.dataclass(frozen=True)
class CalibrationRequest:
    """What ``signbin compile --activations int8`` asks for.

    data: a run folder, a folder of images, a .npy or .npz file; None for the source's own training
    images. most: samples at most, evenly spaced. Others as in QuantizedActivations.
    """

    bits: int
    data: Path | None = None
    method: str = CalibrationMethod.MSE.value
    most: int = MOST_SAMPLES
    float_layers: tuple[str, ...] = ()


def compile(  # noqa: PLR0913 - the one door: every choice is a keyword of it
    model: Model | str | os.PathLike[str],
    example_inputs: Examples | None = None,
    *,
    card: ModelCard | None = None,
    isa: str = "auto",
    strategy: Strategy | None = None,
    activations: QuantizedActivations | None = None,
    autotune: bool | Autotune = False,
    free_sizes: FreeSizes = False,
    watch: Watcher = silent,
) -> Program:
    """Compile a trained model for this CPU; ``program.save(path)`` keeps it.

    model: a ``torch.nn.Module``; an ``onnx.ModelProto``; or the path of an ONNX file, or anything
    else that ``signbin compile`` reads. example_inputs: one tensor (N, C, H, W) in a tuple; only
    its shape and dtype matter, and the program accepts any batch. Only a module needs it, and an
    ONNX model that leaves extents open. Quantised layers are recognised from their values, whoever
    trained them. isa: ``auto`` or a name from ``signbin doctor``. strategy: None lets the
    planner choose per layer; a Strategy forces it wherever it can serve. activations: None keeps
    them float32; :class:`signbin.QuantizedActivations`, with real samples, makes them 8-bit.
    autotune: measure on this machine which way of running each layer is fastest, instead of
    predicting it; an :class:`signbin.Autotune` says for how long, and where times are kept.
    free_sizes: the program takes images of any height and width, sequences (N, C, L) of any length,
    that the network can take; or which axes of which inputs are free, as {"tokens": (1,)}. It is
    captured at two sizes and refused where it depends on them. watch: is
    told in words what begins, as ``print``.

    Raises CaptureError (naming every unsupported layer), PlanError, ExecutionError, FormatError
    for a damaged file, or SpecError for what is no model and for samples that do not fit.
    """
    _expect_activations(activations)
    source = as_source(model, example_inputs, card)
    program = compile_source(source, isa=isa, strategy=strategy, free_sizes=free_sizes, watch=watch)
    if activations is not None:
        program = quantize_program(program, activations, strategy=strategy, watch=watch)
    if autotune is False:
        return program
    how = Autotune() if autotune is True else autotune
    return tune_program(program, how, strategy=strategy)


def compile_source(
    source: Source,
    *,
    isa: str = "auto",
    strategy: Strategy | None = None,
    free_sizes: FreeSizes = False,
    watch: Watcher = silent,
) -> Program:
    """:func:`compile` for what :func:`signbin.verbs.source.load_source` read."""
    watch("tracing the model")
    graph = graph_of(source)
    if free_sizes is not False:
        watch("tracing it at another size")
        graph = with_free_sizes(source, graph, free_sizes)
    return compile_graph(graph, card=source.card, isa=isa, strategy=strategy, watch=watch)


def _expect_activations(activations: object) -> None:
    """Asked before any work: a word alone does not say what the numbers are."""
    if activations is None or isinstance(activations, QuantizedActivations):
        return
    raise SpecError(
        "activations",
        value=activations if isinstance(activations, str) else type(activations).__name__,
        allowed="None, which keeps them float32, or signbin.QuantizedActivations",
        remedy="pass some hundred real samples: signbin.QuantizedActivations(samples)",
    )


def compile_graph(
    graph: Graph,
    *,
    card: ModelCard | None = None,
    isa: str = "auto",
    strategy: Strategy | None = None,
    watch: Watcher = silent,
) -> Program:
    """Compile a captured graph: lower it, plan every layer, pack for this CPU.

    Filters of bucket walks are regrouped where their zeros coincide; outputs are the same sums.
    """
    card = card or ModelCard()
    isa = native.resolve_isa(isa)
    lowered = lower(graph)
    target = Target.from_cpu(native.cpu(), isa)
    watch("planning every layer")
    plan = make_plan(lowered, native.kernels(), target, strategy, grouping=_GROUPING)
    provenance = {"signbin": VERSION, **card.provenance}
    artifact = Artifact(lowered, plan, card.preprocessing, card.class_names, provenance)
    watch("packing weights for this CPU")
    return Program(artifact, isa=isa, strategy=strategy)


def quantize_program(
    program: Program,
    activations: QuantizedActivations,
    *,
    strategy: Strategy | None = None,
    watch: Watcher = silent,
) -> Program:
    """The program with its activations held as codes, calibrated by running it on real samples.

    Inputs and outputs stay float32; classes, preprocessing and provenance are kept, and the
    provenance says how it was calibrated. SpecError where the program has codes already, or where
    the samples do not fit.
    """
    if program.graph.has_codes:
        raise SpecError(
            "program to quantise",
            value="activations are codes already",
            allowed="a float program",
            remedy="compile with float activations; codes that were trained are used as they are",
        )
    if not activations.samples.any():
        raise SpecError(
            "calibration samples",
            value="zeros alone",
            allowed="numbers that say how large activations become",
            remedy="pass real samples",
        )
    watch(f"calibrating with {len(activations.samples)} samples")
    specs = calibrate(program.graph, program.trace, activations)
    graph = quantize_activations(program.graph, specs, activations.float_layers)
    kept, target = program.artifact, Target.from_cpu(native.cpu(), program.isa)
    method = CalibrationMethod(activations.method)
    provenance = {
        **kept.provenance,
        "activations": f"int{activations.bits}",
        "calibration": f"{method.value}, {len(activations.samples)} samples",
    }
    if activations.float_layers:
        provenance["float_layers"] = ", ".join(activations.float_layers)
    watch("planning every layer on codes")
    plan = make_plan(graph, native.kernels(), target, strategy, grouping=_GROUPING)
    artifact = Artifact(graph, plan, kept.preprocessing, kept.class_names, provenance)
    watch("packing weights for this CPU")
    return Program(artifact, isa=program.isa, strategy=strategy, threads=program.threads)


def tune_program(program: Program, how: Autotune, *, strategy: Strategy | None = None) -> Program:
    """The program with the fastest way of running each layer, as measured here on one thread.

    strategy: what the program was compiled with: where it is forced, only its tiles compete. The
    outputs keep their bits where activations are codes.
    """
    artifact = dataclasses.replace(program.artifact, plan=program.plan)
    plan = measured_plan(artifact, program.isa, how, forced=strategy is not None)
    tuned = dataclasses.replace(artifact, plan=plan)
    return Program(tuned, isa=program.isa, threads=program.threads)


def quantize_source(
    source: Source,
    program: Program,
    request: CalibrationRequest,
    *,
    strategy: Strategy | None = None,
    watch: Watcher = silent,
) -> tuple[Program, QuantizationCost]:
    """Quantise the program compiled from a source, and measure what that costs.

    Measured on the source's test samples, with its labels; without them on the calibration data,
    with the labels it brings.
    """
    found = _calibration_samples(source, program, request)
    activations = QuantizedActivations(
        found.images, request.bits, request.method, float_layers=request.float_layers
    )
    quantized = quantize_program(program, activations, strategy=strategy, watch=watch)
    watch("measuring what the codes cost")
    judged = found if source.samples is None else Samples(source.samples, source.labels)
    return quantized, measure_quantization(program, quantized, judged.images, judged.labels)


def _calibration_samples(source: Source, program: Program, request: CalibrationRequest) -> Samples:
    if request.data is None:
        if source.training is None:
            raise SpecError(
                "calibration data",
                value=None,
                allowed="a run folder, a folder of images, a .npy or .npz file",
                remedy="name some real samples: --calibrate DATA",
            )
        return Samples(source.training(request.most))
    return read_calibration(request.data, program.artifact, request.most)
