"""The verb that writes pages about runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signbin.cli.options import (
    AsJson,
    Force,
)
from signbin.cli.output import command_line, note, now, show
from signbin.version import VERSION

__all__ = ["report_runs"]


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
        report.ReportOrigin(now(), VERSION, command_line(context)),
    )
    page, data = report.write_report(made, output, overwrite=force)
    show(to_document(made), kinds_table(made.kinds), as_json)
    note(f"wrote {page} and {data}")
