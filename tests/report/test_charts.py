"""Charts: well-formed SVG, axes with units, labels beside the data, points where they belong."""

import itertools
import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.report.charts import Dots, Line, dot_chart, line_chart, ticks

NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter("text")]


@settings(deadline=None, max_examples=60)
@given(NUMBERS, NUMBERS)
def test_ticks_enclose_the_data_with_even_round_steps(first: float, second: float) -> None:
    low, high = min(first, second), max(first, second)
    found = ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    assert 2 <= len(found) <= 12
    steps = {round(b - a, 6) for a, b in itertools.pairwise(found)}
    assert len(steps) == 1


def test_a_line_chart_has_axes_units_and_a_label_per_line() -> None:
    lines = [
        Line("binary", 0, ((1.0, 50.0), (10.0, 90.0))),
        Line("ternary", 1, ((1.0, 40.0), (10.0, 91.0))),
    ]
    found = texts(line_chart("Accuracy", "test accuracy, %", lines))
    assert {"binary", "ternary", "test accuracy, %", "epoch", "40", "100"} <= set(found)


def test_labels_of_lines_that_end_together_do_not_overlap() -> None:
    lines = [Line(f"run {n}", n, ((1.0, 0.0), (2.0, 90.0))) for n in range(5)]
    svg = line_chart("Accuracy", "%", lines)
    heights = [float(y) for y in re.findall(r'class="label c\d" x="[\d.]+" y="([\d.]+)"', svg)]
    assert len(heights) == 5
    assert min(b - a for a, b in itertools.pairwise(heights)) >= 12


def test_higher_values_stand_higher_and_later_epochs_further_right() -> None:
    svg = line_chart("t", "y", [Line("a", 0, ((1.0, 1.0), (2.0, 3.0), (3.0, 2.0)))])
    path = re.search(r'points="([^"]+)"', svg)
    assert path
    points = [tuple(map(float, pair.split(","))) for pair in path[1].split()]
    assert points[0][0] < points[1][0] < points[2][0]
    assert points[1][1] < points[2][1] < points[0][1]  # SVG counts downwards


def test_a_single_epoch_and_a_constant_can_be_drawn() -> None:
    svg = line_chart("t", "y", [Line("a", 0, ((4.0, 7.0),))])
    assert "nan" not in svg
    assert "a" in texts(svg)


def test_diverged_values_are_left_out() -> None:
    svg = line_chart("t", "y", [Line("a", 0, ((1.0, 1.0), (2.0, math.nan), (3.0, math.inf)))])
    assert "nan" not in svg
    assert "inf" not in svg
    ElementTree.fromstring(svg)


def test_nothing_to_draw_gives_no_chart() -> None:
    assert line_chart("t", "y", []) == ""
    assert line_chart("t", "y", [Line("a", 0, ())]) == ""
    assert dot_chart("t", "x", []) == ""


def test_a_dot_chart_has_a_dot_per_seed_and_a_tick_at_the_mean() -> None:
    svg = dot_chart("t", "test accuracy, %", [Dots("binary", 0, (95.0, 96.0, 97.0), 96.0, "note")])
    root = ElementTree.fromstring(svg)
    across = [float(circle.attrib["cx"]) for circle in root.iter("circle")]
    mean = next(line for line in root.iter("line") if "mean" in line.attrib["class"])
    assert len(across) == 3
    assert float(mean.attrib["x1"]) == pytest.approx(across[1])
    assert "test accuracy, %" in texts(svg)


def test_hostile_labels_are_escaped() -> None:
    hostile = '<script>alert("x")</script>'
    for svg in (
        line_chart(hostile, hostile, [Line(hostile, 0, ((1.0, 1.0), (2.0, 2.0)))]),
        dot_chart(hostile, hostile, [Dots(hostile, 0, (1.0,), 1.0, hostile)]),
    ):
        assert "<script" not in svg
        assert hostile in texts(svg)
