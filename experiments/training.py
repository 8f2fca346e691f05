"""Keep the results of trained experiments, and write docs/results from what is kept.

    python -m signbin experiment experiments/depth.yaml --scale cpu -o RUNS   # trains, resumes
    python experiments/training.py --collect depth RUNS   # keeps what is finished, writes pages
    python experiments/training.py                        # writes pages from what is kept

Kept in experiments/results/training/EXPERIMENT-SCALE: results.json, and per network config.yaml
and metrics.csv. The pages are made from these files and nothing else.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from signbin.files import write_text
from signbin.report.experiment_chart import experiment_svg
from signbin.train import (
    Experiment,
    ModelConfig,
    build_network,
    load_experiment,
    results_of,
)
from signbin.train.documents import read_yaml, write_yaml
from signbin.train.models import MODELS

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "experiments"
RESULTS = EXPERIMENTS / "results" / "training"
PAGES = ROOT / "docs" / "results"
OVERVIEW = "training"
# Two-sided 95 % quantiles of Student's t by degrees of freedom (any table of it).
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306}
HOUR = 3600.0


def experiments() -> list[Experiment]:
    """All of the project, in alphabetical order."""
    return [load_experiment(path) for path in sorted(EXPERIMENTS.glob("*.yaml"))]


def collect(name: str, runs: Path, kept: Path = RESULTS) -> list[Path]:
    """Keep what is finished in a folder of ``signbin experiment``; the folders written."""
    experiment, written = load_experiment(EXPERIMENTS / f"{name}.yaml"), []
    for scale in experiment.scales:
        if not (runs / scale).is_dir():
            continue
        results = results_of(experiment, scale, runs / scale, experiment.trainings(scale))
        if not results["runs"]:
            continue
        folder = kept / f"{name}-{scale}"
        for run in results["runs"]:
            _keep_logs(runs / scale / f"{run['run']}-seed-{run['seed']}", folder)
        write_text(folder / "results.json", json.dumps(results, indent=1) + "\n")
        written.append(folder)
    return written


def _keep_logs(run: Path, folder: Path) -> None:
    """The configuration, without this machine's folders, and the metrics of every epoch."""
    target = folder / run.name
    target.mkdir(parents=True, exist_ok=True)
    config: Any = read_yaml((run / "config.yaml").read_text(encoding="utf-8"), str(run))
    config["data"] |= {"folder": None, "cache": None}
    write_text(target / "config.yaml", write_yaml(config))
    for table in run.glob("seed-*/metrics.csv"):  # none where the first epoch failed
        write_text(target / "metrics.csv", table.read_text(encoding="utf-8"))


