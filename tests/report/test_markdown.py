"""Tables are written in one place, and read as they were meant."""

import pytest

from signbin.errors import SpecError
from signbin.report import markdown


def test_a_table_is_a_head_a_rule_and_a_line_per_row() -> None:
    assert markdown.table(("a", "b", "c"), [("1", "2", "3"), ("4", "", "6")]) == (
        "| a | b | c |\n|---|---|---|\n| 1 | 2 | 3 |\n| 4 | | 6 |"
    )


@pytest.mark.parametrize(
    ("first", "rule"),
    [(0, "|---:|---:|"), (1, "|---|---:|"), (2, "|---|---|"), (None, "|---|---|")],
)
def test_numbers_are_aligned_to_the_right_from_their_first_column_on(first, rule) -> None:
    assert markdown.table(("a", "b"), [], numbers_from=first).splitlines()[1] == rule


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert markdown.table(("|w|",), [("sum |w x|",)]) == ("| \\|w\\| |\n|---|\n| sum \\|w x\\| |")


@pytest.mark.parametrize("row", [("1",), ("1", "2", "3")])
def test_a_row_has_as_many_cells_as_the_head(row) -> None:
    with pytest.raises(SpecError, match="2"):
        markdown.table(("a", "b"), [row])


def test_a_cell_is_one_line() -> None:
    with pytest.raises(SpecError, match="one line"):
        markdown.table(("a",), [("1\n2",)])
