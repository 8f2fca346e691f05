"""The doors joined: model -> capture -> passes -> plan -> artifact -> Program.

torch is imported only by the calls that are given a torch model or a training run.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import signbin
from signbin import native
from signbin.artifact import Artifact
from signbin.diagnose import Comparison, compare
from signbin.errors import SpecError
from signbin.ir import Graph
from signbin.passes import lower
from signbin.plan import Strategy, Target, make_plan
from signbin.runtime import Program
from signbin.spec import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["ModelCard", "Source", "compare_source", "compile", "compile_graph", "load_source"]


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """What travels with a model: how to prepare its input and how to name its outputs."""

    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] = ()
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A model to compile, with the inputs to capture it by and (for runs) its test samples.

    samples: float32 (N, C, H, W), or None where the source brings none.
    """

    name: str
    model: nn.Module
    example_inputs: tuple[Tensor, ...]
    card: ModelCard
    samples: NDArray[np.float32] | None = None


def compile(
    model: nn.Module,
    example_inputs: tuple[Tensor, ...],
    *,
    card: ModelCard | None = None,
    isa: str = "auto",
    strategy: Strategy | None = None,
) -> Program:
    """Compile a trained ``torch.nn.Module`` for this CPU; ``program.save(path)`` keeps it.

    example_inputs: one tensor (N, C, H, W) in a tuple; only its shape and dtype matter, and the
    program accepts any batch. Quantised layers are recognised from their values, whoever
    trained them. isa: ``auto`` or a name from ``signbin doctor``. strategy: None lets the
    planner choose per layer; a Strategy forces it wherever it can serve.

    Raises CaptureError (naming every unsupported layer), PlanError or ExecutionError.
    """
    from signbin.capture import capture  # noqa: PLC0415 - needs torch, which running does not

    return compile_graph(capture(model, example_inputs), card=card, isa=isa, strategy=strategy)


def compile_graph(
    graph: Graph,
    *,
    card: ModelCard | None = None,
    isa: str = "auto",
    strategy: Strategy | None = None,
) -> Program:
    """Compile a captured graph: lower it, plan every layer, pack for this CPU."""
    card = card or ModelCard()
    isa = native.resolve_isa(isa)
    lowered = lower(graph)
    plan = make_plan(lowered, native.kernels(), Target.from_cpu(native.cpu(), isa), strategy)
    provenance = {"signbin": signbin.__version__, **card.provenance}
    artifact = Artifact(lowered, plan, card.preprocessing, card.class_names, provenance)
    return Program(artifact, isa=isa, strategy=strategy)


def load_source(source: str, seed: int | None = None) -> Source:
    """What ``signbin compile`` and ``compare`` accept: a run folder or ``module:factory``.

    A factory (``package.module:name`` or ``file.py:name``) takes no arguments and returns
    (model, example_inputs). seed picks one of a run's seeds; None takes its first.
    """
    if ":" in source and not Path(source).exists():
        return _source_from_factory(source)
    from signbin.train import load_run  # noqa: PLC0415 - needs torch, which running does not

    run = load_run(Path(source), seed)
    import torch  # noqa: PLC0415

    card = ModelCard(run.preprocessing, run.class_names, run.provenance)
    example = torch.from_numpy(run.test_images[:2].copy())
    return Source(Path(source).name, run.model, (example,), card, run.test_images)


def compare_source(
    source: Source, program: Program, *, samples: int | None = None, tolerance: float = 1e-4
) -> Comparison:
    """PyTorch against the interpreter and the compiled program, layer by layer.

    Uses the run's whole test split, or its first ``samples`` images; a factory's example
    inputs where there is no test split.
    """
    from signbin.capture import Reference, capture  # noqa: PLC0415 - needs torch

    inputs = source.samples
    if inputs is None:
        inputs = source.example_inputs[0].detach().cpu().numpy()
    graph = capture(source.model, source.example_inputs)
    reference = Reference(source.model, source.example_inputs)
    return compare(reference, graph, program, inputs[:samples], tolerance=tolerance)


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