def kept_results(kept: Path = RESULTS) -> list[dict[str, Any]]:
    """Every results.json that is kept, in the order of the folders."""
    paths = sorted(kept.glob("*/results.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def pages(kept: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Every page and picture by file name: one per experiment with results, and the overview."""
    written: dict[str, str] = {}
    for experiment in experiments():
        found = [results for results in kept if results["experiment"] == experiment.name]
        if not found:
            continue
        for results in found:
            picture = experiment_svg(results)
            if picture:
                written[f"{experiment.name}-{results['scale']}.svg"] = picture
        written[f"{experiment.name}.md"] = _page(experiment, found, set(written))
    written[f"{OVERVIEW}.md"] = _overview(kept)
    return written


def _page(experiment: Experiment, found: Sequence[Mapping[str, Any]], pictures: set[str]) -> str:
    lines = [f"# {experiment.title}", "", experiment.question, ""]
    lines += [
        "Made by `python experiments/training.py` from `experiments/results/training`, where the",
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
    lines += [
        "| run | changes to the recipe | epochs | seeds | held-out accuracy | density "
        "| effectual weights | s per epoch (median, fastest) |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(runs) for runs in _by_run(results["runs"])),
        "",
    ]
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


def _row(runs: Sequence[Mapping[str, Any]]) -> str:
    first, seeds = runs[0], ", ".join(str(run["seed"]) for run in runs)
    changes = ", ".join(f"{key} {value}" for key, value in first["changes"].items()) or "none"
    good = [run for run in runs if run["accuracy"] is not None]
    if not good:
        return f"| {first['run']} | {changes} | | {seeds} | {first['failure']['kind']} | | | |"
    accuracy = [run["accuracy"] for run in good]
    spread = f" ± {100 * statistics.stdev(accuracy):.2f}" if len(accuracy) > 1 else ""
    failed = f" ({len(runs) - len(good)} failed)" if len(good) < len(runs) else ""
    densities = [run["density"] for run in good if run["density"] is not None]
    density = f"{statistics.fmean(densities):.3f}" if densities else "float"
    effectual = statistics.fmean(run["parameters"]["effectual"] for run in good)
    counted = f"{round(effectual):,}" if densities else "float"
    times = (
        statistics.median(run["epoch_seconds"] for run in good),
        min(run["fastest_epoch_seconds"] for run in good),
    )
    return (
        f"| {first['run']} | {changes} | {good[0]['epochs']} | {seeds} "
        f"| {100 * statistics.fmean(accuracy):.2f}{spread} %{failed} | {density} "
        f"| {counted} | {times[0]:.0f}, {times[1]:.0f} |"
    )


def _differences(results: Mapping[str, Any]) -> list[str]:
    lines = []
    accuracy = {(run["run"], run["seed"]): run["accuracy"] for run in results["runs"]}
    for run, others in results["compare"].items():
        for other in others:
            pairs = [
                (accuracy[run, seed], accuracy[other, seed])
                for seed in results["seeds"]
                if accuracy.get((run, seed)) is not None and accuracy.get((other, seed)) is not None
            ]
            if pairs:
                lines.append(f"| {run} - {other} | {len(pairs)} | {difference(pairs)} |")
    if not lines:
        return []
    head = ["| difference, percentage points | seeds | mean, 95 % interval |", "|---|---|---|"]
    note = "Paired by seed; the interval is Student's, over seeds. One seed has none."
    return [*head, *lines, "", note, ""]


def _families(results: Mapping[str, Any]) -> list[str]:
    """Per layer of the first run the best-fitting family of all and of effectual weights."""
    run = next((run for run in results["runs"] if run.get("latent")), None)
    if run is None:
        return []
    lines = ["| layer | weights | family | effectual weights | family | std, effectual / all |"]
    lines.append("|---|---|---|---|---|---|")
    for layer in run["latent"]:
        whole, kept = layer["all"], layer["effectual"]
        lines.append(
            f"| {layer['name']} | {sum(whole['histogram']):,} | {whole['family']} "
            f"| {sum(kept['histogram']):,} | {kept['family']} | {kept['std'] / whole['std']:.2f} |"
        )
    note = (
        "Families: uniform, gaussian and laplacian, each with its maximum-likelihood parameters; "
        "the one with the largest likelihood is named. The effectual weights are a part of all, so "
        "their histogram lies below the other by construction; that it has the same shape "
        "outside the threshold is what the picture can show."
    )
    return [*lines, "", note, ""]


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


def _overview(kept: Sequence[Mapping[str, Any]]) -> str:
    second = measured_epoch(kept)
    lines = [
        "# Experiments that train",
        "",
        "One file and one command each: `signbin experiment experiments/NAME.yaml --scale SCALE "
        "-o RUNS --set data.folder=CIFAR10` trains what is missing and goes on where it was "
        "interrupted; `python experiments/training.py --collect NAME RUNS` keeps the results and "
        "writes these pages.",
        "",
        "| experiment | question |",
        "|---|---|",
    ]
    names = {results["experiment"] for results in kept}
    for experiment in experiments():
        title = experiment.title
        linked = f"[{title}]({experiment.name}.md)" if experiment.name in names else title
        lines.append(f"| {linked} | {experiment.question.strip()} |")
    lines += ["", "## What is trained, and how long the rest would take", ""]
    lines += _basis(second)
    lines += ["| experiment | scale | networks | trained | hours to train the rest |"]
    lines += ["|---|---|---|---|---|"]
    for experiment in experiments():
        for scale in experiment.scales:
            lines.append(_estimate(experiment, scale, kept, second))
    return "\n".join([*lines, ""])


def _basis(second: float | None) -> list[str]:
    if second is None:
        return ["No epoch has been measured yet.", ""]
    return [
        f"Estimated for one core of the CPU that trained the results above: {second:.0f} s per "
        "epoch of ResNet-20 (the fastest that was measured there), times the multiply-adds "
        "of each network over those of ResNet-20. Scale `gpu` was not measured on a GPU; its "
        "hours are those of the same core.",
        "",
    ]


def measured_epoch(kept: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds of the fastest epoch of ResNet-20 of width 16 that is kept, or None."""
    found = [
        run["fastest_epoch_seconds"]
        for results in kept
        for run in results["runs"]
        if run["accuracy"] is not None
        and results["recipe"] == "cifar10-resnet20"
        and run["data"]["train_images"] >= 50_000
        and "model.width" not in run["changes"]
        and run["changes"].get("model.name", "resnet20") == "resnet20"
    ]
    return min(found, default=None)


def _estimate(
    experiment: Experiment, scale: str, kept: Sequence[Mapping[str, Any]], second: float | None
) -> str:
    done = {
        (run["run"], run["seed"])
        for results in kept
        if (results["experiment"], results["scale"]) == (experiment.name, scale)
        for run in results["runs"]
    }
    trainings = experiment.trainings(scale)
    left = [training for training in trainings if (training.run, training.seed) not in done]
    hours = "not known"
    if all(training.config.data.name == "generated" for training in trainings):
        hours = "seconds, on generated images"
    elif second is not None:
        work = sum(
            training.config.epochs * relative_work(training.config.model) for training in left
        )
        hours = f"{second * work / HOUR:.1f}"
    return (
        f"| {experiment.title} | {scale} | {len(trainings)} | {len(trainings) - len(left)} "
        f"| {hours} |"
    )


def relative_work(model: ModelConfig) -> float:
    """Multiply-adds of an image through this network, over those of the recipe's ResNet-20."""
    return multiply_adds(model) / multiply_adds(ModelConfig("resnet20"))


@functools.cache
def multiply_adds(model: ModelConfig) -> int:
    """Multiply-adds of the convolution and linear layers for one image."""
    task = MODELS["resnet20"].designed_for
    counts: list[int] = []

    def count(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        pixels = output[0, 0].numel() if output.dim() > 2 else 1
        counts.append(weight.numel() * pixels)

    with torch.device("meta"):
        network = build_network(model, task)
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(count)
        network(torch.zeros(1, *task.shape))
    return sum(counts)


def write_pages(kept: Path = RESULTS, folder: Path = PAGES) -> list[Path]:
    """Write every page and picture; their paths."""
    written = pages(kept_results(kept))
    for name, text in written.items():
        write_text(folder / name, text)
    return [folder / name for name in written]


def main(given: Sequence[str] | None = None) -> int:
    """Collect, if asked, and write the pages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--collect", nargs=2, metavar=("NAME", "RUNS"))
    options = parser.parse_args(given)
    if options.collect:
        collect(options.collect[0], Path(options.collect[1]))
    for path in write_pages():
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
