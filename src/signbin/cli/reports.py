"""The verb that writes pages about runs, compiled models and studies."""

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
    given: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN|MODEL.sbn...", help="Run folders and compiled models, side by side."
        ),
    ] = None,
    *,
    model: Annotated[
        list[Path] | None,
        typer.Option(metavar="MODEL.sbn", help="A model compiled from a run; may be repeated."),
    ] = None,
    comparison: Annotated[
        Path | None,
        typer.Option(metavar="COMPARE.json", help="Of the first model, from 'compare --json'."),
    ] = None,
    study: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="The folder of a scale of 'signbin experiment'."),
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Time every layer of the models on this machine.")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="REPORT.html", help="The page.")
    ] = Path("report.html"),
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write one self-contained HTML page about runs and models, and its data as JSON beside it."""
    from signbin import report
    from signbin.documents import to_document
    from signbin.report.console import kinds_table
    from signbin.verbs.report_model import report_model

    given = given or []
    if not given and not model and not study:
        raise typer.BadParameter("name runs, models or a study: RUN, MODEL.sbn, --study FOLDER")
    models = [path for path in given if path.suffix == ".sbn"]
    described = [report_model(path, measure=measure) for path in [*(model or ()), *models]]
    codes = [codes for _, codes in described]
    made = report.make_report(
        [report.read_training(path, codes) for path in given if path not in models],
        [found for found, _ in described],
        report.read_comparison(comparison) if comparison else None,
        report.ReportOrigin(now(), VERSION, command_line(context)),
        [report.read_study(path) for path in study or ()],
    )
    page, data = report.write_report(made, output, overwrite=force)
    if made.kinds or as_json:  # a table of no runs would be a line of titles
        show(to_document(made), kinds_table(made.kinds), as_json)
    note(f"wrote {page} and {data}")
