"""One column of a Parquet or Arrow file, a cell at a time; needs pyarrow."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from signbin.errors import FormatError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["open_arrow", "open_parquet"]

_USUAL: Final = ("image", "img", "picture")


class ParquetColumn(Sequence[Any]):
    """Cells of a Parquet column; the row group of the last one that was asked for is kept."""

    def __init__(self, path: Path, column: str | None) -> None:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise FormatError("Parquet file", value=str(path), reason=str(error)) from error
        self._column = _chosen(path, self._file.schema_arrow, column)
        self._starts, total = [], 0
        for group in range(self._file.metadata.num_row_groups):
            self._starts.append(total)
            total += self._file.metadata.row_group(group).num_rows
        self._total, self._path = total, path
        self._group, self._cells = -1, None

    def __len__(self) -> int:
        return self._total

    def __getitem__(self, row: Any) -> Any:
        import pyarrow as pa  # noqa: PLC0415

        group = bisect.bisect_right(self._starts, row) - 1
        if group != self._group:
            try:
                table = self._file.read_row_group(group, columns=[self._column])
            except (pa.ArrowException, OSError) as error:
                raise FormatError("Parquet file", value=str(self._path), reason=str(error)) from (
                    error
                )
            self._group, self._cells = group, table.column(self._column)
        assert self._cells is not None
        return self._cells[row - self._starts[group]].as_py()


class ArrowColumn(Sequence[Any]):
    """Cells of an Arrow column, mapped into memory."""

    def __init__(self, path: Path, column: str | None) -> None:
        import pyarrow as pa  # noqa: PLC0415 - an extra

        try:
            source = pa.memory_map(str(path))
            try:
                table = pa.ipc.open_file(source).read_all()
            except pa.ArrowInvalid:  # the other of the two forms
                source.seek(0)
                table = pa.ipc.open_stream(source).read_all()
        except (pa.ArrowException, OSError) as error:
            raise FormatError("Arrow file", value=str(path), reason=str(error)) from error
        self._cells = table.column(_chosen(path, table.schema, column))

    def __len__(self) -> int:
        return len(self._cells)

    def __getitem__(self, row: Any) -> Any:
        return self._cells[row].as_py()


def open_parquet(path: Path, column: str | None) -> Sequence[Any]:
    """The cells of a column; FormatError for a damaged file, or one without such a column."""
    return ParquetColumn(path, column)


def open_arrow(path: Path, column: str | None) -> Sequence[Any]:
    """The same of an Arrow file, in either of its forms."""
    return ArrowColumn(path, column)


def _chosen(path: Path, schema: pa.Schema, column: str | None) -> str:
    """The column that was asked for; else the one that is named as images are, or the only one."""
    names = list(schema.names)
    if column is None:
        usual = [name for name in names if name.lower() in _USUAL]
        column = usual[0] if len(usual) == 1 else names[0] if len(names) == 1 else None
    if column is None or names.count(column) != 1:
        raise FormatError(
            f"column of images in {path}",
            value=column or "none is named image",
            allowed=", ".join(names[:12]),
            remedy="say which with --column",
        )
    return column
