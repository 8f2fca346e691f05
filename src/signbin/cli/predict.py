"""The verb that scores a whole data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from signbin.cli.options import AsJson, Force, Isa, Jit, ModelFile, Threads
from signbin.cli.output import note, show

if TYPE_CHECKING:
    from signbin.hybrid import HybridProgram
    from signbin.predict import ScoredNetwork
    from signbin.runtime import Program

__all__ = ["predict"]


def predict(
    model: ModelFile,
    data: Annotated[
        Path,
        typer.Argument(metavar="DATA", help="Images: a folder, .zip, .tar, .npy, .parquet, .arrow"),
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Parquet files of predictions.")
    ],
    column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a table; default: image, or the only.")
    ] = None,
    part_rows: Annotated[int, typer.Option(min=1, help="Rows per file.")] = 1024,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Keep errors of unreadable images in their rows.")
    ] = False,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A Ray cluster: auto, HOST:PORT, local.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Of the Ray cluster; default: all its cores.")
    ] = None,
    threads: Threads = 1,
    isa: Isa = "auto",
    jit: Jit = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Score all images of a data set; run it again to go on where it stopped."""
    from signbin import predict as room
    from signbin import report
    from signbin.predict.cluster import score_on_cluster
    from signbin.report.console import facts_table
    from signbin.verbs.opening import open_any

    program = open_any(model, isa=isa, threads=threads, jit=jit)
    network = _network(model, program)
    request = room.request_for(data, network, column, part_rows, keep_going=keep_going)
    written = room.OutputFolder(output)
    written.start(request, force=force)
    with report.counted_progress("images") as advance:
        if ray is None:
            scorer = room.PartScorer(program, network, request, output)
            room.score_all(scorer, request, written, advance)
        else:
            scorer = room.PartScorer(program, network, request, output.absolute())
            score_on_cluster(scorer, request, written, advance, ray, workers, threads)
    found = written.finish(request)
    show(found, facts_table(found), as_json)
    note(f"wrote {output}: {request.parts} Parquet files")


def _network(model: Path, program: Program | HybridProgram) -> ScoredNetwork:
    """The program's face, and the digest of its file."""
    import hashlib

    from signbin.predict import ScoredNetwork
    from signbin.verbs.opening import facing

    seen, digest = facing(program), hashlib.sha256(model.read_bytes()).hexdigest()
    return ScoredNetwork(seen.name, digest, seen.given, seen.preprocessing, seen.class_names)
