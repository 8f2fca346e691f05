"""What the documentation has a board do, done in QEMU."""

import json

import pytest

from tests.docs.blocks import blocks_of, pages

LINES = [
    line
    for page in pages()
    for block in blocks_of(page)
    if block.words == ("sh", "arm")
    for line in block.lines
]


def test_the_documentation_has_something_for_a_board() -> None:
    assert LINES


@pytest.mark.arm
@pytest.mark.wide
@pytest.mark.parametrize("line", LINES)
def test_a_board_runs_it(machine, line: str, tmp_path) -> None:
    program, *arguments = line.split()
    assert program == "python"
    made = tmp_path / "board.json"
    arguments[arguments.index("board.json")] = str(made)
    # Emulated times mean nothing: as few of them as can be.
    done = machine.run(*arguments, "--seconds", "0.01")
    assert done.returncode == 0, done.stderr
    assert {row["way"] for row in json.loads(made.read_text())["rows"]} >= {"products", "walk"}
