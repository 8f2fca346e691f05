"""docs/results/training.md: every experiment, what is trained, how long the rest would take."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from experiments.training import experiments
from signbin.report import markdown
from signbin.train import Experiment, ModelConfig, build_network
from signbin.train.models import MODELS

HOUR = 3600.0


def overview(kept: Sequence[Mapping[str, Any]]) -> str:
    """The whole page."""
    second = measured_epoch(kept)
    lines = [
        "# Experiments that train",
        "",
        "One file and one command each: `signbin experiment NAME --scale "
        "SCALE -o RUNS --set data.folder=CIFAR10` trains what is missing and goes on where it was "
        "interrupted; `python -m experiments.training NAME RUNS` keeps the results. Made by "
        "`make pages` from `experiments/training/results`.",
        "",
        _questions({results["experiment"] for results in kept}),
        "",
        "## What is trained, and how long the rest would take",
        "",
        *_basis(second),
    ]
    head = ("experiment", "scale", "networks", "trained", "hours to train the rest")
    rows = [
        _estimate(experiment, scale, kept, second)
        for experiment in experiments()
        for scale in experiment.scales
    ]
    return "\n".join([*lines, markdown.table(head, rows), ""])


def _questions(trained: Collection[str]) -> str:
    rows = []
    for experiment in experiments():
        title = experiment.title
        linked = f"[{title}]({experiment.name}.md)" if experiment.name in trained else title
        rows.append((linked, experiment.question.strip()))
    return markdown.table(("experiment", "question"), rows)


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
        and results["recipe"].startswith("cifar10-resnet20")
        and run["data"]["train_images"] >= 50_000
        and "model.width" not in run["changes"]
        and run["changes"].get("model.name", "resnet20") == "resnet20"
    ]
    return min(found, default=None)


def _estimate(
    experiment: Experiment, scale: str, kept: Sequence[Mapping[str, Any]], second: float | None
) -> list[str]:
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
    counts = str(len(trainings)), str(len(trainings) - len(left))
    return [experiment.title, scale, *counts, hours]


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
