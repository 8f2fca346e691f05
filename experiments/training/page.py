"""docs/results/NAME.md and its pictures, made from what is kept and from nothing else."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import ROOT
from experiments.training import RESULTS, experiments, kept_results
from experiments.training.overview import overview
from signbin.report import markdown, words
from signbin.report.experiment_chart import experiment_svg
from signbin.train import Experiment

DOCS = ROOT / "docs" / "results"
# Two-sided 95 % quantiles of Student's t by degrees of freedom (any table of it).
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306}


def pages(folder: Path = RESULTS) -> dict[Path, str]:
    """Every page and picture: one page per experiment with results, and the overview."""
    kept, written = kept_results(folder), {}
    for experiment in experiments():
        found = [results for results in kept if results["experiment"] == experiment.name]
        if not found:
            continue
        for results in found:
            picture = experiment_svg(results)
            if picture:
                written[f"{experiment.name}-{results['scale']}.svg"] = picture
        written[f"{experiment.name}.md"] = _page(experiment, found, set(written))
    written["training.md"] = overview(kept)
    return {DOCS / name: text for name, text in written.items()}


def _page(experiment: Experiment, found: Sequence[Mapping[str, Any]], pictures: set[str]) -> str:
    lines = [f"# {experiment.title}", "", experiment.question, ""]
    lines += [
        "Made by `make pages` from `experiments/training/results`, where the",
        "configuration and the metrics of every network are kept, too. "
        "[All experiments](training.md).",
        "",
    ]
    for results in found:
        lines += _section(results, pictures)
    return "\n".join(lines)


def _section(results: Mapping[str, Any], pictures: set[str]) -> list[str]:
    seeds = ", ".join(map(str, results["seeds"]))
    lines = [f"## Scale {results['scale']}: {results['epochs']} epochs, seeds {seeds}", ""]
    lines += _conditions(results)
    name = f"{results['experiment']}-{results['scale']}.svg"
    if name in pictures:
        lines += [f"![{results['title']}, scale {results['scale']}]({name})", ""]
    head = ["run", "changes to the recipe", "epochs", "seeds", "held-out accuracy", "density"]
    head += ["effectual weights", "s per epoch (median, fastest)"]
    rows = [_row(runs) for runs in _by_run(results["runs"])]
    if any("budget" in run for run in results["runs"]):
        head += ["predicted, budget"]
        costs = [_cost(runs) for runs in _by_run(results["runs"])]
        rows = [[*row, cost] for row, cost in zip(rows, costs, strict=True)]
    lines += [markdown.table(head, rows), ""]
    lines += _differences(results)
    if results["chart"] == "nested":
        lines += _families(results)
    if results["missing"]:
        lines += [f"Not trained yet: {', '.join(results['missing'])}.", ""]
    return lines


def _conditions(results: Mapping[str, Any]) -> list[str]:
    """What all networks of a scale have in common, from the first that is no failure."""
    run = next((run for run in results["runs"] if run["accuracy"] is not None), None)
    if run is None:
        return []
    data, machine = run["data"], run["environment"]
    settings = json.dumps(results["settings"]) if results["settings"] else "none"
    return [
        f"Recipe `{results['recipe']}`, settings of the scale: {settings}. {data['title']}, "
        f"{data['train_images']:,} training and {data['test_images']:,} test images, accuracy on "
        f"the {data['held_out']} part, sha256 `{data['sha256']}`. torch {machine['torch']}, "
        f"{machine['cpu']}, {machine['threads']} threads.",
        "",
    ]


def accuracy() -> str:
    """What is known of ResNet-20 with every kind of weights at equal schedules, as a table.

    The default recipe's, at full width and the density that training leaves.
    """
    every = [
        runs
        for results in kept_results()
        if results["experiment"] == "low-density"
        for runs in _by_run(results["runs"])
        if set(runs[0]["changes"]) == {"weights"}
    ]
    rows = [
        (
            runs[0]["changes"]["weights"],
            str(runs[0]["epochs"]),
            str(len(runs)),
            _accuracy(runs),
            _effectual(runs),
        )
        for runs in every
    ]
    head = ("weights", "epochs", "seeds", "held-out accuracy", "non-zero weights")
    return markdown.table(head, rows, numbers_from=1)


def _accuracy(runs: Sequence[Mapping[str, Any]]) -> str:
    found = [100 * run["accuracy"] for run in runs]
    spread = f" ± {statistics.stdev(found):.2f}" if len(found) > 1 else ""
    return f"{statistics.fmean(found):.2f}{spread} %"


def _effectual(runs: Sequence[Mapping[str, Any]]) -> str:
    """How many quantised weights are not zero, the mean of the runs."""
    if all(run["density"] is None for run in runs):
        return "float"
    return words.count(round(statistics.fmean(run["parameters"]["effectual"] for run in runs)))


def _row(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    first, seeds = runs[0], ", ".join(str(run["seed"]) for run in runs)
    changes = ", ".join(f"{key} {value}" for key, value in first["changes"].items()) or "none"
    good = [run for run in runs if run["accuracy"] is not None]
    if not good:
        return [first["run"], changes, "", seeds, first["failure"]["kind"], "", "", ""]
    failed = f" ({len(runs) - len(good)} failed)" if len(good) < len(runs) else ""
    densities = [run["density"] for run in good if run["density"] is not None]
    density = f"{statistics.fmean(densities):.3f}" if densities else "float"
    times = (
        statistics.median(run["epoch_seconds"] for run in good),
        min(run["fastest_epoch_seconds"] for run in good),
    )
    return [
        *(first["run"], changes, str(good[0]["epochs"]), seeds),
        f"{_accuracy(good)}{failed}",
        *(density, _effectual(good), f"{times[0]:.0f}, {times[1]:.0f}"),
    ]


def _cost(runs: Sequence[Mapping[str, Any]]) -> str:
    """What the networks are predicted to cost, the mean of the runs, and their budget."""
    budgets = [run["budget"] for run in runs if "budget" in run]
    if not budgets:
        return "none"
    predicted, limit = (
        statistics.fmean(one[key] for one in budgets) for key in ("predicted", "limit")
    )
    return words.budget(predicted, limit, budgets[0]["unit"])


def _differences(results: Mapping[str, Any]) -> list[str]:
    rows = []
    accuracy = {(run["run"], run["seed"]): run["accuracy"] for run in results["runs"]}
    for run, others in results["compare"].items():
        for other in others:
            pairs = [
                (accuracy[run, seed], accuracy[other, seed])
                for seed in results["seeds"]
                if accuracy.get((run, seed)) is not None and accuracy.get((other, seed)) is not None
            ]
            if pairs:
                rows.append((f"{run} - {other}", str(len(pairs)), difference(pairs)))
    if not rows:
        return []
    head = ("difference, percentage points", "seeds", "mean, 95 % interval")
    note = "Paired by seed; the interval is Student's, over seeds. One seed has none."
    return [markdown.table(head, rows), "", note, ""]


def _families(results: Mapping[str, Any]) -> list[str]:
    """Per layer of the first run the best-fitting family of all and of effectual weights."""
    run = next((run for run in results["runs"] if run.get("latent")), None)
    if run is None:
        return []
    head = ("layer", "weights", "family", "effectual weights", "family", "std, effectual / all")
    rows = [
        (
            layer["name"],
            *_family(layer["all"]),
            *_family(layer["effectual"]),
            f"{layer['effectual']['std'] / layer['all']['std']:.2f}",
        )
        for layer in run["latent"]
    ]
    note = (
        "Families: uniform, gaussian and laplacian, each with its maximum-likelihood parameters; "
        "the one with the largest likelihood is named. The effectual weights are a part of all, so "
        "their histogram lies below the other by construction; that it has the same shape "
        "outside the threshold is what the picture can show."
    )
    return [markdown.table(head, rows), "", note, ""]


def _family(weights: Mapping[str, Any]) -> tuple[str, str]:
    return words.count(sum(weights["histogram"])), weights["family"]


def difference(pairs: Sequence[tuple[float, float]]) -> str:
    """Mean of 100 * (a - b) over pairs, with its 95 % interval where there is more than one."""
    found = [100 * (a - b) for a, b in pairs]
    mean = statistics.fmean(found)
    if len(found) == 1:
        return f"{mean:+.2f}"
    half = STUDENT[len(found) - 1] * statistics.stdev(found) / math.sqrt(len(found))
    return f"{mean:+.2f} ({mean - half:+.2f} to {mean + half:+.2f})"


def _by_run(runs: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        found.setdefault(run["run"], []).append(run)
    return list(found.values())
