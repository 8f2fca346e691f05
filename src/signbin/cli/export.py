"""The verb that writes a model in the format of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signbin.cli.arguments import parse_choice
from signbin.cli.options import AsJson, Force
from signbin.cli.output import note, show
from signbin.cli.progress import compiling_progress

__all__ = ["export"]


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A .sbn file, or a source as compile takes it.")
    ],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File.")],
    file_format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="onnx, the only one so far.")
    ] = "onnx",
    flavour: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="float: numbers; qdq: codes, for 8-bit kernels; qonnx: codes, for FINN, hls4ml.",
        ),
    ] = "float",
    opset: Annotated[
        int | None,
        typer.Option(help="17 or 25, where low-bit weights of qdq take two bits. Default: chosen."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Default: the run's first.")] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a model as ONNX, once another engine has computed the same from it."""
    from signbin import report
    from signbin.documents import to_document
    from signbin.interop import Flavour
    from signbin.report.console import export_table
    from signbin.verbs import export as rooms

    rooms.expect_format(file_format, output)
    wanted = parse_choice(Flavour, "--flavour", flavour)
    report.require_free([output], overwrite=force)
    with compiling_progress() as watch:
        graph = rooms.graph_to_export(model, seed, watch)
        made = rooms.export_onnx(graph, output, wanted, opset=opset, watch=watch)
    document = to_document(made)
    show(document, export_table(document), as_json)
    note(f"wrote {output}: {report.words.size(made.size_bytes)}; read by {made.read_by}")
