"""What docs/codesign.md says of accuracy at equal cost, made from what is kept.

A network that is cheaper and less accurate than another may lie above or below what a narrower
network would give. So binary networks of several widths are trained with the same schedule, and
every other network is compared with them at its own cost: their accuracy there is interpolated
linearly between the two widths that enclose it, seed by seed.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from experiments import ROOT
from experiments.training import RESULTS, kept_results
from signbin.report import markdown, words
from signbin.report.experiment_chart import cost_svg

DOCS: Final = ROOT / "docs"
COSTS: Final = {
    "min_ms": ("time", 1e3, "microseconds an image"),
    "additions_millions": ("additions", 1e3, "thousands of additions"),
    "energy_uj": ("energy", 1e3, "nanojoules an image, estimated"),
    "file_bytes": ("bytes", 1.0, "bytes of the file"),
}
"""Of every cost, by its name in costs.json: a short name, and a factor and a unit of pictures."""


@functools.cache
def networks(folder: Path = RESULTS) -> tuple[Mapping[str, Any], ...]:
    """Every trained network of the study with its costs, over all scales that were measured."""
    found = []
    for results in kept_results(folder):
        path = folder / f"{results['experiment']}-{results['scale']}" / "costs.json"
        if not path.is_file():
            continue
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        costs = {(row["run"], row["seed"]): row for row in rows}
        found += [
            {**costs[run["run"], run["seed"]], **run, "scale": results["scale"]}
            for run in results["runs"]
            if (run["run"], run["seed"]) in costs
        ]
    return tuple(found)


def costs_table() -> str:
    """One line per kind of network: accuracy, and what an image costs."""
    head = ["network", "epochs", "seeds", "accuracy", "with 8-bit codes", "non-zero weights"]
    head += ["least ms", "OpenVINO int8, float, least ms", "additions, M", "energy, uJ", "file"]
    lines = [_line(same) for same in _alike(networks())]
    return markdown.table(head, lines, numbers_from=1) if lines else "Not measured yet."


def _line(same: Sequence[Mapping[str, Any]]) -> list[str]:
    def mean(key: str) -> float:
        return statistics.fmean(network[key] for network in same)

    peers, weights = same[0]["peers"], same[0]["parameters"]
    others = [words.milliseconds(peers[name]) for name in ("openvino-int8", "openvino") if peers]
    return [
        same[0]["run"],
        str(same[0]["epochs"]),
        str(len(same)),
        f"{100 * mean('accuracy'):.2f} %",
        f"{100 * mean('codes_accuracy'):.2f} %",
        words.count(round(weights["effectual"] or weights["weights"])),
        words.milliseconds(mean("min_ms")),
        ", ".join(others),
        f"{mean('additions_millions'):.1f}",
        f"{mean('energy_uj'):.1f}",
        words.size(round(mean("file_bytes"))),
    ]


def differences_table() -> str:
    """What lies how far above the width curve of binary networks, at equal cost."""
    found = [
        (scale, cost, *row)
        for scale in dict.fromkeys(network["scale"] for network in networks())
        for cost in COSTS
        for row in above_the_curve([one for one in networks() if one["scale"] == scale], cost)
    ]
    if not found:
        return "Not enough widths of binary networks are trained yet."
    head = ("scale", "at equal", "network", "seeds", "above binary, percentage points (95 %)")
    lines = [
        (scale, COSTS[cost][0], run, str(seeds), _interval(mean, half))
        for scale, cost, run, seeds, mean, half in found
    ]
    return markdown.table(head, lines, numbers_from=3)


def _interval(mean: float, half: float) -> str:
    if math.isnan(half):
        return f"{mean:+.2f} (no interval from one seed)"
    return f"{mean:+.2f} ({mean - half:+.2f} to {mean + half:+.2f})"


def above_the_curve(
    found: Sequence[Mapping[str, Any]], cost: str
) -> list[tuple[str, int, float, float]]:
    """(run, seeds, mean, half the interval) of every run that the width curve encloses.

    In percentage points: accuracy - what binary networks of the same seed have at this cost. Half
    the 95 % interval is t * s / sqrt(seeds), s the deviation pooled over all runs; NaN without it.
    """
    apart: dict[str, list[float]] = {}
    for network in found:
        there = width_curve(found, network["seed"], cost, network[cost])
        if network["weights"] != "binary" and there is not None:
            apart.setdefault(network["run"], []).append(100 * (network["accuracy"] - there))
    freedom = sum(len(values) - 1 for values in apart.values())
    squares = sum((x - statistics.fmean(values)) ** 2 for values in apart.values() for x in values)
    return [
        (
            run,
            len(values),
            statistics.fmean(values),
            _quantile(freedom) * math.sqrt(squares / freedom / len(values))
            if freedom
            else math.nan,
        )
        for run, values in apart.items()
    ]


def width_curve(
    found: Sequence[Mapping[str, Any]], seed: int, cost: str, at: float
) -> float | None:
    """Accuracy of binary networks at a cost, between two widths; None outside of all of them."""
    widths = sorted(
        (network[cost], network["accuracy"])
        for network in found
        if network["weights"] == "binary" and network["seed"] == seed
    )
    for (left, low), (right, high) in itertools.pairwise(widths):
        if left <= at <= right:
            share = (at - left) / (right - left) if right > left else 0.0
            return float(low + share * (high - low))
    return None


def _quantile(freedom: int) -> float:
    """Of Student's t, for 95 % on both sides."""
    from scipy.stats import t  # noqa: PLC0415 - half a second, for one number

    return float(t.ppf(0.975, freedom))


def _alike(found: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    same: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for network in found:
        same.setdefault((network["scale"], network["run"]), []).append(network)
    return list(same.values())


def pages() -> dict[Path, str]:
    """The pictures: accuracy over each cost, of the scale with most networks."""
    scales = [network["scale"] for network in networks()]
    if not scales:
        return {}
    scale = statistics.mode(scales)
    chosen = [network for network in networks() if network["scale"] == scale]
    return {
        DOCS / f"codesign-{name}.svg": cost_svg(chosen, cost, factor, label)
        for cost, (name, factor, label) in COSTS.items()
    }
