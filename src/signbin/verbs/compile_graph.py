"""From a graph to a program: lowered, planned, packed; then calibrated, then tuned, as asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from signbin import native
from signbin.artifact import Artifact
from signbin.calibrate import CalibrationMethod, QuantizedActivations, calibrate
from signbin.errors import SpecError
from signbin.ir import Graph
from signbin.passes import lower, quantize_activations, split_coded_groups, split_groups
from signbin.plan import GroupSearch, Strategy, Target, make_plan
from signbin.runtime import Program
from signbin.runtime.build import values_bytes
from signbin.spec import ActivationSpec
from signbin.tune import Autotune
from signbin.tune import autotune as measured_plan
from signbin.verbs.source import ModelCard
from signbin.version import VERSION

__all__ = [
    "CompileOptions",
    "Watcher",
    "compile_graph",
    "compile_with",
    "planned_for",
    "quantize_program",
    "silent",
    "tune_program",
]

Watcher: TypeAlias = Callable[[str], None]
"""Told in words what a compilation begins."""


def silent(_begins: str) -> None:
    """A watcher that says nothing."""


_GROUPING: Final = GroupSearch(seconds=5.0)  # per layer; 512 x 512 x 3 x 3 takes a fifth of one


@dataclasses.dataclass(frozen=True, eq=False)
class CompileOptions:
    """What :func:`signbin.compile` was asked for, once its words are values."""

    isa: str = "auto"
    strategy: Strategy | None = None
    activations: QuantizedActivations | None = None
    autotune: Autotune | None = None


def compile_with(
    options: CompileOptions, graph: Graph, card: ModelCard | None = None, watch: Watcher = silent
) -> Program:
    """A graph compiled, its activations made codes, and tuned, as the options say."""
    strategy, floats = options.strategy, options.activations is None
    program = compile_graph(
        graph, card=card, isa=options.isa, strategy=strategy, split=floats, watch=watch
    )
    if options.activations is not None:
        program = quantize_program(program, options.activations, strategy=strategy, watch=watch)
    if options.autotune is None:
        return program
    return tune_program(program, options.autotune, strategy=strategy)


def compile_graph(
    graph: Graph,
    *,
    card: ModelCard | None = None,
    isa: str = "auto",
    strategy: Strategy | None = None,
    split: bool = True,
    watch: Watcher = silent,
) -> Program:
    """Compile a captured graph: lower it, plan every layer, pack for this CPU.

    Filters of bucket walks are regrouped where their zeros coincide; outputs are the same sums.
    split: linear layers that are low-bit by groups of inputs become sums of low-bit ones;
    :func:`quantize_program` splits them itself.
    """
    card = card or ModelCard()
    isa = native.resolve_isa(isa)
    lowered = split_groups(lower(graph)) if split else lower(graph)
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
    graph = _on_codes(program.graph, specs, activations.float_layers)
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


def _on_codes(
    graph: Graph, specs: Mapping[str, ActivationSpec], float_layers: Sequence[str]
) -> Graph:
    """The graph on codes, layers that are low-bit by groups of inputs as sums of low-bit ones."""
    split, made = split_coded_groups(graph)
    shared = {name: specs[source] for name, source in made.items() if source}
    sums = {name for name, source in made.items() if not source}
    added = [node.name for node in split.nodes if node.name in sums and node.op != "linear"]
    return quantize_activations(split, {**specs, **shared}, (*float_layers, *added))


def planned_for(
    program: Program, target: Target, *, strategy: Strategy | None = None
) -> tuple[Artifact, int]:
    """A program's artifact with a plan for another machine, and the bytes of its values there.

    A machine that is the target runs this plan; every other, this one too, plans for itself.
    """
    plan = make_plan(program.graph, native.kernels(), target, strategy, grouping=_GROUPING)
    planned = dataclasses.replace(program.artifact, plan=plan)
    return planned, values_bytes(program.graph, target.isa, target.code_bytes)


def tune_program(program: Program, how: Autotune, *, strategy: Strategy | None = None) -> Program:
    """The program with the fastest way of running each layer, as measured here on one thread.

    strategy: what the program was compiled with: where it is forced, only its tiles compete. The
    outputs keep their bits where activations are codes.
    """
    artifact = dataclasses.replace(program.artifact, plan=program.plan)
    plan = measured_plan(artifact, program.isa, how, forced=strategy is not None)
    tuned = dataclasses.replace(artifact, plan=plan)
    return Program(tuned, isa=program.isa, threads=program.threads)
