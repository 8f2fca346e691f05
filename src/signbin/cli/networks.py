"""Verbs that make, compile, run and check networks."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from signbin.cli.arguments import (
    compiled_seed,
    parse_activations,
    parse_autotune,
    parse_choice,
    parse_fallback,
    parse_input_shapes,
    parse_seeds,
    parse_strategy,
    parse_target,
)
from signbin.cli.options import (
    Activations,
    AsJson,
    AutotuneCache,
    AutotuneFlag,
    AutotuneSeconds,
    Calibrate,
    CalibrationMethodName,
    CalibrationSamples,
    FallbackName,
    FloatLayers,
    Force,
    InputShape,
    Isa,
    Jit,
    ModelFile,
    SourceText,
    TargetName,
)
from signbin.cli.output import command_line, note, show
from signbin.cli.progress import compiling_progress, measuring_progress
from signbin.errors import CaptureError
from signbin.run_folders import expect_no_run
from signbin.shipped import RECIPES

if TYPE_CHECKING:
    from signbin.diagnose import QuantizationCost
    from signbin.hybrid import HybridProgram
    from signbin.plan import Strategy, Target
    from signbin.runtime import Program
    from signbin.verbs.source import Source

__all__ = ["compare", "compile_model", "new", "run", "train"]


def train(
    context: typer.Context,
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A recipe's name, or a YAML file.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Run folder.")],
    *,
    weights: Annotated[
        str | None, typer.Option(help="signed_binary, binary, ternary or float.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(metavar="0,1,2", help="One network each.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any key of the recipe.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue where it stopped.")] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Train a network once per seed and leave everything in a run folder."""
    RECIPES.expect(recipe)  # before torch is loaded, which takes seconds
    if not (resume or force):
        expect_no_run(output)
    from signbin import report
    from signbin.report.console import kinds_table
    from signbin.train import load_recipe, parse_override
    from signbin.train import train as train_run
    from signbin.verbs.costs import Planned

    overrides = dict(parse_override(text) for text in settings or ())
    given = {"weights": weights, "seeds": parse_seeds(seeds), "epochs": epochs}
    overrides |= {key: value for key, value in given.items() if value is not None}
    config, command = load_recipe(recipe, overrides), command_line(context)
    result = train_run(
        config, output, resume=resume, force=force, command=command, pricing=Planned()
    )
    if not result.wrote:  # one of several processes under torchrun
        return
    kind = report.kind_of(report.read_training(output))
    show(result.summary, kinds_table([kind]), as_json)
    note(f"wrote {output}; compile it with: signbin compile {output} -o model.sbn")


