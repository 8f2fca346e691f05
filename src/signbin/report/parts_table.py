"""Networks in parts on the terminal: which engine runs which part, why, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from signbin.report import words
from signbin.report.bars import NumberWithBar
from signbin.report.console import add_row, new_table

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

__all__ = ["part_times_table", "parts_view"]


def parts_view(document: Mapping[str, Any]) -> Group:
    """The decision in a sentence, then a line per part."""
    from rich.console import Group  # noqa: PLC0415 - an extra: the base install prints no tables
    from rich.text import Text  # noqa: PLC0415

    table = new_table("part", "engine", ">nodes", "from", "to", "why")
    for number, part in enumerate(document["parts"], 1):
        first, last = part["nodes"][0], part["nodes"][-1]
        engine = words.engine(part["engine"])
        add_row(table, str(number), engine, str(len(part["nodes"])), first, last, part["why"])
    return Group(Text(document["decision"]["why"]), table)


def part_times_table(document: Mapping[str, Any]) -> Table:
    """Milliseconds and share of every part, in the order in which they run."""
    table = new_table("part", "engine", ">nodes", ">ms", ">share", "why")
    total = sum(part["ms"] for part in document["parts"]) or 1.0
    for part in document["parts"]:
        add_row(
            table,
            part["name"],
            words.engine(part["engine"]),
            str(part["nodes"]),
            words.milliseconds(part["ms"]),
            NumberWithBar(words.percent(part["ms"] / total), part["ms"] / total),
            part["why"],
        )
    return table
