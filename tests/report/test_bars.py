"""Bars are for terminals: pipes get the numbers, NO_COLOR the bars without a colour."""

import io
import re

import pytest
from rich.console import Console

from signbin.report.bars import NumberWithBar, TerminalNote, bar, shares
from signbin.report.console import add_row, new_table


def shown(terminal: bool, **options: object) -> str:
    stream = io.StringIO()
    table = new_table("layer", ">share")
    add_row(table, "conv", NumberWithBar("50.0 %", 0.5))
    console = Console(file=stream, force_terminal=terminal, width=60, **options)
    console.print(table)
    console.print(TerminalNote("bars: share of the whole"))
    return stream.getvalue()


def test_a_terminal_shows_bars_and_what_they_mean() -> None:
    text = shown(True)
    assert "50.0 % ████" in text
    assert "bars: share of the whole" in text


def test_a_pipe_gets_plain_text() -> None:
    text = shown(False)
    assert "50.0 %" in text
    assert "█" not in text
    assert "bars" not in text
    assert "\x1b" not in text


def test_no_color_leaves_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    codes = re.findall(r"\x1b\[([\d;]*)m", shown(True))
    assert not [code for code in codes if re.search(r"(^|;)(3|4|9|10)\d", code)]


@pytest.mark.parametrize(("share", "cells"), [(-1.0, 0), (0.0, 0), (0.5, 4), (1.0, 8), (7.0, 8)])
def test_a_bar_is_as_long_as_its_share_and_always_as_wide(share: float, cells: int) -> None:
    assert bar(share, plain=True) == ("#" * cells).ljust(8)
    assert bar(share).rstrip() == "█" * cells
    assert len(bar(share)) == 8


def test_shares_are_of_the_largest_and_unknown_ones_are_none() -> None:
    assert shares([1.0, 4.0, None]) == [0.25, 1.0, 0.0]
    assert shares([]) == []
    assert shares([0.0, None]) == [0.0, 0.0]
