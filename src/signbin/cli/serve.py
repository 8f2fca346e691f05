"""The verb that puts models behind HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from signbin.cli.options import Isa, Threads
from signbin.cli.output import note

__all__ = ["serve"]


def serve(
    models: Annotated[
        list[str], typer.Argument(metavar="[NAME=]MODEL.sbn...", help="Compiled models.")
    ],
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 8000,
    batch: Annotated[int, typer.Option(help="Rows that are run together at most.")] = 8,
    delay_ms: Annotated[float, typer.Option(help="Wait so long for a batch to fill.")] = 0.0,
    queue: Annotated[int, typer.Option(help="Requests that wait for one model.")] = 256,
    timeout_s: Annotated[float, typer.Option(help="Of one request.")] = 30.0,
    header_s: Annotated[float, typer.Option(help="Until its headers are there.")] = 10.0,
    max_mb: Annotated[float, typer.Option(help="Of a request's body, in MiB.")] = 64.0,
    stop_s: Annotated[float, typer.Option(help="For requests at work when it stops.")] = 30.0,
    reload_s: Annotated[float, typer.Option(help="Between looks at the files.")] = 1.0,
    connections: Annotated[int, typer.Option(help="That are read from at once.")] = 1024,
    threads: Threads = 1,
    isa: Isa = "auto",
) -> None:
    """Answer the KServe v2 protocol over HTTP, until it is told to stop."""
    from signbin.serve import ServedModel, ServingLimits, make_app, named_files, run_server

    limits = ServingLimits(
        batch,
        delay_ms,
        queue,
        timeout_s,
        header_s,
        int(max_mb * 2**20),
        stop_s,
        reload_s,
        connections,
    )
    opened = {
        name: ServedModel(name, path, isa=isa, threads=threads)
        for name, path in named_files(models).items()
    }
    run_server(
        make_app(opened, limits),
        limits,
        host=host,
        port=port,
        say=lambda address: note(f"serving {', '.join(opened)} at {address}"),
    )
