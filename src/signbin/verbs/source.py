"""Where a model to compile comes from: an ONNX file, a run folder, a packed file, or a function.

torch is imported only by the calls that read one of the last three, onnx by those that read ONNX.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError
from signbin.ir import Value
from signbin.runtime import Samples, read_samples
from signbin.spec import Preprocessing
from signbin.verbs.recognition import SourceKind, expect_readable

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor, nn
    from torch.export import ExportedProgram

__all__ = [
    "MOST_SAMPLES",
    "Examples",
    "Model",
    "ModelCard",
    "Source",
    "as_source",
    "is_onnx",
    "load_source",
    "read_calibration",
]

Model: TypeAlias = "nn.Module | ExportedProgram | ModelProto"
Examples: TypeAlias = "tuple[Tensor | NDArray[Any], ...]"

_OURS: Final = (
    *(__file__, importlib.__file__),
    *("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>"),
)
MOST_SAMPLES: Final = 256
"""Of a data set, evenly spaced, that calibration looks at where nothing else is said."""


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """What travels with a model: how to prepare its input and how to name its outputs."""

    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] = ()
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A model to compile, with the inputs to capture it by and (for runs) its samples.

    model: a ``torch.nn.Module`` or an ``onnx.ModelProto``. example_inputs: tensors for the first,
    arrays for the second, all inputs in order; none where an ONNX model states its extents.
    samples: of the test part, float32 (N, C, H, W); labels: their classes, int64 (N,), None for
    networks that were not trained; training: up to so many samples of the training part. None
    where the source brings none.
    """

    name: str
    model: Model
    example_inputs: Examples
    card: ModelCard
    samples: NDArray[np.float32] | None = None
    labels: NDArray[np.int64] | None = None
    training: Callable[[int], NDArray[np.float32]] | None = None


def is_onnx(model: object) -> TypeGuard[ModelProto]:
    """Whether it is an ``onnx.ModelProto``; where onnx was never imported, nothing is one."""
    onnx = sys.modules.get("onnx")
    return onnx is not None and isinstance(model, onnx.ModelProto)


def _is_exported_program(model: object) -> TypeGuard[ExportedProgram]:
    export = sys.modules.get("torch.export")
    return export is not None and isinstance(model, export.ExportedProgram)


def as_source(
    model: Model | str | os.PathLike[str],
    example_inputs: Examples | None = None,
    card: ModelCard | None = None,
) -> Source:
    """What :func:`signbin.compile` was given as a source.

    model: a module, which needs example_inputs; what torch.export made of one; a ModelProto; or
    what :func:`load_source` reads.
    example_inputs: of an ONNX model only their shapes count. SpecError for a module without them.
    """
    if isinstance(model, (str, os.PathLike)):
        loaded = load_source(os.fspath(model))
        given = loaded.example_inputs if example_inputs is None else tuple(example_inputs)
        return dataclasses.replace(loaded, example_inputs=given, card=card or loaded.card)
    if is_onnx(model):
        return Source(
            model.graph.name or "model", model, tuple(example_inputs or ()), card or ModelCard()
        )
    if _is_exported_program(model):
        from signbin.capture import module_of  # noqa: PLC0415 - torch is imported already

        module, examples = module_of(model)
        return Source("model", module, tuple(example_inputs or examples), card or ModelCard())
    if example_inputs is None:
        raise SpecError(
            "example_inputs",
            value=None,
            allowed="a tuple of tensors, for a torch.nn.Module",
            remedy="pass (torch.zeros(1, 3, 224, 224),) in the shape of the model's input",
        )
    return Source("model", model, example_inputs, card or ModelCard())


