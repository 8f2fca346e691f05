"""Predictions in a folder: Parquet files of rows in order, and what they were made from.

Part ``i`` holds rows ``i * part_rows`` to before ``(i + 1) * part_rows`` of the data. Its file has
a name of its own and appears whole or not at all: whoever writes it, however often, every row
stands in the output once.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import FormatError, SpecError
from signbin.files import make_folder, read_text, write_bytes, write_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["OutputFolder", "ScoredRows", "ScoringRequest"]

_MANIFEST: Final = "predictions.json"
_FORMAT: Final = 1


@dataclasses.dataclass(frozen=True)
class ScoringRequest:
    """What is scored with what: two that are equal have the same predictions.

    data: the path as it was given; fingerprint: of its rows. digest: SHA-256 of the model's file.
    keep_going: rows that cannot be read have an error in place of scores.
    """

    data: str
    fingerprint: str
    rows: int
    model: str
    digest: str
    column: str | None = None
    part_rows: int = 1024
    keep_going: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.part_rows <= 2**20:
            raise SpecError("--part-rows", value=self.part_rows, allowed="1..1048576")

    @property
    def parts(self) -> int:
        """Files of the whole output."""
        return -(-self.rows // self.part_rows)

    def span(self, part: int) -> tuple[int, int]:
        """First row of a part, and the one after its last."""
        first = part * self.part_rows
        return first, min(first + self.part_rows, self.rows)


@dataclasses.dataclass(frozen=True, eq=False)
class ScoredRows:
    """Rows of one part: names, scores (N, ...) with NaN where there is an error, errors or None."""

    names: Sequence[str]
    scores: NDArray[np.float32]
    errors: Sequence[str | None]


class OutputFolder:
    """The folder of one request; what is there already is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, request: ScoringRequest, *, force: bool = False) -> None:
        """Begin, or go on; SpecError where the folder holds predictions of another request.

        force: such predictions are removed.
        """
        make_folder(self.folder)
        path = self.folder / _MANIFEST
        wanted = {"format": _FORMAT, **dataclasses.asdict(request)}
        if path.exists():
            held = self._manifest(path)
            differing = sorted(key for key in wanted if held.get(key) != wanted[key])
            if not differing:
                return
            if not force:
                raise SpecError(
                    "output folder",
                    value=str(self.folder),
                    reason=f"it holds predictions of another {', '.join(differing)}",
                    remedy="choose another folder, or --force to remove them",
                )
            path.unlink()
            for part in self.folder.glob("part-*.parquet"):
                part.unlink()
        elif any(self.folder.glob("*.parquet")):
            raise SpecError(
                "output folder",
                value=str(self.folder),
                reason="it holds Parquet files that signbin did not write",
                remedy="choose another folder",
            )
        write_text(path, json.dumps(wanted, indent=1) + "\n")

    def missing(self, request: ScoringRequest) -> list[int]:
        """Parts that are not there yet."""
        return [part for part in range(request.parts) if not self.path_of(part).exists()]

    def path_of(self, part: int) -> Path:
        """The file of a part."""
        return self.folder / f"part-{part:06d}.parquet"

    def write(self, part: int, first: int, made: ScoredRows, class_names: Sequence[str]) -> None:
        """Put a part in its place, whole."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

        stream = io.BytesIO()
        pq.write_table(_table(first, made, class_names), stream)
        write_bytes(self.path_of(part), stream.getvalue())

    def finish(self, request: ScoringRequest) -> dict[str, Any]:
        """Rows that were scored and rows with errors; FormatError where a part is not whole."""
        failed = 0
        for part in range(request.parts):
            first, last = request.span(part)
            rows = _read(self.path_of(part), ["row", "error"])
            if rows.column("row").to_pylist() != list(range(first, last)):
                raise FormatError(
                    "part of the output",
                    value=str(self.path_of(part)),
                    allowed=f"rows {first} to {last - 1}",
                    remedy="remove it and run the command again",
                )
            failed += len(rows) - rows.column("error").null_count
        return {"rows": request.rows, "parts": request.parts, "errors": failed}

    def _manifest(self, path: Path) -> dict[str, Any]:
        try:
            found = json.loads(read_text(path))
        except ValueError as error:
            raise FormatError(str(path), reason=str(error), remedy="remove the folder") from error
        return found if isinstance(found, dict) else {}


def _read(path: Path, columns: list[str]) -> pa.Table:
    """Columns of a part, whose file is closed once they are read; FormatError where it has none."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        # Not read_table, which leaves the closing to a thread that may be late.
        with pq.ParquetFile(path) as file:
            return file.read(columns=columns)
    except (pa.ArrowException, OSError) as error:
        if getattr(error, "errno", None) is not None:  # the system's, not of what is in the file
            raise
        raise FormatError(
            "part of the output",
            value=str(path),
            reason=str(error),
            remedy="remove it and run the command again",
        ) from error


def _table(first: int, made: ScoredRows, class_names: Sequence[str]) -> pa.Table:
    """Columns row, name, class, class_name, scores, error."""
    import pyarrow as pa  # noqa: PLC0415

    count = len(made.names)
    bad = np.array([error is not None for error in made.errors], bool)
    flat = made.scores.reshape(count, -1)
    best = flat.argmax(axis=1).astype(np.int32)
    scores = pa.FixedSizeListArray.from_arrays(
        pa.array(flat.reshape(-1)), flat.shape[1], mask=pa.array(bad)
    )
    named = len(class_names) == flat.shape[1]
    words = [class_names[k] if named and not b else None for k, b in zip(best, bad, strict=True)]
    shape = ",".join(map(str, made.scores.shape[1:]))
    fields = {
        "row": pa.array(np.arange(first, first + count)),
        "name": pa.array(list(made.names), pa.string()),
        "class": pa.array(best, mask=bad),
        "class_name": pa.array(words, pa.string()),
        "scores": scores,
        "error": pa.array(list(made.errors), pa.string()),
    }
    return pa.table(fields, metadata={"shape of scores": shape})
