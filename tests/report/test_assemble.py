"""The transforms: means, spreads, commands, and nothing invented where data is missing."""

import dataclasses
import math

import pytest

from signbin.report import Report, ReportedRun, ReportOrigin, kind_of, make_report
from signbin.report.assemble import headline
from signbin.report.curves import mean_series, training_charts
from signbin.report.schema import Series


def test_mean_and_spread_are_those_of_the_seeds(signed_binary: ReportedRun) -> None:
    kind = kind_of(signed_binary)
    assert kind.mean == pytest.approx((0.96 + 0.97 + 0.98) / 3)
    assert kind.spread == pytest.approx(math.sqrt((0.01**2 + 0.0**2 + 0.01**2) / 2))


def test_one_seed_has_no_spread(binary: ReportedRun) -> None:
    assert kind_of(binary).spread is None


def test_a_run_without_a_result_has_no_mean(binary: ReportedRun) -> None:
    kind = kind_of(dataclasses.replace(binary, accuracies=()))
    assert kind.mean is None
    assert kind.spread is None


def test_the_headline_states_what_is_looked_for_first(report: Report) -> None:
    values = {fact.label: fact.value for fact in headline(report)}
    assert values == {
        "test accuracy": "97.0 ± 1.0 %",
        "density": "0.35",
        "same top-1 as PyTorch": "99.0 %",
        "largest relative error": "2.0e-03",
        "time per image": "0.300 ms",
        "energy per image": "2.5 µJ",
        "file size": "4.0 kB",
        "bits per weight": "1.50",
    }


def test_a_headline_has_no_tile_for_what_was_not_given(report: Report) -> None:
    origin = ReportOrigin("now", "1.2.3")
    assert headline(make_report([], [], None, origin)) == ()
    alone = dataclasses.replace(report, comparison=None, models=())
    assert [fact.label for fact in headline(alone)] == ["test accuracy", "density"]
    unknown = dataclasses.replace(report.models[0], ms=None, energy_uj=None, bits_per_weight=None)
    without = dataclasses.replace(report, models=(unknown,))
    assert "not given" not in [fact.value for fact in headline(without)]
    untrained = dataclasses.replace(report.kinds[0], mean=None, spread=None)
    facts = headline(dataclasses.replace(report, kinds=(untrained,)))
    assert "not given" not in [fact.value for fact in facts]


def test_commands_are_listed_once_in_the_order_they_ran(
    signed_binary: ReportedRun, model, comparison
) -> None:
    made = make_report(
        [signed_binary, signed_binary],
        [model],
        comparison,
        ReportOrigin("today", "1", "signbin report runs/signed_binary"),
    )
    assert made.commands == (
        "signbin train digits --weights signed_binary",
        "signbin compile runs/signed_binary",
        "signbin report runs/signed_binary",
    )


def test_the_mean_curve_covers_the_epochs_that_every_seed_reached() -> None:
    series = [
        Series("test_accuracy", 0, (1, 2, 3), (0.2, 0.4, 0.9)),
        Series("test_accuracy", 1, (1, 2), (0.4, 0.8)),
    ]
    points = mean_series(series)
    assert [epoch for epoch, _ in points] == [1.0, 2.0]
    assert [value for _, value in points] == pytest.approx([0.3, 0.6])


def test_only_logged_quantities_are_drawn(signed_binary: ReportedRun) -> None:
    titles = [chart.title for chart in training_charts([signed_binary])]
    assert titles == ["Test accuracy", "Training loss"]
    assert training_charts([dataclasses.replace(signed_binary, series=())]) == ()


def test_a_report_of_several_is_named_after_all_of_them(signed_binary, binary, model) -> None:
    origin = ReportOrigin("now", "1.2.3")
    assert (
        make_report([signed_binary], [model], None, origin).title == "digits, signed_binary weights"
    )
    both = make_report([signed_binary, binary], [], None, origin)
    assert both.title == "digits, signed_binary · digits, binary"
    other = dataclasses.replace(model, path="other.sbn")
    assert make_report([], [model, other], None, origin).title == "model.sbn · other.sbn"
