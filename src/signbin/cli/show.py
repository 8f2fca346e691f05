"""The verb that draws a compiled model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signbin.cli.options import Force, ModelFile
from signbin.cli.output import note

__all__ = ["show_graph"]


def show_graph(
    model: ModelFile,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="GRAPH.svg", help="Default: the model's name."),
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Time every step on this machine.")
    ] = True,
    force: Force = False,
) -> None:
    """Draw a model's graph as SVG: how each step runs, and how long it takes."""
    from signbin import report
    from signbin.verbs.show import show_model

    picture = output or model.with_suffix(".svg")
    report.require_free([picture], overwrite=force)
    report.write_picture(show_model(model, measure=measure), picture, overwrite=force)
    note(f"wrote {picture}")
