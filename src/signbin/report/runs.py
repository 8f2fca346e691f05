"""From the files of a run folder, and of ``compare --json``, to the records of a report."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from signbin.errors import FormatError, SignbinError, SpecError
from signbin.files import read_text
from signbin.report import words
from signbin.report.latent import Codes, latent_weights
from signbin.report.schema import (
    ReportedComparison,
    ReportedLatent,
    ReportedRun,
    Series,
    from_json,
)

__all__ = ["read_comparison", "read_json", "read_training"]

_REMEDY: Final = "train this run, or finish it with --resume"


def read_training(folder: Path, codes: Sequence[Codes] = ()) -> ReportedRun:
    """The record of a run folder: ``summary.json``, ``config.yaml``, ``seed-S/metrics.jsonl``, and
    the latent weights in ``model.safetensors`` of the first seed.

    codes: of compiled models; the one that fits most layers says which are effectual.
    What the files leave out stays None or empty. FormatError where the folder holds no finished
    run, or a file of it is damaged.
    """
    path = _within(folder, folder / "summary.json")
    if not path.is_file():
        allowed = "a folder with summary.json, as signbin train leaves it"
        raise FormatError("no finished run", value=str(folder), allowed=allowed, remedy=_REMEDY)
    summary = _object(read_json(path, _REMEDY), str(path))
    held_out = "test" if "test_accuracy" in summary else "validation"
    accuracy = _object(summary.get(f"{held_out}_accuracy", {}), f"{path}: {held_out}_accuracy")
    parameters = _object(summary.get("parameters", {}), f"{path}: parameters")
    document = {
        **{name: summary[name] for name in ("recipe", "weights", "seeds") if name in summary},
        "path": str(folder),
        "values": summary.get("value_set"),
        "accuracies": accuracy.get("per_seed", ()),
        "held_out": held_out,
        "density": summary.get("density"),
        "layer_density": _layer_numbers(summary, "density", path),
        "parameters": parameters.get("total"),
        "quantized_share": parameters.get("quantized_share"),
        "environment": summary.get("environment", {}),
        "command": summary.get("command"),
        "cost": _cost(summary, path),
    }
    training = from_json(ReportedRun, document, str(path))
    weights = _layer_numbers(summary, "weights", path)
    series = [
        one for seed in training.seeds for one in _series(_metrics(folder, seed), seed, weights)
    ]
    config = _config(_within(folder, folder / "config.yaml"))
    latent = _latent(folder, training.seeds, tuple(weights), codes)
    return dataclasses.replace(training, series=tuple(series), config=config, latent=latent)


def _latent(
    folder: Path, seeds: Sequence[int], layers: Sequence[str], codes: Sequence[Codes]
) -> tuple[ReportedLatent, ...]:
    """Of the first seed, with the codes of the first model that fit most layers of it."""
    if not seeds:
        return ()
    path = _within(folder, folder / f"seed-{seeds[0]}" / "model.safetensors")
    found = [tuple(latent_weights(path, layers, held)) for held in codes or ({},)]
    return max(found, key=lambda one: sum(layer.effectual is not None for layer in one))


def read_comparison(path: Path) -> ReportedComparison:
    """The record of what ``signbin compare --json`` printed; FormatError for anything else."""
    document = read_json(path, "write it with: signbin compare SOURCE MODEL --json > compare.json")
    return from_json(ReportedComparison, document, path.name)


def _layer_numbers(summary: Mapping[str, Any], key: str, path: Path) -> dict[str, float]:
    """One number per quantised layer of the summary: ``density`` or ``weights``."""
    layers = summary.get("layers", [])
    if not isinstance(layers, list):
        raise FormatError(f"{path}: layers", value=layers, allowed="a list", remedy=_REMEDY)
    entries = [_object(layer, f"{path}: layers") for layer in layers]
    return {
        str(entry.get("name")): float(entry[key])
        for entry in entries
        if _is_number(entry.get(key)) and entry[key] >= 0
    }


def _cost(summary: Mapping[str, Any], path: Path) -> str | None:
    """What the network is predicted to cost, and its budget; None where it had none."""
    if "budget" not in summary:
        return None
    budget = _object(summary["budget"], f"{path}: budget")
    predicted, limit = budget.get("predicted"), budget.get("limit")
    if not _is_number(predicted) or not _is_number(limit):
        raise FormatError(f"{path}: budget", value=budget, allowed="numbers", remedy=_REMEDY)
    return words.budget(float(predicted or 0), float(limit or 0), str(budget.get("unit")))


def _config(path: Path) -> dict[str, str]:
    """The resolved configuration as dotted keys and text; empty without the file."""
    if not path.exists():
        return {}
    try:
        from signbin.strict_yaml import read_yaml  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError as error:
        raise SignbinError(
            "reading config.yaml needs PyYAML", remedy="run: pip install 'signbin[cli]'"
        ) from error
    try:
        document = read_yaml(_read_text(path, _REMEDY), str(path))
    except SpecError as error:
        raise FormatError(str(error), remedy=_REMEDY) from error
    return dict(_flat(_object(document, str(path))))


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield f"{prefix}{key}", ", ".join(map(str, value))
        else:
            yield f"{prefix}{key}", str(value)


def _object(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise FormatError(where, value=value, allowed="an object", remedy=_REMEDY)
    return value


def _metrics(folder: Path, seed: int) -> Path:
    return _within(folder, folder / f"seed-{seed}" / "metrics.jsonl")


def _series(path: Path, seed: int, weights: Mapping[str, float]) -> Iterator[Series]:
    """One series per quantity that the epochs of ``metrics.jsonl`` log; none without the file."""
    epochs: dict[str, list[int]] = defaultdict(list)
    values: dict[str, list[float]] = defaultdict(list)
    for line in _lines(path):
        numbers = {**line, **_health(line.get("health"), weights)}
        for name, value in numbers.items():
            if name != "epoch" and _is_number(value):
                epochs[name].append(int(line["epoch"]))
                values[name].append(float(value))
    for name, logged in values.items():
        yield Series(name, seed, tuple(epochs[name]), tuple(logged))


def _health(health: object, weights: Mapping[str, float]) -> dict[str, float]:
    """The health of all quantised layers in one number each.

    Shares of weights (density, flip_rate, saturated): mean over layers, weighted by their number
    of weights. dead_filters: their sum. mean_to_spread: the largest, the worst layer's.
    """
    entries = health.get("layers") if isinstance(health, Mapping) else None
    layers = [entry for entry in entries or () if isinstance(entry, Mapping)]
    found: dict[str, float] = {}
    for name in ("density", "flip_rate", "saturated"):
        pairs = [
            (layer[name], weights.get(str(layer.get("name")), 1.0))
            for layer in layers
            if _is_number(layer.get(name))
        ]
        if pairs:
            total = sum(weight for _, weight in pairs) or 1.0
            found[name] = sum(value * weight for value, weight in pairs) / total
    for name, join in (("dead_filters", sum), ("mean_to_spread", max)):
        numbers = [layer[name] for layer in layers if _is_number(layer.get(name))]
        if numbers:
            found[name] = float(join(numbers))
    return found


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    if not path.exists():
        return
    for number, text in enumerate(_read_text(path, _REMEDY).splitlines(), start=1):
        line = _decode(text, f"{path}, line {number}", _REMEDY)
        if not isinstance(line, Mapping) or not _is_number(line.get("epoch")):
            raise FormatError(
                f"{path}, line {number}", value=line, allowed="an object with the key epoch"
            )
        yield line


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def read_json(path: Path, remedy: str) -> Any:
    """The decoded document; FormatError with the remedy where the file holds none."""
    return _decode(_read_text(path, remedy), str(path), remedy)


def _decode(text: str, where: str, remedy: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where} is not JSON", reason=str(error), remedy=remedy) from error


def _within(folder: Path, path: Path) -> Path:
    """The path, where it does not lead out of the folder: runs come from strangers, too."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise FormatError(
            "a link out of the run folder",
            value=str(path),
            allowed=f"files within {folder}",
            remedy="copy the file into the folder",
        )
    return path


def _read_text(path: Path, remedy: str) -> str:
    if not path.is_file():
        raise FormatError("no file", value=str(path), remedy=remedy)
    try:
        return read_text(path)
    except OSError as error:
        raise FormatError(f"{path} cannot be read", reason=str(error), remedy=remedy) from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not UTF-8 text", remedy=remedy) from error