def new(
    name: Annotated[str, typer.Argument(metavar="ARCH", help="A network, as resnet18.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Run folder.")],
    *,
    weights: Annotated[
        str, typer.Option(help="signed_binary, binary, ternary or float.")
    ] = "signed_binary",
    density: Annotated[float, typer.Option(help="Share of non-zero weights.")] = 0.35,
    classes: Annotated[int | None, typer.Option(help="Default: the network's own.")] = None,
    seed: Annotated[int, typer.Option(help="Of all weights.")] = 0,
    image_size: Annotated[int | None, typer.Option(help="Height and width in pixels.")] = None,
    block_style: Annotated[str, typer.Option(help="plain or paper.")] = "plain",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make a network for benchmarks, without training: random weights of a given density."""
    from signbin.report.console import new_network_table
    from signbin.spec import ValueSet
    from signbin.train import BenchmarkNetwork, BlockStyle, new_network

    kind = parse_choice(ValueSet, "--weights", weights)
    style = parse_choice(BlockStyle, "--block-style", block_style)
    wanted = BenchmarkNetwork(name, kind, density, classes, seed, image_size, style)
    if wanted.ignores_density:
        note(f"{weights} weights have no zeros: --density is ignored")
    summary = new_network(wanted, output, force=force)
    show(summary, new_network_table(summary), as_json)
    note(f"wrote {output}, untrained; compile it with: signbin compile {output} -o model.sbn")


def compile_model(
    context: typer.Context,
    source: SourceText,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MODEL.sbn", help="File.")],
    seed: Annotated[int | None, typer.Option(help="Default: the run's first.")] = None,
    strategy: Annotated[
        str | None, typer.Option(help="Force dense or bucket where it can serve.")
    ] = None,
    input_shape: InputShape = None,
    isa: Isa = "auto",
    target: TargetName = None,
    activations: Activations = "float",
    calibrate: Calibrate = None,
    calibration_method: CalibrationMethodName = None,
    calibration_samples: CalibrationSamples = None,
    float_layers: FloatLayers = None,
    autotune: AutotuneFlag = False,
    autotune_cache: AutotuneCache = None,
    autotune_seconds: AutotuneSeconds = None,
    free_sizes: Annotated[
        bool, typer.Option("--free-sizes", help="Take images of any height and width.")
    ] = False,
    fallback: FallbackName = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Compile a trained network for this CPU; says per layer how it will run and why."""
    from signbin import report
    from signbin.verbs import compile as compiling

    report.require_free([output], overwrite=force)
    measuring = parse_autotune(autotune, autotune_cache, autotune_seconds)
    asked = parse_activations(
        activations, calibrate, calibration_method, calibration_samples, float_layers
    )
    forced, other, cost = parse_strategy(strategy), parse_fallback(fallback, free_sizes), None
    machine = parse_target(target, measured=autotune, in_parts=other is not None)
    with compiling_progress() as watch:
        found = _recorded(context, source, seed, parse_input_shapes(input_shape))
        if other is not None:
            options = compiling.CompileOptions(isa, forced, None, measuring)
            made = compiling.fall_back(found, options, other, asked, watch)
            made.save(output, overwrite=force)
            _show_fallback(output, made, as_json)
            return
        with _naming_fallback():
            program = compiling.compile_source(
                found, isa=isa, strategy=forced, free_sizes=free_sizes, split=not asked, watch=watch
            )
        if asked is not None:
            program, cost = compiling.quantize_source(
                found, program, asked, strategy=forced, watch=watch
            )
    if measuring is not None:
        with measuring_progress(measuring) as watched:
            program = compiling.tune_program(program, watched, strategy=forced)
    _show_compiled(output, _save(program, output, machine, forced, force), cost, as_json)


def _save(
    program: Program, path: Path, target: Target | None, strategy: Strategy | None, force: bool
) -> int:
    """Write a program, planned for another machine where one is named; the bytes of its values."""
    from signbin import artifact
    from signbin.verbs.compile import planned_for

    if target is None:
        program.save(path, overwrite=force)
        return program.arena_bytes
    planned, arena_bytes = planned_for(program, target, strategy=strategy)
    artifact.write(path, planned, overwrite=force)
    note(f"planned for {target}; other machines, this one too, plan for themselves")
    return arena_bytes


@contextlib.contextmanager
def _naming_fallback() -> Iterator[None]:
    """Where layers are refused, the option that runs the network all the same."""
    try:
        yield
    except CaptureError as error:
        if error.findings:
            note("all of it runs with what is refused in ONNX Runtime: --fallback onnxruntime")
        raise


def _recorded(
    context: typer.Context, source: str, seed: int | None, shapes: dict[str, tuple[int, ...]]
) -> Source:
    """The source, whose card says by which command it is compiled."""
    from signbin.verbs.source import load_source

    found = load_source(source, seed, shapes)
    recorded = {**found.card.provenance, "command": command_line(context)}
    card = dataclasses.replace(found.card, provenance=recorded)
    return dataclasses.replace(found, card=card)


def _show_fallback(path: Path, program: Program | HybridProgram, as_json: bool) -> None:
    """Parts, engines and reasons; of a network that signbin runs alone, its layers and why."""
    from signbin.documents import to_document
    from signbin.hybrid import HybridProgram
    from signbin.report import words
    from signbin.report.parts_table import parts_view

    if not isinstance(program, HybridProgram):
        _show_compiled(path, program.arena_bytes, None, as_json)
        note(program.artifact.provenance["fallback"])
        return
    size = path.stat().st_size
    document = {**to_document(program.network), "size_bytes": size}
    show(document, parts_view(document), as_json)
    note(f"wrote {path}: {words.size(size)}")


def _show_compiled(
    path: Path, arena_bytes: int, cost: QuantizationCost | None, as_json: bool
) -> None:
    """The layers of a file that was just written, and what its codes cost."""
    from signbin import artifact, report
    from signbin.documents import to_document
    from signbin.report.console import compiled_view

    opened = artifact.read(path)
    stored = artifact.stored_bytes(opened.graph.constants)
    model = report.describe_model(path, opened, stored, arena_bytes)
    document = to_document(model)
    if cost is not None:
        document["quantization"] = cost.to_json()
    show(document, compiled_view(model.layers, document.get("quantization")), as_json)
    note(f"wrote {path}: {report.words.size(model.size_bytes)}")


def run(
    model: ModelFile,
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="Images, or .npy (N,C,H,W) or (C,H,W).")
    ],
    *,
    top: Annotated[int, typer.Option(help="Classes to name per input.")] = 3,
    isa: Isa = "auto",
    jit: Jit = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT.npy", help="Keep raw outputs.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Classify images with a compiled model."""
    from signbin import report, runtime
    from signbin.report.console import predictions_table
    from signbin.verbs.opening import facing, open_any

    if output is not None:
        report.require_free([output], overwrite=force)
    program = open_any(model, isa=isa, jit=jit)
    seen = facing(program)
    names, images = runtime.read_inputs(inputs, seen.preprocessing, seen.given)
    scores = program(images)
    predictions = report.rank(names, scores, seen.class_names, top)
    if output is not None:
        report.write_array(output, scores, overwrite=force)
    show(report.predictions_json(predictions), predictions_table(predictions), as_json)


def compare(
    source: SourceText,
    model: ModelFile,
    *,
    seed: Annotated[int | None, typer.Option(help="Default: the compiled one.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Default: the test split.")] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(help="Largest relative error. Default: 1e-4; with 8-bit activations 0.2."),
    ] = None,
    min_agreement: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="Smallest share of equal classes. Default: 1; 8-bit 0.95."
        ),
    ] = None,
    input_shape: InputShape = None,
    isa: Isa = "auto",
    jit: Jit = None,
    as_json: AsJson = False,
) -> None:
    """PyTorch, ONNX Runtime, interpreter, compiled model layer by layer; exits 1 if outside."""
    from signbin import report
    from signbin.report.console import comparison_view
    from signbin.verbs.compare import compare_source, gate
    from signbin.verbs.opening import open_any
    from signbin.verbs.source import load_source

    program = open_any(model, isa=isa, jit=jit)
    shapes = parse_input_shapes(input_shape)
    opened = load_source(source, compiled_seed(program) if seed is None else seed, shapes)
    found = compare_source(
        opened, program, samples=samples, tolerance=tolerance, min_agreement=min_agreement
    )
    comparison = report.from_json(report.ReportedComparison, found.to_json(), "comparison")
    show(found.to_json(), comparison_view(comparison), as_json)
    gate(found)
