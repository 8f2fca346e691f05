"""The doors joined: model -> capture -> passes -> calibrate -> plan -> artifact -> Program.

torch is imported only by the calls that are given a torch model or a training run.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from signbin import native
from signbin.artifact import Artifact
from signbin.calibrate import CalibrationMethod, QuantizedActivations, calibrate
from signbin.diagnose import Comparison, QuantizationCost, compare, measure_quantization
from signbin.errors import SpecError
from signbin.ir import Graph
from signbin.passes import lower, quantize_activations
from signbin.plan import GroupSearch, Strategy, Target, make_plan
from signbin.runtime import Program, Samples, read_samples
from signbin.spec import Preprocessing
from signbin.tune import Autotune
from signbin.tune import autotune as measured_plan
from signbin.version import VERSION

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "MOST_SAMPLES",
    "CalibrationRequest",
    "ModelCard",
    "Source",
    "compare_source",
    "compile",
    "compile_graph",
    "load_source",
    "quantize_program",
    "quantize_source",
    "read_calibration",
    "tune_program",
]

MOST_SAMPLES: Final = 256
"""Of a data set, evenly spaced, that calibration looks at where nothing else is said."""

_GROUPING: Final = GroupSearch(seconds=5.0)  # per layer; 512 x 512 x 3 x 3 takes about two
_TOLERANCE: Final = 1e-4
_CODES_TOLERANCE: Final = 0.2


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """What travels with a model: how to prepare its input and how to name its outputs."""

    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] = ()
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A model to compile, with the inputs to capture it by and (for runs) its samples.

    samples: of the test part, float32 (N, C, H, W); labels: their classes, int64 (N,), None for
    networks that were not trained; training: up to so many samples of the training part. None
    where the source brings none.
    """

    name: str
    model: nn.Module
    example_inputs: tuple[Tensor, ...]
    card: ModelCard
    samples: NDArray[np.float32] | None = None
    labels: NDArray[np.int64] | None = None
    training: Callable[[int], NDArray[np.float32]] | None = None


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
    model: nn.Module,
    example_inputs: tuple[Tensor, ...],
    *,
    card: ModelCard | None = None,
    isa: str = "auto",
    strategy: Strategy | None = None,
    activations: QuantizedActivations | None = None,
    autotune: bool | Autotune = False,
) -> Program:
    """Compile a trained ``torch.nn.Module`` for this CPU; ``program.save(path)`` keeps it.

    example_inputs: one tensor (N, C, H, W) in a tuple; only its shape and dtype matter, and the
    program accepts any batch. Quantised layers are recognised from their values, whoever
    trained them. isa: ``auto`` or a name from ``signbin doctor``. strategy: None lets the
    planner choose per layer; a Strategy forces it wherever it can serve. activations: None keeps
    them float32; :class:`signbin.QuantizedActivations`, with real samples, makes them 8-bit.
    autotune: measure on this machine which way of running each layer is fastest, instead of
    predicting it; an :class:`signbin.Autotune` says for how long, and where times are kept.

    Raises CaptureError (naming every unsupported layer), PlanError, ExecutionError, or SpecError
    for samples that do not fit.
    """
    from signbin.capture import capture  # noqa: PLC0415 - needs torch, which running does not

    graph = capture(model, example_inputs)
    program = compile_graph(graph, card=card, isa=isa, strategy=strategy)
    if activations is not None:
        program = quantize_program(program, activations, strategy=strategy)
    if autotune is False:
        return program
    how = Autotune() if autotune is True else autotune
    return tune_program(program, how, strategy=strategy)


def compile_graph(
    graph: Graph,
    *,
    card: ModelCard | None = None,
    isa: str = "auto",
    strategy: Strategy | None = None,
) -> Program:
    """Compile a captured graph: lower it, plan every layer, pack for this CPU.

    Filters of bucket walks are regrouped where their zeros coincide; outputs are the same sums.
    """
    card = card or ModelCard()
    isa = native.resolve_isa(isa)
    lowered = lower(graph)
    target = Target.from_cpu(native.cpu(), isa)
    plan = make_plan(lowered, native.kernels(), target, strategy, grouping=_GROUPING)
    provenance = {"signbin": VERSION, **card.provenance}
    artifact = Artifact(lowered, plan, card.preprocessing, card.class_names, provenance)
    return Program(artifact, isa=isa, strategy=strategy)


def quantize_program(
    program: Program, activations: QuantizedActivations, *, strategy: Strategy | None = None
) -> Program:
    """The program with its activations held as codes, calibrated by running it on real samples.

    Inputs and outputs stay float32; classes, preprocessing and provenance are kept, and the
    provenance says how it was calibrated. SpecError where the program has codes already, or where
    the samples do not fit.
    """
    if _has_codes(program):
        raise SpecError(
            "program to quantise",
            value="activations are codes already",
            allowed="a float program",
            remedy="compile the model with float activations first",
        )
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
    plan = make_plan(graph, native.kernels(), target, strategy, grouping=_GROUPING)
    artifact = Artifact(graph, plan, kept.preprocessing, kept.class_names, provenance)
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
) -> tuple[Program, QuantizationCost]:
    """Quantise the program compiled from a source, and measure what that costs.

    Measured on the source's test samples, with its labels; without them on the calibration data,
    with the labels it brings.
    """
    found = _calibration_samples(source, program, request)
    activations = QuantizedActivations(
        found.images, request.bits, request.method, float_layers=request.float_layers
    )
    quantized = quantize_program(program, activations, strategy=strategy)
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


