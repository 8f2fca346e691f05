"""Charts as inline SVG text: no script, no network, colours from the page's style sheet.

Every chart has a title for screen readers, axes with units and labels beside the data. Widths
are in SVG user units; the page scales the drawing to the column it stands in.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Final

__all__ = [
    "Dots",
    "Frame",
    "Line",
    "dot_chart",
    "draw_grid",
    "draw_titles",
    "line_chart",
    "standalone",
    "ticks",
]

_WIDTH: Final = 460.0
_TEXT_HEIGHT: Final = 15.0
_MOST_POINTS: Final = 160
_CHARACTER: Final = 8.4  # width of one bold character of the chart's 13-unit type


@dataclasses.dataclass(frozen=True)
class Line:
    """One curve: label at its end, colour class, points (x, y); faint lines carry no label."""

    label: str
    color: int
    points: tuple[tuple[float, float], ...]
    faint: bool = False


@dataclasses.dataclass(frozen=True)
class Dots:
    """One row of a dot chart: every value a dot, ``center`` a tick, ``note`` beside the row."""

    label: str
    color: int
    values: tuple[float, ...]
    center: float | None
    note: str


@dataclasses.dataclass(frozen=True)
class Frame:
    """The plotting area and the map from data to SVG units."""

    left: float
    right: float
    top: float
    bottom: float
    x: tuple[float, float]
    y: tuple[float, float]

    def across(self, value: float) -> float:
        """Where a value of the x axis lies."""
        low, high = self.x
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def up(self, value: float) -> float:
        """Where a value of the y axis lies."""
        low, high = self.y
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)


def ticks(low: float, high: float, count: int = 5) -> tuple[float, ...]:
    """Round numbers that enclose [low, high], about ``count`` of them, steps of 1, 2 or 5 * 10^n.

    >>> ticks(0.0, 97.0)
    (0.0, 20.0, 40.0, 60.0, 80.0, 100.0)
    """
    if not high > low:
        low, high = (low * 0.95, high * 1.05) if low > 0 else (low * 1.05, high * 0.95)
        high = high if high > low else 1.0
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * size for size in (1, 2, 5, 10) if power * size >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(round(index * step, 12) for index in range(first, last + 1))


def line_chart(title: str, y_label: str, lines: Sequence[Line], x_label: str = "epoch") -> str:
    """Curves over epochs; the name of each at its right end. Empty text where nothing is drawn."""
    points = [point for line in lines for point in line.points if all(map(math.isfinite, point))]
    if not points:
        return ""
    across = [x for x, _ in points]
    y_ticks = ticks(min(y for _, y in points), max(y for _, y in points))
    x_ticks = _whole_ticks(min(across), max(across))
    longest = max((len(line.label) for line in lines if not line.faint), default=0)
    right = _WIDTH - longest * _CHARACTER - 14
    x_range = (min(across), max(across) if max(across) > min(across) else min(across) + 1)
    frame = Frame(48, right, 30, 222, x_range, (y_ticks[0], y_ticks[-1]))
    body = [draw_grid(frame, x_ticks, y_ticks), draw_titles(frame, x_label, y_label)]
    body += [_polyline(frame, line) for line in sorted(lines, key=lambda line: not line.faint)]
    body.append(_end_labels(frame, [line for line in lines if not line.faint and line.points]))
    return standalone(title, frame.bottom + 40, body, _axes(frame, x_label))


def _axes(frame: Frame, x_label: str) -> str:
    """From drawing to numbers: the ends of both axes, in data and in units of the drawing."""
    x, y = frame.x, frame.y
    across = f"{x[0]:g},{x[1]:g},{frame.left:g},{frame.right:g}"
    up = f"{y[0]:g},{y[1]:g},{frame.bottom:g},{frame.top:g}"
    name = escape(x_label)
    return f' class="lines" tabindex="0" data-x="{across}" data-y="{up}" data-x-name="{name}"'


def dot_chart(title: str, x_label: str, rows: Sequence[Dots]) -> str:
    """One row per kind, one dot per seed, a tick at the mean. Empty text without any value."""
    values = [value for row in rows for value in row.values if math.isfinite(value)]
    if not values:
        return ""
    x_ticks = ticks(min(values), max(values), 4)
    height = 46.0
    bottom = 12 + height * len(rows)
    frame = Frame(16, _WIDTH - 16, 12, bottom, (x_ticks[0], x_ticks[-1]), (0.0, 1.0))
    body = [draw_grid(frame, x_ticks, ())]
    for index, row in enumerate(rows):
        body.append(_dot_row(frame, row, frame.top + height * index))
    body.append(
        f'<text class="axis" x="{frame.right}" y="{bottom + 34:.1f}" text-anchor="end">'
        f"{escape(x_label)}</text>"
    )
    return standalone(title, bottom + 42, body)


def _dot_row(frame: Frame, row: Dots, top: float) -> str:
    middle = top + 32
    parts = [
        f'<text x="{frame.left}" y="{top + 16:.1f}"><tspan class="label c{row.color}">'
        f'{escape(row.label)}</tspan><tspan dx="8" class="note">{escape(row.note)}</tspan></text>',
        f'<line class="rule" x1="{frame.left}" x2="{frame.right}" y1="{middle}" y2="{middle}"/>',
    ]
    if row.center is not None:
        x = frame.across(row.center)
        parts.append(
            f'<line class="mean s{row.color}" x1="{x:.1f}" x2="{x:.1f}" '
            f'y1="{middle - 9}" y2="{middle + 9}"/>'
        )
    for value in row.values:
        if math.isfinite(value):
            tip = escape(f"{row.label}: {value:.2f}")
            parts.append(
                f'<circle class="f{row.color}" data-tip="{tip}" cx="{frame.across(value):.1f}" '
                f'cy="{middle}" r="5"><title>{tip}</title></circle>'
            )
    return "".join(parts)


def _whole_ticks(low: float, high: float) -> tuple[float, ...]:
    inside = [tick for tick in ticks(low, high, 4) if low <= tick <= high and tick == int(tick)]
    return tuple(inside) or (low,)


def draw_grid(frame: Frame, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> str:
    """A line and a number per tick."""
    parts = []
    for tick, text in zip(y_ticks, _numbers(y_ticks), strict=True):
        y = frame.up(tick)
        parts.append(
            f'<line class="grid" x1="{frame.left}" x2="{frame.right:.1f}" '
            f'y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="axis" x="{frame.left - 8}" y="{y + 4:.1f}" text-anchor="end">{text}'
            "</text>"
        )
    for tick, text in zip(x_ticks, _numbers(x_ticks), strict=True):
        x = frame.across(tick)
        anchor = "end" if x > _WIDTH - 30 else "middle" if x > frame.left + 8 else "start"
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{frame.top}" y2="{frame.bottom}"/>'
            f'<text class="axis" x="{x:.1f}" y="{frame.bottom + 17}" text-anchor="{anchor}">{text}'
            "</text>"
        )
    return "".join(parts)


def _numbers(values: Sequence[float]) -> list[str]:
    """The values with as many decimals as tell them apart."""
    for write in _FORMATS:
        texts = [write(value) for value in values]
        if all(
            float(text.replace(",", "")) == value for text, value in zip(texts, values, strict=True)
        ):
            return texts
    return [f"{value:.3g}" for value in values]


_FORMATS: Final[tuple[Callable[[float], str], ...]] = (
    "{:,.0f}".format,
    "{:.1f}".format,
    "{:.2f}".format,
    "{:.3f}".format,
    "{:.6g}".format,
)


def draw_titles(frame: Frame, x_label: str, y_label: str) -> str:
    """What is drawn: the y axis above the frame, the x axis below it."""
    return (
        f'<text class="axis" x="{frame.left - 40}" y="14">{escape(y_label)}</text>'
        f'<text class="axis" x="{frame.right:.1f}" y="{frame.bottom + 34}" text-anchor="end">'
        f"{escape(x_label)}</text>"
    )


def _polyline(frame: Frame, line: Line) -> str:
    finite = [point for point in line.points if all(map(math.isfinite, point))]
    drawn = _thinned(finite, _MOST_POINTS // 2 if line.faint else _MOST_POINTS)
    digits = 4 if line.faint else 5  # the page's script reads numbers back from the others
    path = " ".join(f"{frame.across(x):.{digits}g},{frame.up(y):.{digits}g}" for x, y in drawn)
    faint = " faint" if line.faint else ""
    name = "" if line.faint else f' data-name="{escape(line.label)}"'
    dot = ""
    if drawn and not line.faint:
        x, y = drawn[-1]
        where = f'cx="{frame.across(x):.1f}" cy="{frame.up(y):.1f}"'
        dot = f'<circle class="f{line.color}" {where} r="3.5"/>'
    look = f"line s{line.color}{faint}"
    return f'<polyline class="{look}"{name} points="{path}"/>{dot}'


def _thinned(points: Sequence[tuple[float, float]], most: int) -> Sequence[tuple[float, float]]:
    """About so many of the points at even distances, the last one among them."""
    step = -(-len(points) // most) or 1
    return points if step == 1 else [*points[:-1:step], points[-1]]


def _end_labels(frame: Frame, lines: Sequence[Line]) -> str:
    """Names at the right ends, pushed apart where curves end close together."""
    ends = [(frame.up(line.points[-1][1]), line) for line in lines]
    ends = [end for end in ends if math.isfinite(end[0])]
    ends.sort(key=lambda end: end[0])
    highest = frame.bottom - _TEXT_HEIGHT * (len(ends) - 1)
    parts, free = [], frame.top - _TEXT_HEIGHT
    for index, (wanted, line) in enumerate(ends):
        y = max(min(wanted, highest + _TEXT_HEIGHT * index), free)
        free = y + _TEXT_HEIGHT
        parts.append(
            f'<text class="label c{line.color}" x="{frame.right + 9:.1f}" y="{y + 4:.1f}">'
            f"{escape(line.label)}</text>"
        )
    return "".join(parts)


def standalone(title: str, height: float, body: Sequence[str], data: str = "") -> str:
    """The parts of a drawing with its title; data: attributes for the page's script."""
    return (
        f'<svg viewBox="0 0 {_WIDTH:.0f} {height:.0f}" role="img" aria-label="{escape(title)}"'
        f"{data}>"
        f"<title>{escape(title)}</title>{''.join(body)}</svg>"
    )
