"""The networks of a study: accuracy over what they cost, and those that no other one beats."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from signbin.report import words
from signbin.report.charts import Frame, draw_grid, draw_titles, standalone, ticks
from signbin.report.schema import Study, StudyPoint
from signbin.report.study import COSTS, pareto_front

__all__ = ["study_charts"]

_WIDTH: Final = 460.0
_BOTTOM: Final = 250.0
_COLORS: Final = 5


def study_charts(study: Study) -> tuple[tuple[str, str], ...]:
    """(cost, drawing) for every cost that at least two networks have."""
    return tuple(
        (cost, _chart(study, cost, named))
        for cost, named in COSTS.items()
        if sum(cost in point.costs for point in study.points) > 1
    )


def _chart(study: Study, cost: str, named: str) -> str:
    points = [point for point in study.points if cost in point.costs]
    front = pareto_front(points, cost)
    x_ticks = ticks(0.0, max(point.costs[cost] for point in points), 4)
    accuracies = [100 * point.accuracy for point in points]
    y_ticks = ticks(min(accuracies), max(accuracies))
    frame = Frame(48, _WIDTH - 20, 30, _BOTTOM, (0.0, x_ticks[-1]), (y_ticks[0], y_ticks[-1]))
    kinds = list(dict.fromkeys(point.weights for point in study.points))
    drawn = {point.weights for point in points}
    places = [(frame.across(one.costs[cost]), frame.up(100 * one.accuracy)) for one in front]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    body = [
        draw_grid(frame, x_ticks, y_ticks),
        draw_titles(frame, named, "held-out accuracy, %"),
        f'<polyline class="line front" points="{path}"/>',
        *(_dot(frame, point, cost, kinds.index(point.weights), point in front) for point in points),
        _legend(frame, [(i, kind) for i, kind in enumerate(kinds) if kind in drawn]),
    ]
    title = f"{study.title}: held-out accuracy over {named}"
    return standalone(title, _BOTTOM + 62, body)


def _dot(frame: Frame, point: StudyPoint, cost: str, kind: int, on_front: bool) -> str:
    x, y = frame.across(point.costs[cost]), frame.up(100 * point.accuracy)
    told = f"{point.name}: {words.percent(point.accuracy)}, {_number(point.costs[cost])}"
    color = kind % _COLORS
    look = f'class="f{color}"' if on_front else f'class="hollow s{color}"'
    tip = escape(f"{told}, on the front" if on_front else told)
    where = f'cx="{x:.1f}" cy="{y:.1f}" r="5"'
    return f'<circle {look} data-tip="{tip}" {where}><title>{tip}</title></circle>'


def _legend(frame: Frame, kinds: Sequence[tuple[int, str]]) -> str:
    parts, x, y = [], frame.left, frame.bottom + 52
    for index, kind in kinds:
        color = index % _COLORS
        parts.append(
            f'<circle class="f{color}" cx="{x + 5:.1f}" cy="{y - 4:.1f}" r="5"/>'
            f'<text class="label c{color}" x="{x + 15:.1f}" y="{y:.1f}">{escape(kind)}</text>'
        )
        x += 30 + 8.4 * len(kind)
    return "".join(parts)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else words.milliseconds(value)
