"""The verb that says what a network would cost, before it is trained."""

from __future__ import annotations

from typing import Annotated

import typer

from signbin.cli.arguments import parse_input_shapes
from signbin.cli.options import AsJson, InputShape, Isa, SourceText, TargetName
from signbin.cli.output import note, show

__all__ = ["check"]


def check(
    source: SourceText,
    *,
    density: Annotated[
        list[float] | None,
        typer.Option(help="Signed-binary density to compare, instead of 0.36, 0.2, 0.12, 0.07."),
    ] = None,
    input_shape: InputShape = None,
    isa: Isa = "auto",
    target: TargetName = None,
    scheme: Annotated[
        str | None, typer.Option(help="Show its layers, and hold the limits against it alone.")
    ] = None,
    max_ms: Annotated[
        float | None, typer.Option(help="Exit with 1 where no scheme is predicted to be as fast.")
    ] = None,
    max_kb: Annotated[
        float | None, typer.Option(help="Exit with 1 where no scheme's file is as small.")
    ] = None,
    require_coverage: Annotated[
        bool, typer.Option("--require-coverage", help="Exit with 1 where anything is refused.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what runs, and predict time, memory and file size by scheme; nothing is trained."""
    from signbin import report
    from signbin.documents import to_document
    from signbin.report.check_table import check_view
    from signbin.verbs import check as rooms
    from signbin.verbs.source import load_source

    gates = rooms.Gates(scheme, max_ms, max_kb, require_coverage)
    schemes = rooms.schemes_of(density)
    given = load_source(source, input_shapes=parse_input_shapes(input_shape))
    with report.counted_progress("schemes") as progress:
        found = rooms.check_source(
            given, isa=isa, target=target, schemes=schemes, progress=progress
        )
    missed = gates.missed(found)
    document = to_document(found)
    show(document, check_view(document, scheme), as_json)
    for sentence in missed:
        note(f"not met: {sentence}")
    if missed:
        raise typer.Exit(1)