def load_source(
    source: str, seed: int | None = None, input_shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Source:
    """What ``signbin compile`` and ``compare`` accept; which it is, its content says.

    An ONNX file; a ``.pt2`` archive of torch.export.save; a run folder; a packed network as
    ``signbin pack`` writes it; an experiment folder of the public PLUM code; or a factory
    (``package.module:name`` or ``file.py:name``), which takes no arguments and returns (model,
    example_inputs). seed picks one of a run's seeds; None takes its first. input_shapes: for
    inputs whose extents an ONNX file leaves open, those after the batch; of PLUM's, x.
    SpecError for anything else, by what it is.
    """
    kind = expect_readable(source)
    if kind is SourceKind.ONNX:
        return _source_from_onnx(Path(source), input_shapes or {})
    if kind is SourceKind.PLUM:
        return _source_from_plum(Path(source), input_shapes or {})
    if input_shapes:
        raise SpecError(
            "--input-shape",
            value=", ".join(input_shapes),
            allowed="only for an ONNX file and an experiment folder of PLUM",
            remedy="the extents of other models are those of their example inputs",
        )
    if kind is SourceKind.FACTORY:
        return _source_from_factory(source)
    if kind is SourceKind.PACKED:
        return _source_from_packed(Path(source))
    if kind is SourceKind.ARCHIVE:
        return _source_from_archive(Path(source))
    return _source_from_run(Path(source), seed)


def _source_from_run(path: Path, seed: int | None) -> Source:
    from signbin.train import load_run  # noqa: PLC0415 - needs torch, which running does not

    run = load_run(path, seed)
    import torch  # noqa: PLC0415

    card = ModelCard(run.preprocessing, run.class_names, run.provenance)
    example = torch.from_numpy(run.test_images[:2].copy())
    labels = run.test_labels if run.trained else None
    name, images = path.name, run.test_images
    return Source(name, run.model, (example,), card, images, labels, run.training_images)


def _source_from_onnx(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Source:
    from signbin.onnx_reader import load_onnx  # noqa: PLC0415 - an extra
    from signbin.verbs.onnx_inputs import example_arrays  # noqa: PLC0415

    model = load_onnx(path)
    made = " ".join(filter(None, (model.producer_name, model.producer_version)))
    provenance = {"source": str(path), **({"producer": made} if made else {})}
    examples = example_arrays(model, shapes)
    return Source(path.stem, model, examples, ModelCard(provenance=provenance))


def _source_from_archive(path: Path) -> Source:
    from signbin.capture import load_archive, module_of  # noqa: PLC0415 - needs torch

    model, examples = module_of(load_archive(path))
    return Source(path.stem, model, examples, ModelCard(provenance={"source": str(path)}))


def _source_from_plum(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Source:
    from signbin.train import load_plum  # noqa: PLC0415 - needs torch

    if not set(shapes) <= {"x"}:
        raise SpecError("--input-shape", value=", ".join(shapes), allowed="x, the only input")
    found = load_plum(path, shapes.get("x"))
    card = ModelCard(found.preprocessing, provenance=found.provenance)
    return Source(path.resolve().name, found.model, (found.example,), card)


def _source_from_packed(path: Path) -> Source:
    from signbin.train import load_packed  # noqa: PLC0415 - needs torch, which running does not

    packed = load_packed(path)
    card = ModelCard(packed.preprocessing, packed.class_names, packed.provenance)
    return Source(path.stem, packed.model, (packed.example,), card)


def _source_from_factory(source: str) -> Source:
    module_name, _, factory_name = source.rpartition(":")
    factory = _factory(module_name, factory_name, source)
    try:
        made = factory()
    except Exception as error:  # whatever their code raises
        raise _their_error(error, source) from error
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


def _their_error(error: Exception, source: str) -> SpecError:
    """Our sentence, with their traceback as its note: from the first line that is theirs."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename in _OURS:
        frames = frames.tb_next
    raised = SpecError(
        "model source, whose own code failed",
        value=source,
        reason=f"{type(error).__name__}: {error}",
        remedy="mend it there",
    )
    raised.add_note("".join(traceback.format_exception(type(error), error, frames)))
    return raised


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
    except Exception as error:  # whatever their code raises
        raise _their_error(error, source) from error
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        names = [name for name, each in vars(module).items() if callable(each)]
        close = difflib.get_close_matches(factory_name, names, 3)
        meant = " or ".join(f"{module_name}:{name}" for name in close)
        raise SpecError(
            f"model source: {module_name} has no function {factory_name!r}",
            value=source,
            remedy=f"did you mean {meant}?" if close else remedy,
        )
    return factory  # type: ignore[no-any-return]  # callable() is all that can be known here


def read_calibration(
    data: Path, expected: Value, card: ModelCard, most: int = MOST_SAMPLES
) -> Samples:
    """Up to ``most`` samples, evenly spaced, as the network of that input and card wants them.

    data: a run folder, whose training images they are; a folder of images; a .npy or .npz file.
    FormatError or ExecutionError naming the file.
    """
    if (data / "summary.json").is_file():
        from signbin.train import load_run  # noqa: PLC0415 - needs torch, which running does not

        return Samples(load_run(data).training_images(most))
    return read_samples(data, expected, card.preprocessing, card.class_names, most)
