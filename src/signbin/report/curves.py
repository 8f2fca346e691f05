"""From training records to charts: accuracy by kind, and one chart per logged quantity."""

from __future__ import annotations

import dataclasses
import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from signbin.report import charts, words
from signbin.report.schema import Kind, ReportedRun, Series

__all__ = ["Chart", "accuracy_chart", "mean_series", "training_charts"]


@dataclasses.dataclass(frozen=True)
class Chart:
    """A drawing and the sentence under it."""

    title: str
    svg: str
    note: str


@dataclasses.dataclass(frozen=True)
class _Quantity:
    title: str
    unit: str
    factor: float = 1.0


COLORS: Final = 5  # classes c0..c4 of the style sheet

QUANTITIES: Final = {
    "test_accuracy": _Quantity("Test accuracy", "test accuracy, %", 100.0),
    "validation_accuracy": _Quantity("Validation accuracy", "validation accuracy, %", 100.0),
    "train_loss": _Quantity("Training loss", "cross-entropy, nats per image"),
    "test_loss": _Quantity("Test loss", "cross-entropy, nats per image"),
    "validation_loss": _Quantity("Validation loss", "cross-entropy, nats per image"),
    "predicted_milliseconds": _Quantity("Predicted time", "predicted ms per image"),
    "predicted_additions": _Quantity("Predicted additions", "additions per image"),
    "density": _Quantity("Density", "non-zero weights, % of quantised weights", 100.0),
    "flip_rate": _Quantity("Flip rate", "weights whose code changed in the epoch, %", 100.0),
    "mean_to_spread": _Quantity("Common mode", "output mean / spread, worst layer"),
    "saturated": _Quantity("Saturation", "latent weights with |w| > 1, %", 100.0),
    "dead_filters": _Quantity("Dead filters", "filters without a non-zero weight"),
}


def accuracy_chart(kinds: Sequence[Kind]) -> Chart | None:
    """Every seed's held-out accuracy as a dot, one row per kind; None without a figure."""
    rows = [
        charts.Dots(
            label=kind.weights,
            color=index % COLORS,
            values=tuple(100 * value for value in kind.accuracies),
            center=None if kind.mean is None else 100 * kind.mean,
            note=words.accuracy(kind.mean, kind.spread),
        )
        for index, kind in enumerate(kinds)
    ]
    title = "Held-out accuracy by kind of weights"
    svg = charts.dot_chart(title, "held-out accuracy, %", rows)
    return Chart(title, svg, "One dot per seed, the tick is their mean.") if svg else None


def training_charts(trainings: Sequence[ReportedRun]) -> tuple[Chart, ...]:
    """One chart per quantity that at least one run logged, in the order of QUANTITIES."""
    found = []
    for name, quantity in QUANTITIES.items():
        lines = []
        for index, training in enumerate(trainings):
            lines += _lines(training, name, index % COLORS)
        svg = charts.line_chart(quantity.title, quantity.unit, lines)
        if svg:
            note = "Thin: one line per seed. Thick: their mean." if _several(trainings) else ""
            found.append(Chart(quantity.title, svg, note))
    return tuple(found)


def mean_series(series: Sequence[Series]) -> tuple[tuple[float, float], ...]:
    """(epoch, mean over the seeds), for the epochs that every seed has logged."""
    by_epoch: dict[int, list[float]] = defaultdict(list)
    for one in series:
        for epoch, value in zip(one.epochs, one.values, strict=True):
            by_epoch[epoch].append(value)
    return tuple(
        (float(epoch), statistics.fmean(values))
        for epoch, values in sorted(by_epoch.items())
        if len(values) == len(series)
    )


def _lines(training: ReportedRun, quantity: str, color: int) -> list[charts.Line]:
    series = [one for one in training.series if one.quantity == quantity]
    if not series:
        return []
    factor = QUANTITIES[quantity].factor
    lines = [charts.Line(training.weights, color, _scaled(mean_series(series), factor))]
    if len(series) > 1:
        for one in series:
            points = tuple(zip(map(float, one.epochs), one.values, strict=True))
            lines.append(charts.Line("", color, _scaled(points, factor), faint=True))
    return lines


def _scaled(
    points: tuple[tuple[float, float], ...], factor: float
) -> tuple[tuple[float, float], ...]:
    return tuple((x, factor * y) for x, y in points)


def _several(trainings: Sequence[ReportedRun]) -> bool:
    return any(len(training.seeds) > 1 for training in trainings)
