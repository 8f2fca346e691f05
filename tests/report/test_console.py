"""Terminal tables: everything printed as it is, colour and width left to the console."""

import io

from rich.console import Console

from signbin.report import Prediction, Ranked, kind_of
from signbin.report.console import (
    checks_table,
    comparison_table,
    kinds_table,
    layers_table,
    predictions_table,
)


def printed(table) -> str:
    stream = io.StringIO()
    Console(file=stream, width=160).print(table)
    return stream.getvalue()


def test_kinds_are_printed_with_their_value_sets_and_spread(signed_binary, binary) -> None:
    text = printed(kinds_table([kind_of(signed_binary), kind_of(binary)]))
    assert "{0,+1} or {0,-1} per region" in text
    assert "97.0 ± 1.0 %" in text
    assert "95.0 %" in text


def test_layers_are_printed_with_strategy_and_reason(model) -> None:
    text = printed(layers_table(model.layers))
    assert "bucket (filters 8)" in text
    assert "chosen: 300 load-adds against 900 multiply-adds" in text


def test_only_layers_outside_the_tolerance_are_marked(comparison) -> None:
    lines = [line.strip() for line in printed(comparison_table(comparison)).splitlines()]
    conv1 = next(line for line in lines if line.startswith("conv1"))
    fc = next(line for line in lines if line.startswith("fc"))
    assert "outside" not in conv1
    assert fc.split() == ["fc", "-", "2.0e-03", "outside"]


def test_a_comparison_ends_with_its_verdict(comparison) -> None:
    lines = [line.split() for line in printed(comparison_table(comparison)).splitlines()]
    assert ["max", "relative", "error", f"{comparison.max_relative_error:.1e}"] in lines
    assert ["same", "top-1", "360", "samples", "99.0", "%"] in lines


def test_brackets_in_class_names_are_no_markup() -> None:
    prediction = Prediction("[red]a.png[/]", (Ranked("[bold]cat", 0.5), Ranked("dog", 0.25)))
    text = printed(predictions_table([prediction]))
    assert "[red]a.png[/]" in text
    assert "[bold]cat" in text


def test_failed_checks_are_printed_with_their_remedy() -> None:
    check = {"name": "torch", "status": "failed", "found": "nothing", "remedy": "install it"}
    assert "install it" in printed(checks_table([check]))
