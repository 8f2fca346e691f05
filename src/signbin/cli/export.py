"""The verb that writes a model in the format of others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from signbin.cli.arguments import parse_choice
from signbin.cli.options import AsJson, Force
from signbin.cli.output import note, show
from signbin.cli.progress import compiling_progress

if TYPE_CHECKING:
    from signbin.verbs.export_c import CRequest

__all__ = ["export"]

_Name = Annotated[str, typer.Option(metavar="NAME", help="c: of the network. Default: DIR's.")]
_Golden = Annotated[
    Path | None,
    typer.Option(metavar="FILE.npy", help="c: inputs of its test program. Default: two drawn."),
]
_MaxFlash = Annotated[
    str | None, typer.Option(metavar="SIZE", help="c: fail where it takes more, as 128k.")
]
_MaxRam = Annotated[
    str | None, typer.Option(metavar="SIZE", help="c: the same of RAM, with its stack.")
]
_Verify = Annotated[
    bool, typer.Option(help="c: compile it here, and compare it with signbin's runtime.")
]
_Watch = Annotated[
    bool, typer.Option("--watch", help="c: a second function, which shows every layer's image.")
]


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A .sbn file, or a source as compile takes it.")
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PATH", help="File; of c a folder.")
    ],
    file_format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="onnx, or c: C99 for microcontrollers.")
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
    name: _Name = "",
    golden: _Golden = None,
    max_flash: _MaxFlash = None,
    max_ram: _MaxRam = None,
    verify: _Verify = True,
    watched: _Watch = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a model as ONNX or as C, once another engine has computed the same from it."""
    if file_format == "c":
        from signbin.c_source import DeviceBudget, parse_bytes
        from signbin.verbs.export_c import CRequest

        budget = DeviceBudget(
            parse_bytes("--max-flash", max_flash), parse_bytes("--max-ram", max_ram)
        )
        _export_c(model, output, CRequest(name, golden, budget, verify, force, watched), as_json)
        return
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


def _export_c(model: str, output: Path, request: CRequest, as_json: bool) -> None:
    from signbin import report
    from signbin.documents import to_document
    from signbin.report.console import c_export_table
    from signbin.verbs import export_c as rooms

    rooms.expect_folder(output, overwrite=request.overwrite)
    with compiling_progress() as watch:
        made = rooms.export_c(rooms.model_to_export(model), output, request, watch)
    document = to_document(made)
    show(document, c_export_table(document), as_json)
    note(f"wrote {output}: {made.files} files, {report.words.size(made.flash_bytes)} of flash")
