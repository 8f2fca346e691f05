"""What the grid says: how many layers hold, every loss with its reason, the planner's regret."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.grid_layers import TYPES, grid
from benchmarks.grid_sources import newest_of
from benchmarks.results import RESULTS, newest_rows
from signbin.report import markdown, words

__all__ = [
    "LEAST_RATIO",
    "SECTION",
    "TABLES",
    "Entry",
    "failures",
    "losses",
    "planner_regret",
    "summary",
]

Row = Mapping[str, Any]
SECTION: Final = "grid"
LEAST_RATIO: Final = 0.9
"""Fastest peer / ours that holds: below it a layer is slower."""
_LISTED: Final = 0.15  # regrets from here on are listed, the largest first
_MOST_LISTED: Final = 25
_GIGA: Final = 1e6  # operations a millisecond


@dataclasses.dataclass(frozen=True)
class Entry:
    """One layer, type of activations and scheme: what a row says of it."""

    row: Row
    scheme: str

    @property
    def ratio(self) -> float:
        """Fastest peer / the planner's way; above 1 ours is faster."""
        return float(self._own["ratio"])

    @property
    def ways(self) -> Mapping[str, float]:
        """Milliseconds of every way, the planner's first."""
        ways: Mapping[str, float] = self._own["ways"]
        return ways

    @property
    def chosen(self) -> str:
        """The planner's way."""
        return next(iter(self.ways))

    @property
    def best(self) -> str:
        """The fastest way."""
        return min(self.ways, key=lambda name: self.ways[name])

    @property
    def regret(self) -> float:
        """How much longer the planner's way takes than the fastest: 0 where it is that."""
        return self.ways[self.chosen] / self.ways[self.best] - 1

    @property
    def reason(self) -> str:
        """Why it loses: the choice, where another way would hold, else the kernel's rate."""
        theirs = self.row["peers"][self.row["fastest"]]
        if theirs / self.ways[self.best] >= LEAST_RATIO:
            ms = words.milliseconds(self.ways[self.best])
            return f"the planner's choice: {self.best} takes {ms} ms"
        ours = self.row["macs"] / self.ways[self.chosen] / _GIGA
        peer = self.row["macs"] / theirs / _GIGA
        return f"the kernel: {ours:.0f} GMAC/s against {peer:.0f}"

    @property
    def _own(self) -> Row:
        own: Row = self.row["schemes"][self.scheme]
        return own


def entries(rows: Sequence[Row]) -> Iterator[Entry]:
    """Every scheme of every row."""
    return (Entry(row, scheme) for row in rows for scheme in row["schemes"])


def summary(rows: Sequence[Row]) -> str:
    """One line per kind of layer and type: how many hold, and the ratios."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries(rows):
        groups.setdefault((entry.row["kind"], entry.row["type"]), []).append(entry)
    lines = [[*group, *_held(found)] for group, found in sorted(groups.items())]
    total = list(entries(rows))
    if total:
        lines.append(["all", "", *_held(total)])
    least = f"at least {LEAST_RATIO:.1f} of the fastest peer"
    head = ["layers", "activations", "measured", least, "least ratio", "median", "largest"]
    told = (
        f"{len(rows)} of {len(TYPES) * len(grid())} pairs of a layer and activations are measured."
    )
    return f"{told}\n\n{markdown.table(head, lines, numbers_from=2)}"


def _held(found: Sequence[Entry]) -> list[str]:
    ratios = [entry.ratio for entry in found]
    held = sum(ratio >= LEAST_RATIO for ratio in ratios) / len(ratios)
    extremes = (min(ratios), float(np.median(ratios)), max(ratios))
    return [str(len(ratios)), words.percent(held, 1), *(f"{value:.2f}" for value in extremes)]


def losses(rows: Sequence[Row]) -> str:
    """Every entry below LEAST_RATIO, the worst first, with its repetitions and the reason."""
    lost = sorted(
        (entry for entry in entries(rows) if entry.ratio < LEAST_RATIO),
        key=lambda entry: entry.ratio,
    )
    if not lost:
        return f"No layer is below {LEAST_RATIO:.1f} of the fastest peer."
    head = ["layer", "activations", "weights", "ours", "ms", "fastest peer", "ms"]
    head += ["theirs / ours", "three times more", "reason"]
    lines = [
        [
            *(entry.row["layer"], entry.row["type"], entry.scheme, entry.chosen),
            words.milliseconds(entry.ways[entry.chosen]),
            entry.row["fastest"],
            words.milliseconds(entry.row["peers"][entry.row["fastest"]]),
            f"{entry.ratio:.2f}",
            ", ".join(f"{one:.2f}" for one in entry.row["schemes"][entry.scheme]["repeats"]),
            entry.reason,
        ]
        for entry in lost
    ]
    return markdown.table(head, lines, numbers_from=4)


def planner_regret(rows: Sequence[Row]) -> str:
    """How much longer the planner's ways take than the fastest that was possible; the worst."""
    found = [entry for entry in entries(rows) if len(entry.ways) > 1]
    if not found:
        return "No layer could be run in more than one way."
    regrets = [entry.regret for entry in found]
    middle, most = (float(np.percentile(regrets, share)) for share in (50, 95))
    said = (
        f"Of {len(found)} layers that could be run in more than one way, the planner's takes "
        f"{words.percent(middle, 1)} (median) and {words.percent(most, 1)} (95th percentile) "
        "longer than the fastest."
    )
    worst = sorted(
        (entry for entry in found if entry.regret >= _LISTED),
        key=lambda entry: entry.regret,
        reverse=True,
    )[:_MOST_LISTED]
    if not worst:
        return said
    lines = [
        [
            *(entry.row["layer"], entry.row["type"], entry.scheme, entry.chosen),
            words.milliseconds(entry.ways[entry.chosen]),
            entry.best,
            words.milliseconds(entry.ways[entry.best]),
            words.percent(entry.regret, 0),
        ]
        for entry in worst
    ]
    head = ["layer", "activations", "weights", "chosen", "ms", "fastest", "ms", "regret"]
    return f"{said}\n\n{markdown.table(head, lines, numbers_from=4)}"


def failures(rows: Sequence[Row]) -> str:
    """What could not be measured: engines, schemes and ways, with the error."""
    lines = [
        [row["layer"], row["type"], name, error]
        for row in rows
        for name, error in row.get("failed", {}).items()
    ]
    if not lines:
        return "Nothing failed."
    return markdown.table(["layer", "activations", "failed", "error"], lines)


def _of_every_cpu(told: Callable[[Sequence[Row]], str], results: Path = RESULTS) -> str:
    found = [
        f"{one['environment']['cpu']['model']}, begun on {one['date']}:\n\n{told(rows)}"
        for one in newest_rows(SECTION, results)
        if (rows := newest_of(one["rows"]))
    ]
    return "\n\n".join(found) or "No results yet."


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "grid_summary": lambda: _of_every_cpu(summary),
    "grid_losses": lambda: _of_every_cpu(losses),
    "grid_regret": lambda: _of_every_cpu(planner_regret),
    "grid_failures": lambda: _of_every_cpu(failures),
}
"""What pages.py puts into docs/results/grid.md."""
