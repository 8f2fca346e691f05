"""Verbs that measure on this machine."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signbin.cli.arguments import parse_input_shapes
from signbin.cli.options import (
    AsJson,
    BatchSize,
    FloatModel,
    Force,
    InputShape,
    Isa,
    Jit,
    ModelOrSource,
    PeerCalibrate,
    PeerIsa,
    PeerPython,
    Threads,
)
from signbin.cli.output import note, show
from signbin.cli.progress import compiling_progress

if TYPE_CHECKING:
    from signbin.verbs.bench import BenchRequest

__all__ = ["bench", "doctor", "profile"]


def bench(
    model: ModelOrSource,
    *,
    against: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Engines to race; a wrong name lists them."),
    ] = None,
    threads: Threads = 1,
    isa: Isa = "auto",
    jit: Jit = None,
    batch: BatchSize = 1,
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
    input_shape: InputShape = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="BENCH.json", help="Keep the record.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Time a model, paired with other engines on the same network.

    An engine that fails is a line that says why; exits 1 where all do.
    """
    from signbin import measure, report
    from signbin.report.console import bench_view
    from signbin.verbs import bench as race

    request = race.BenchRequest(
        model=model,
        against=tuple(against.split(",")) if against is not None else (),
        threads=threads,
        isa=isa,
        jit=jit,
        batch=batch,
        schedule=measure.Schedule(rounds=rounds, calm_s=calm),
        calibration=calibrate,
        float_model=float_model,
        peer_isa=peer_isa,
        peer_python=dict(map(race.parse_peer_python, peer_python or ())),
    )
    report.require_free([output] if output else [], overwrite=force)
    found = _raced(request, input_shape)
    if output is not None:
        report.write_json(output, found, overwrite=force)
    show(found, bench_view(found), as_json)
    for name, why in found["failures"].items():
        note(f"{name} did not race: {why}")
    if request.against and not found["peers"]:
        raise typer.Exit(1)


def _raced(request: BenchRequest, input_shape: list[str] | None) -> dict[str, Any]:
    """The record of a race; what is no .sbn file is compiled first."""
    from signbin.verbs.bench import bench
    from signbin.verbs.opening import compiled_file

    with contextlib.ExitStack() as stack:
        with compiling_progress() as watch:
            shapes = parse_input_shapes(input_shape)
            file = compiled_file(request.model, isa=request.isa, input_shapes=shapes, watch=watch)
            made = stack.enter_context(file)
        return bench(dataclasses.replace(request, model=made)).to_json()


def profile(
    model: ModelOrSource,
    *,
    threads: Threads = 1,
    isa: Isa = "auto",
    jit: Jit = None,
    batch: BatchSize = 1,
    input_shape: InputShape = None,
    repeats: Annotated[int, typer.Option(min=1, help="Runs to take the median of.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Time every layer of a model, beside its strategy and the reason for it."""
    from signbin.hybrid import HybridProgram
    from signbin.report.console import profile_view
    from signbin.report.parts_table import part_times_table
    from signbin.verbs.opening import open_any
    from signbin.verbs.profile import profile as measure_profile
    from signbin.verbs.profile import profile_parts

    with compiling_progress() as watch:
        shapes = parse_input_shapes(input_shape)
        program = open_any(
            model, isa=isa, threads=threads, jit=jit, input_shapes=shapes, watch=watch
        )
    if isinstance(program, HybridProgram):
        parts = profile_parts(program, batch=batch, repeats=repeats)
        show(parts, part_times_table(parts), as_json)
        return
    found = measure_profile(program, batch=batch, repeats=repeats).to_json()
    document = {
        "model": program.graph.name,
        "isa": program.isa,
        "threads": program.threads,
        "code_bytes": program.code_bytes,
        **found,
    }
    show(document, profile_view(document), as_json)


def doctor(as_json: AsJson = False) -> None:
    """Check that this machine can train, compile and run; exits 1 where something fails."""
    from signbin import diagnose
    from signbin.report.console import checks_table

    checks = [check.to_json() for check in diagnose.doctor()]
    show({"checks": checks}, checks_table(checks), as_json)
    if any(check["status"] == "fail" for check in checks):
        raise typer.Exit(1)
