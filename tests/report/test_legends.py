"""Every table that the command prints says under it what its words mean."""

import ast
import io
from pathlib import Path

import pytest
from rich.console import Console, Group
from rich.text import Text

import signbin
from signbin.report.console import add_row, new_table
from signbin.report.legends import COLUMNS, RACE, STEP, explained, legend_of

SOURCE = Path(signbin.__file__).parent
PLAIN = {
    *("", "8-bit activations", "additions", "additions per output position", "advice", "array"),
    *("asks", "check", "checked", "checked by", "class", "code", "compiled", "component"),
    *("constants", "density in all layers", "energy", "engine", "epochs", "experiment"),
    *("flavour", "found", "from", "input", "layer", "low-bit layers", "median ms", "min"),
    *("multiplications", "network", "networks", "number", "operation", "operator", "operators"),
    *("parameters", "reason", "recipe", "remedy", "run", "same top-1", "score", "size", "status"),
    *("threads", "to", "trains", "value", "weight bits", "weights", "what", "what to do", "why"),
}
"""Titles that are words of the language, or of what the reader typed."""


def titles_of(call: ast.Call) -> list[str]:
    """Of new_table(...): its strings, and what stands before the first gap of others."""
    found, waiting = [], list[ast.AST](call.args)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.JoinedStr):
            first = node.values[0]
            found.append(first.value if isinstance(first, ast.Constant) else "")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        else:
            waiting += ast.iter_child_nodes(node)
    return [title.removeprefix(">").removesuffix(", ") for title in found]


def tables() -> list[tuple[str, list[str]]]:
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "new_table":
                place = f"{path.relative_to(SOURCE)}:{node.lineno}"
                found.append((place, titles_of(node)))
    return found


def printed(view) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200).print(explained(view))
    return " ".join(stream.getvalue().split())


@pytest.mark.parametrize(("place", "titles"), tables(), ids=[place for place, _ in tables()])
def test_every_column_of_every_table_is_a_plain_word_or_is_explained(place, titles):
    assert titles
    for title in titles:
        explains = title in COLUMNS or title.split(", ")[0] in COLUMNS or legend_of(title)
        assert title in PLAIN or explains, (place, title)


def test_no_table_is_made_another_way():
    makers = [
        path.relative_to(SOURCE).as_posix()
        for path in sorted(SOURCE.rglob("*.py"))
        if "Table(box" in path.read_text(encoding="utf-8")
    ]
    assert makers == ["report/console.py"]


def test_what_is_explained_is_the_title_of_a_table():
    used = {title for _, titles in tables() for title in titles}
    assert {title for title in COLUMNS if title not in used} == set()


def test_legends_stand_under_any_table_that_is_printed():
    table = new_table("layer", ">ms", ">energy, pJ", "strategy")
    add_row(table, "a", "1.0", "2.0", "bucket")
    text = printed(table)
    assert text.endswith("together, sums shared")
    for told in ("ms: milliseconds", "strategy: how the sums", "bucket: filters of two"):
        assert text.count(told) == 1


@pytest.mark.parametrize("legend", [STEP, RACE])
def test_what_a_table_explains_itself_is_said_once(legend):
    table = new_table("layer", ">ms", ">share", ">theirs / ours", "kernel", ">error")
    add_row(table, *["1"] * 6)
    text = printed(Group(table, Text(legend)))
    for word in ("share", "kernel", "error", "theirs / ours"):
        assert text.count(f"{word}: ") == 1, word


def test_a_table_of_plain_words_has_no_legend():
    table = new_table("layer", "reason")
    add_row(table, "a", "none")
    assert printed(table).endswith("none")