def read_calibration(data: Path, described: Artifact, most: int = MOST_SAMPLES) -> Samples:
    """Up to ``most`` samples, evenly spaced, as the described network wants them.

    data: a run folder, whose training images they are; a folder of images; a .npy or .npz file.
    FormatError or ExecutionError naming the file.
    """
    if (data / "summary.json").is_file():
        from signbin.train import load_run  # noqa: PLC0415 - needs torch, which running does not

        return Samples(load_run(data).training_images(most))
    expected, names = described.graph.inputs[0], described.class_names
    return read_samples(data, expected, described.preprocessing, names, most)


def load_source(source: str, seed: int | None = None) -> Source:
    """What ``signbin compile`` and ``compare`` accept: a run folder, a file or ``module:factory``.

    A file is a packed network as ``signbin pack`` writes it. A factory (``package.module:name`` or
    ``file.py:name``) takes no arguments and returns (model, example_inputs). seed picks one of a
    run's seeds; None takes its first.
    """
    if ":" in source and not Path(source).exists():
        return _source_from_factory(source)
    if Path(source).suffix == ".safetensors":
        return _source_from_packed(Path(source))
    from signbin.train import load_run  # noqa: PLC0415 - needs torch, which running does not

    run = load_run(Path(source), seed)
    import torch  # noqa: PLC0415

    card = ModelCard(run.preprocessing, run.class_names, run.provenance)
    example = torch.from_numpy(run.test_images[:2].copy())
    labels = run.test_labels if run.trained else None
    name, images = Path(source).name, run.test_images
    return Source(name, run.model, (example,), card, images, labels, run.training_images)


def _source_from_packed(path: Path) -> Source:
    from signbin.train import load_packed  # noqa: PLC0415 - needs torch, which running does not

    packed = load_packed(path)
    card = ModelCard(packed.preprocessing, packed.class_names, packed.provenance)
    return Source(path.stem, packed.model, (packed.example,), card)


def compare_source(
    source: Source,
    program: Program,
    *,
    samples: int | None = None,
    tolerance: float | None = None,
) -> Comparison:
    """PyTorch against the interpreter and the compiled program, layer by layer.

    tolerance: None for 1e-4, far above what float32 kernels differ by, or 0.2 where the program's
    activations are codes, for rounding to 7 or 8 bits. Uses the run's whole test split, or its
    first ``samples`` images; a factory's example inputs where there is no test split.
    """
    from signbin.capture import Reference, capture  # noqa: PLC0415 - needs torch

    inputs = source.samples
    if inputs is None:
        inputs = source.example_inputs[0].detach().cpu().numpy()
    graph = capture(source.model, source.example_inputs)
    reference = Reference(source.model, source.example_inputs)
    if tolerance is None:
        tolerance = _CODES_TOLERANCE if _has_codes(program) else _TOLERANCE
    return compare(reference, graph, program, inputs[:samples], tolerance=tolerance)


def _has_codes(program: Program) -> bool:
    return any(node.type.dtype == "u8" for node in program.graph.nodes)


def _source_from_factory(source: str) -> Source:
    module_name, _, factory_name = source.rpartition(":")
    factory = _factory(module_name, factory_name, source)
    made = factory()
    import torch  # noqa: PLC0415

    if (
        not isinstance(made, tuple)
        or len(made) != 2
        or not isinstance(made[0], torch.nn.Module)
        or not isinstance(made[1], tuple)
    ):
        raise SpecError(
            f"what {source} returns",
            value=type(made).__name__,
            allowed="(torch.nn.Module, tuple of example tensors)",
            remedy="return model, (torch.zeros(1, 3, 224, 224),)",
        )
    card = ModelCard(provenance={"source": source})
    return Source(factory_name, made[0], made[1], card)


def _factory(module_name: str, factory_name: str, source: str) -> Callable[[], object]:
    remedy = "write package.module:factory or path/to/file.py:factory"
    try:
        if module_name.endswith(".py"):
            spec = importlib.util.spec_from_file_location(Path(module_name).stem, module_name)
            if spec is None or spec.loader is None:
                raise ImportError(f"not a Python file: {module_name}")
            module = importlib.util.module_from_spec(spec)
            sys.modules.setdefault(spec.name, module)
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(module_name)
    except (ImportError, OSError, SyntaxError) as error:
        raise SpecError("model source", value=source, reason=str(error), remedy=remedy) from error
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        raise SpecError(
            f"model source: {module_name} has no function {factory_name!r}",
            value=source,
            remedy=remedy,
        )
    return factory  # type: ignore[no-any-return]  # callable() is all that can be known here
