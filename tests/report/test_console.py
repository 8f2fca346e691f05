"""Terminal tables: everything printed as it is, colour and width left to the console."""

import dataclasses
import io

from rich.console import Console

from signbin.plan import Strategy
from signbin.report import Prediction, Ranked, ReportedExactness, kind_of
from signbin.report.console import (
    checks_table,
    comparison_view,
    compiled_view,
    kinds_table,
    layers_table,
    predictions_table,
)
from signbin.report.legends import legend_of


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


def test_layers_are_marked_by_the_rule_that_decides_the_exit_code(comparison) -> None:
    lines = [line.strip() for line in printed(comparison_view(comparison)).splitlines()]
    conv1 = next(line for line in lines if line.startswith("conv1"))
    fc = next(line for line in lines if line.startswith("fc"))
    assert "outside" not in conv1
    assert fc.split() == ["fc", "fc", "-", "2.0e-03", "outside"]


def test_a_comparison_ends_with_its_verdict(comparison) -> None:
    lines = [line.split() for line in printed(comparison_view(comparison)).splitlines()]
    assert ["output", f"{comparison.max_relative_error:.1e}", "outside"] in lines
    assert ["same", "top-1", "360", "samples", "99.0", "%"] in lines


def test_differing_codes_are_counted_where_there_are_codes(comparison) -> None:
    assert "interpreter," not in printed(comparison_view(comparison))
    exact = dataclasses.replace(comparison, exactness=ReportedExactness(12_345, 0))
    text = " ".join(printed(comparison_view(exact)).split())
    assert "differing from the interpreter nodes on codes 0 of 12,345" in text


def test_short_words_of_a_table_are_explained_under_it_and_only_those_that_stand_there(
    model,
) -> None:
    text = " ".join(printed(compiled_view(model.layers, None)).split())
    assert "bucket: filters of two or three values walk their inputs together" in text
    assert "MACs: dense multiply-accumulates" in text
    assert "qgym" not in text


def test_every_strategy_is_explained_where_its_name_is_no_plain_word() -> None:
    for strategy in Strategy:
        assert legend_of(strategy.value), strategy


def test_what_8_bit_activations_cost_comes_after_the_layers(model) -> None:
    def layer(module, lost, on_codes=True):
        noise = {"snr_db": 30.0, "lost_db": lost, "on_codes": on_codes}
        return {"name": module, "module": module, **noise}

    cost = {
        "samples": 360,
        "accuracy_before": 0.975,
        "accuracy_after": 0.97,
        "top1_agreement": 0.99,
        "output_snr_db": 27.25,
        "layers": [layer("a", 8.0), layer("b", 1.0), layer("c", 9.0, on_codes=False)],
    }
    lines = [line.strip() for line in printed(compiled_view(model.layers, cost)).splitlines()]
    advice = {line.split()[0]: line for line in lines if "dB" in line}
    assert advice["a"].endswith("leave it float: --float-layers a")
    assert advice["b"].endswith("most of the noise comes from before")
    assert advice["c"].endswith("is float: the noise comes from before")
    assert "accuracy after 97.0 % of 360 samples" in [" ".join(line.split()) for line in lines]
    unlabelled = {**cost, "accuracy_before": None, "accuracy_after": None}
    assert "accuracy" not in printed(compiled_view(model.layers, unlabelled))
    assert "dB" not in printed(compiled_view(model.layers, None))


def test_brackets_in_class_names_are_no_markup() -> None:
    prediction = Prediction("[red]a.png[/]", (Ranked("[bold]cat", 0.5), Ranked("dog", 0.25)))
    text = printed(predictions_table([prediction]))
    assert "[red]a.png[/]" in text
    assert "[bold]cat" in text


def test_failed_checks_are_printed_with_their_remedy() -> None:
    check = {"name": "torch", "status": "failed", "found": "nothing", "remedy": "install it"}
    assert "install it" in printed(checks_table([check]))
