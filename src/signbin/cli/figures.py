"""Verbs that measure, estimate and report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signbin.cli.options import (
    Accelerator,
    Accelergy,
    ActivationDensity,
    AllLayers,
    AsJson,
    Asked,
    Batch,
    Compare,
    Config,
    Density,
    Dram,
    DrawSeed,
    FloatModel,
    Force,
    Gemm,
    Isa,
    Measure,
    ModelFile,
    NoJit,
    Pattern,
    PeerCalibrate,
    PeerIsa,
    PeerPython,
    Picture,
    Prices,
    Samples,
    Sweep,
    Threads,
)
from signbin.cli.output import command_line, note, now, show
from signbin.version import VERSION

__all__ = ["analyze", "bench", "doctor", "energy", "profile", "report_runs"]


def energy(
    source: Asked = None,
    *,
    gemm: Gemm = None,
    density: Density = None,
    pattern: Pattern = "auto",
    accelerator: Accelerator = "sigma",
    config: Config = None,
    table: Prices = None,
    dram: Dram = False,
    compare: Compare = False,
    samples: Samples = None,
    activation_density: ActivationDensity = None,
    all_layers: AllLayers = False,
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
    asked = rooms.Asked(source, gemm, density, pattern, seed, paths, all_layers, planned, measure)
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
        Path, typer.Argument(metavar="MODEL", help="A run folder, a .sbn file or .npy weights.")
    ],
    *,
    seed: Annotated[int | None, typer.Option(help="Which network of a run; the first.")] = None,
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

    if output is not None:
        report.require_free([output], overwrite=force)
    with report.counted_progress("layers") as progress:
        document = analyze_json(source, seed=seed, progress=progress)
    if output is not None:
        report.write_trade_off(document, output, overwrite=force)
    show(document, report.trade_off_view(document), as_json)


def bench(
    model: ModelFile,
    *,
    against: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Engines to race; a wrong name lists them."),
    ] = None,
    threads: Threads = 1,
    isa: Isa = "auto",
    no_jit: NoJit = False,
    batch: Batch = 1,
    rounds: Annotated[int, typer.Option(help="Turns of every engine.")] = 10,
    calm: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help="Before every turn wait for cores nobody else uses, so long in all at most.",
        ),
    ] = 0.0,
    calibrate: PeerCalibrate = None,
    float_model: FloatModel = None,
    peer_isa: PeerIsa = "auto",
    peer_python: PeerPython = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="BENCH.json", help="Keep the record.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Time a compiled model, paired with other engines on the same network."""
    from signbin import measure, report
    from signbin.report.console import bench_table
    from signbin.verbs import bench as race

    request = race.BenchRequest(
        model=model,
        against=tuple(against.split(",")) if against is not None else (),
        threads=threads,
        isa=isa,
        jit=not no_jit,
        batch=batch,
        schedule=measure.Schedule(rounds=rounds, calm_s=calm),
        calibration=calibrate,
        float_model=float_model,
        peer_isa=peer_isa,
        peer_python=dict(map(race.parse_peer_python, peer_python or ())),
    )
    if output is not None:
        report.require_free([output], overwrite=force)
    found = race.bench(request).to_json()
    if output is not None:
        report.write_json(output, found, overwrite=force)
    show(found, bench_table(found), as_json)


def profile(
    model: ModelFile,
    *,
    threads: Threads = 1,
    isa: Isa = "auto",
    no_jit: NoJit = False,
    batch: Batch = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Runs to take the median of.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Time every layer of a compiled model, beside its strategy and the reason for it."""
    from signbin import runtime
    from signbin.report.console import profile_table
    from signbin.verbs.profile import profile as measure_profile

    program = runtime.Program.load(model, isa=isa, threads=threads, jit=not no_jit)
    found = measure_profile(program, batch=batch, repeats=repeats).to_json()
    document = {
        "model": program.graph.name,
        "isa": program.isa,
        "threads": program.threads,
        "code_bytes": program.code_bytes,
        **found,
    }
    show(document, profile_table(document), as_json)


def doctor(as_json: AsJson = False) -> None:
    """Check that this machine can train, compile and run; exits 1 where something fails."""
    from signbin import diagnose
    from signbin.report.console import checks_table

    checks = [check.to_json() for check in diagnose.doctor()]
    show({"checks": checks}, checks_table(checks), as_json)
    if any(check["status"] == "fail" for check in checks):
        raise typer.Exit(1)


def report_runs(
    context: typer.Context,
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    *,
    model: Annotated[
        Path | None, typer.Option(metavar="MODEL.sbn", help="The model compiled from the first.")
    ] = None,
    comparison: Annotated[
        Path | None, typer.Option(metavar="COMPARE.json", help="From 'compare --json'.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="REPORT.html", help="The page.")
    ] = Path("report.html"),
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write one self-contained HTML page about runs, and its data as JSON beside it."""
    from signbin import artifact, report
    from signbin.documents import to_document
    from signbin.report.console import kinds_table

    described = None
    if model is not None:
        opened = artifact.read(model)
        described = report.describe_model(
            model, opened, artifact.stored_bytes(opened.graph.constants)
        )
    made = report.make_report(
        [report.read_training(folder) for folder in runs],
        described,
        report.read_comparison(comparison) if comparison else None,
        report.Making(now(), VERSION, command_line(context)),
    )
    page, data = report.write_report(made, output, overwrite=force)
    show(to_document(made), kinds_table(made.kinds), as_json)
    note(f"wrote {page} and {data}")
