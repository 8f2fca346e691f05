"""The doors joined: model -> graph -> passes -> calibrate -> plan -> artifact -> Program.

torch is imported only by the calls that are given a torch model or a training run, onnx by those
that are given an ONNX model.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import overload

from signbin.calibrate import CalibrationMethod, QuantizedActivations
from signbin.diagnose import QuantizationCost, measure_quantization
from signbin.errors import SpecError
from signbin.hybrid import Fallback, HybridProgram, as_fallback
from signbin.ir import BATCH, Graph, TensorType, Value
from signbin.plan import Strategy
from signbin.runtime import Program, Samples
from signbin.tune import Autotune
from signbin.verbs.compile_graph import (
    CompileOptions,
    Watcher,
    compile_graph,
    compile_with,
    planned_for,
    quantize_program,
    silent,
    tune_program,
)
from signbin.verbs.fallback import compile_in_parts
from signbin.verbs.free_sizes import FreeSizes, with_free_sizes
from signbin.verbs.graphs import example_arrays_of, graph_of
from signbin.verbs.source import (
    MOST_SAMPLES,
    Examples,
    Model,
    ModelCard,
    Source,
    as_source,
    read_calibration,
)

__all__ = [
    "CalibrationRequest",
    "CompileOptions",
    "Watcher",
    "compile",
    "compile_graph",
    "compile_source",
    "fall_back",
    "planned_for",
    "quantize_program",
    "quantize_source",
    "silent",
    "tune_program",
]


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


@overload
def compile(
    model: Model | str | os.PathLike[str],
    example_inputs: Examples | None = None,
    *,
    card: ModelCard | None = None,
    isa: str = "auto",
    strategy: Strategy | None = None,
    activations: QuantizedActivations | None = None,
    autotune: bool | Autotune = False,
    free_sizes: FreeSizes = False,
    fallback: None = None,
    watch: Watcher = silent,
) -> Program: ...
@overload
def compile(
    model: Model | str | os.PathLike[str],
    example_inputs: Examples | None = None,
    *,
    card: ModelCard | None = None,
    isa: str = "auto",
    strategy: Strategy | None = None,
    activations: QuantizedActivations | None = None,
    autotune: bool | Autotune = False,
    free_sizes: FreeSizes = False,
    fallback: str | Fallback,
    watch: Watcher = silent,
) -> Program | HybridProgram: ...
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
    fallback: str | Fallback | None = None,
    watch: Watcher = silent,
) -> Program | HybridProgram:
    """Compile a trained model for this CPU; ``program.save(path)`` keeps it.

    model: a ``torch.nn.Module``, or what torch.export made of one; an ``onnx.ModelProto``; or the
    path of an ONNX file, or anything else that ``signbin compile`` reads. example_inputs: one
    tensor (N, C, H, W) in a tuple; only its shape and dtype matter, and the program accepts any
    batch. Only a module needs it, and an ONNX model that leaves extents open. Quantised layers
    are recognised from their values, whoever trained them. isa: ``auto`` or a name from
    ``signbin doctor``. strategy: None lets the planner choose per layer; a Strategy forces it
    wherever it can serve. activations: None keeps them float32;
    :class:`signbin.QuantizedActivations`, with real samples, makes them 8-bit.
    autotune: measure on this machine which way of running each layer is fastest, instead of
    predicting it; an :class:`signbin.Autotune` says for how long, and where times are kept.
    free_sizes: the program takes images of any height and width, sequences (N, C, L) of any length,
    that the network can take; or which axes of which inputs are free, as {"tokens": (1,)}. It is
    captured at two sizes and refused where it depends on them.
    fallback: None refuses what signbin cannot run; ``"onnxruntime"``, or a
    :class:`signbin.hybrid.Fallback`, cuts the network and has ONNX Runtime run what signbin
    cannot, or not faster, as timed here: the result is then a HybridProgram, or a Program where
    signbin alone is fastest. watch: is told in words what begins, as ``print``.

    Raises CaptureError (naming every unsupported layer), PlanError, ExecutionError, FormatError
    for a damaged file, or SpecError for what is no model and for samples that do not fit.
    """
    _expect_activations(activations)
    how = Autotune() if autotune is True else (autotune or None)
    options = CompileOptions(isa, strategy, activations, how)
    other = None if fallback is None else as_fallback(fallback)
    source = as_source(model, example_inputs, card)
    if other is not None:
        _expect_fixed(free_sizes)
        return compile_in_parts(source, other, options, watch)
    return compile_with(options, _traced(source, free_sizes, watch), source.card, watch)


def compile_source(
    source: Source,
    *,
    isa: str = "auto",
    strategy: Strategy | None = None,
    free_sizes: FreeSizes = False,
    split: bool = True,
    watch: Watcher = silent,
) -> Program:
    """:func:`compile` for what :func:`signbin.verbs.source.load_source` read.

    split: False where :func:`quantize_source` follows (see :func:`compile_graph`).
    """
    graph = _traced(source, free_sizes, watch)
    return compile_graph(
        graph, card=source.card, isa=isa, strategy=strategy, split=split, watch=watch
    )


def _traced(source: Source, free_sizes: FreeSizes, watch: Watcher) -> Graph:
    watch("tracing the model")
    graph = graph_of(source)
    if free_sizes is False:
        return graph
    watch("tracing it at another size")
    return with_free_sizes(source, graph, free_sizes)


def _expect_fixed(free_sizes: FreeSizes) -> None:
    if free_sizes is not False:
        raise SpecError(
            "free sizes",
            value=free_sizes,
            allowed="only without a fallback, whose parts are tried at one size",
            remedy="leave one of them out",
        )


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
    found = _calibration_samples(source, program.graph.inputs[0], request)
    activations = _activations(found, request)
    quantized = quantize_program(program, activations, strategy=strategy, watch=watch)
    watch("measuring what the codes cost")
    judged = found if source.samples is None else Samples(source.samples, source.labels)
    return quantized, measure_quantization(program, quantized, judged.images, judged.labels)


def fall_back(
    source: Source,
    options: CompileOptions,
    fallback: Fallback,
    request: CalibrationRequest | None = None,
    watch: Watcher = silent,
) -> Program | HybridProgram:
    """:func:`compile` with a fallback, for what the command line says.

    request: how the parts of signbin are calibrated; None keeps their activations float32.
    """
    if request is not None:
        first = example_arrays_of(source)[0]
        expected = Value("input", TensorType("f32", (BATCH, *first.shape[1:])))
        found = _calibration_samples(source, expected, request)
        options = dataclasses.replace(options, activations=_activations(found, request))
    return compile_in_parts(source, fallback, options, watch)


def _activations(found: Samples, request: CalibrationRequest) -> QuantizedActivations:
    return QuantizedActivations(
        found.images, request.bits, request.method, float_layers=request.float_layers
    )


def _calibration_samples(source: Source, expected: Value, request: CalibrationRequest) -> Samples:
    if request.data is None:
        if source.training is None:
            raise SpecError(
                "calibration data",
                value=None,
                allowed="a run folder, a folder of images, a .npy or .npz file",
                remedy="name some real samples: --calibrate DATA",
            )
        return Samples(source.training(request.most))
    return read_calibration(request.data, expected, source.card, request.most)
