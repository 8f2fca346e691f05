"""From the results of an experiment to a study: what every network reached, and what it costs."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from signbin.errors import FormatError
from signbin.report.runs import read_json
from signbin.report.schema import Study, StudyPoint

__all__ = ["COSTS", "pareto_front", "read_study"]

COSTS: Final = {
    "effectual_weights": "non-zero weights",
    "milliseconds": "predicted ms per image",
    "additions": "predicted additions per image",
    "measured_ms": "least ms per image, measured",
    "counted_additions": "additions per image, millions",
    "energy_uj": "microjoules per image, estimated",
    "file_bytes": "bytes of the file",
}
"""What the networks of a study may cost, and what that is; less is better."""
_MEASURED: Final = {
    "min_ms": "measured_ms",
    "additions_millions": "counted_additions",
    "energy_uj": "energy_uj",
    "file_bytes": "file_bytes",
}
"""Of every cost in costs.json: what it is called here."""
_REMEDY: Final = "name the folder of a scale, as signbin experiment leaves it"


def read_study(path: Path) -> Study:
    """The study of ``results.json``, or of the folder of a scale that holds it.

    Seeds of a run are one point, their mean. What the networks were measured to cost is read from
    ``costs.json`` beside it, where that is: ``rows`` of ``run``, ``seed`` and some of ``min_ms``,
    ``additions_millions``, ``energy_uj`` and ``file_bytes``. FormatError for anything else.
    """
    file = path / "results.json" if path.is_dir() else path
    document = read_json(file, _REMEDY)
    runs = _rows(document, "runs", file)
    measured = _measured(file.parent / "costs.json")
    named: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for run in runs:
        costs = measured.get((str(run.get("run")), str(run.get("seed"))), {})
        named[str(run.get("run"))].append({**run, "costs": costs})
    points = [_point(name, seeds, file) for name, seeds in named.items()]
    return Study(
        title=str(document.get("title") or file.parent.name),
        question=str(document.get("question") or ""),
        points=tuple(point for point in points if point is not None),
        failed=tuple(name for name, point in zip(named, points, strict=True) if point is None),
    )


def pareto_front(points: Sequence[StudyPoint], cost: str) -> tuple[StudyPoint, ...]:
    """Those that no other one beats: as accurate at less cost, or more accurate at no more.

    Of points without this cost none. By rising cost.

    >>> found = {"slow": (0.9, 3.0), "fast": (0.8, 1.0), "worse": (0.7, 2.0)}
    >>> points = [StudyPoint(name, "", acc, 1, {"ms": ms}) for name, (acc, ms) in found.items()]
    >>> [point.name for point in pareto_front(points, "ms")]
    ['fast', 'slow']
    """
    known = [point for point in points if cost in point.costs]
    front: list[StudyPoint] = []
    for point in sorted(known, key=lambda one: (one.costs[cost], -one.accuracy)):
        if not front or point.accuracy > front[-1].accuracy:
            front.append(point)
    return tuple(front)


def _rows(document: object, key: str, file: Path) -> list[Mapping[str, Any]]:
    rows = document.get(key) if isinstance(document, Mapping) else None
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise FormatError(str(file), allowed="the results of an experiment", remedy=_REMEDY)
    return rows


def _measured(file: Path) -> Mapping[tuple[str, str], Mapping[str, object]]:
    """What costs.json says of every run and seed, by the names of COSTS; else nothing."""
    if not file.is_file():
        return {}
    return {
        (str(row.get("run")), str(row.get("seed"))): {
            name: row.get(key) for key, name in _MEASURED.items()
        }
        for row in _rows(read_json(file, _REMEDY), "rows", file)
    }


def _point(name: str, seeds: Sequence[Mapping[str, Any]], file: Path) -> StudyPoint | None:
    """The mean of the seeds that reached something; None where none did."""
    finished = [seed for seed in seeds if seed.get("accuracy") is not None]
    if not finished:
        return None
    accuracies = [_share(seed["accuracy"], f"{file}: accuracy of {name}") for seed in finished]
    costs: dict[str, list[float]] = defaultdict(list)
    for seed in finished:
        for cost, number in _costs(seed):
            costs[cost].append(number)
    means = {cost: statistics.fmean(found) for cost, found in costs.items()}
    weights = str(finished[0].get("weights") or "")
    return StudyPoint(name, weights, statistics.fmean(accuracies), len(finished), means)


def _share(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise FormatError(where, value=value, allowed="a share in 0..1", remedy=_REMEDY)
    return float(value)


def _costs(run: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    found: dict[str, object] = dict(run["costs"])
    parameters, budget = run.get("parameters"), run.get("budget")
    if isinstance(parameters, Mapping):
        # Of a float network nothing is quantised, and all weights count.
        quantized = parameters.get("quantized", 1)
        found["effectual_weights"] = parameters.get("effectual" if quantized else "weights")
    if isinstance(budget, Mapping) and budget.get("unit") in COSTS:
        found[str(budget["unit"])] = budget.get("predicted")
    for cost, number in found.items():
        if isinstance(number, int | float) and math.isfinite(number) and number >= 0:
            yield cost, float(number)
