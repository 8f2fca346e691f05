"""Verbs that count and estimate: what a model would cost, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signbin.cli.arguments import parse_input_shapes
from signbin.cli.options import (
    AcceleratorName,
    Accelergy,
    ActivationDensity,
    AllLayers,
    AsJson,
    Compare,
    Config,
    Density,
    Dram,
    DrawSeed,
    EnergySource,
    Force,
    Gemm,
    InputShape,
    Measure,
    Pattern,
    Picture,
    Prices,
    SampleFiles,
    Sweep,
)
from signbin.cli.output import show

__all__ = ["analyze", "energy"]


def energy(
    source: EnergySource = None,
    *,
    gemm: Gemm = None,
    density: Density = None,
    pattern: Pattern = "auto",
    accelerator: AcceleratorName = "sigma",
    config: Config = None,
    table: Prices = None,
    dram: Dram = False,
    compare: Compare = False,
    samples: SampleFiles = None,
    activation_density: ActivationDensity = None,
    all_layers: AllLayers = False,
    input_shape: InputShape = None,
    sweep: Sweep = None,
    seed: DrawSeed = 0,
    measure: Measure = False,
    output: Picture = None,
    accelergy: Accelergy = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Estimate cycles and energy on an accelerator; every figure says how it was made."""
    from signbin import report
    from signbin.verbs import energy as rooms

    paths, planned = tuple(samples or ()), accelerator == "cpu"
    asked = rooms.SubjectRequest(
        source,
        gemm,
        density,
        pattern,
        seed,
        paths,
        all_layers,
        planned,
        measure,
        parse_input_shapes(input_shape),
    )
    request = rooms.EnergyRequest(
        rooms.read_subject(asked), accelerator, config, table, dram, activation_density, compare
    )
    if sweep:
        rooms.refuse_with_sweep(
            {"--compare": compare, "--measure": measure, "-o": output, "--accelergy": accelergy}
        )
        with report.counted_progress("estimates") as progress:
            document = rooms.sweep_json(request, sweep, progress)
    else:
        document, texts = rooms.estimate_json(asked, request)
        shown = rooms.in_readable_units(document)
        report.write_energy(shown, texts, output, accelergy, overwrite=force)
    show(document, report.energy_view(rooms.in_readable_units(document)), as_json)


def analyze(
    source: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="A .sbn file, a source such as ONNX, .npy weights."),
    ],
    *,
    seed: Annotated[int | None, typer.Option(help="Which network of a run; the first.")] = None,
    input_shape: InputShape = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PICTURE.svg", help="Patterns and work, drawn."),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Say what repetition and zeros a model offers, and what every engine would make of them."""
    from signbin import report
    from signbin.verbs.analyze import analyze_json

    shapes = parse_input_shapes(input_shape)
    if output is not None:
        report.require_free([output], overwrite=force)
    with report.counted_progress("layers") as progress:
        document = analyze_json(source, seed=seed, input_shapes=shapes, progress=progress)
    if output is not None:
        report.write_trade_off(document, output, overwrite=force)
    show(document, report.trade_off_view(document), as_json)
