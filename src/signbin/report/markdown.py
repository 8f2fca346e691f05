"""Markdown tables: how every page of the project writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from signbin.errors import SpecError

__all__ = ["table"]


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers_from: int | None = None
) -> str:
    r"""A table without a newline at its end; ``|`` in a cell is escaped, an empty cell is a space.

    numbers_from: the first column aligned to the right, as numbers are; None: no column is.
    SpecError for a row with another number of cells than the head, or a cell of several lines.

    >>> print(table(("layer", "ms"), [("a|b", "1.0"), ("", "12.5")], numbers_from=1))
    | layer | ms |
    |---|---:|
    | a\|b | 1.0 |
    | | 12.5 |
    """
    first = len(head) if numbers_from is None else numbers_from
    rule = "".join("---:|" if column >= first else "---|" for column in range(len(head)))
    return "\n".join([_line(head, len(head)), f"|{rule}", *(_line(row, len(head)) for row in rows)])


def _line(cells: Sequence[str], columns: int) -> str:
    if len(cells) != columns:
        raise SpecError("cells of a table's row", value=list(cells), allowed=f"{columns}")
    if any("\n" in cell for cell in cells):
        raise SpecError("cell of a table", value=list(cells), allowed="cells of one line")
    escaped = (cell.replace("|", r"\|") for cell in cells)
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in escaped)}|"
