"""What a run ends with, as JSON objects: per seed and over all seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from signbin.documents import to_document
from signbin.quant import quantized_layers
from signbin.train.config import Holdout, TrainConfig
from signbin.train.data import Dataset

__all__ = [
    "describe_data",
    "describe_layers",
    "describe_parameters",
    "run_summary",
    "seed_summary",
]


def seed_summary(
    seed: int,
    model: nn.Module,
    metrics: Sequence[Mapping[str, Any]],
    before_training: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What one seed reached: the numbers of its last epoch and what the model is made of.

    Keys: seed; the losses and accuracies of the last line of metrics.jsonl; layers (name,
    weights, density = non-zero codes / codes, of the quantised ones); density (over all of
    them; null for float); parameters (see :func:`describe_parameters`); seconds (of all epochs);
    before_training, where weights from elsewhere were trained on: what they did untrained.
    """
    parameters = describe_parameters(model)
    quantized = parameters["quantized"]
    numbers = {
        key: value for key, value in metrics[-1].items() if key.endswith(("_loss", "_accuracy"))
    }
    return {
        "seed": seed,
        **numbers,
        "layers": describe_layers(model),
        "density": parameters["effectual"] / quantized if quantized else None,
        "parameters": parameters,
        "epochs": len(metrics),
        "seconds": sum(record["seconds"] for record in metrics),
        **({"before_training": dict(before_training)} if before_training is not None else {}),
    }


def run_summary(
    config: TrainConfig,
    dataset: Dataset,
    seeds: Sequence[Mapping[str, Any]],
    environment: Mapping[str, Any],
) -> dict[str, Any]:
    """OUT/summary.json, from the summaries of all seeds in the order of the configuration.

    test_accuracy (validation_accuracy where the configuration holds out part of the training
    images) has per_seed, mean and std, the sample standard deviation (n - 1), null for one
    seed. density, layers and parameters.effectual are means over the seeds. budget, where there is
    one: unit, target, limit, binary, and means of what the seeds' networks are predicted to cost.
    """
    quantizer = config.quantizers.of(config.weights)
    held_out = config.data.holdout.value
    return {
        "recipe": config.recipe,
        "weights": config.weights.value,
        "value_set": config.weights.values,
        "quantizer": None if quantizer is None else quantizer.to_json(),
        "model": to_document(config.model),
        "epochs": config.epochs,
        "seeds": list(config.seeds),
        f"{held_out}_accuracy": _spread([seed[f"{held_out}_accuracy"] for seed in seeds]),
        "density": None if quantizer is None else _mean([seed["density"] for seed in seeds]),
        "layers": _mean_layers(seeds),
        "parameters": {
            **seeds[0]["parameters"],
            "effectual": _mean([seed["parameters"]["effectual"] for seed in seeds]),
        },
        **({} if config.budget is None else {"budget": _mean_budget(seeds)}),
        "data": describe_data(dataset, config.data.holdout),
        "seconds": sum(seed["seconds"] for seed in seeds),
        "environment": dict(environment),
    }


def describe_layers(model: nn.Module) -> list[dict[str, Any]]:
    """name, weights and density (non-zero codes / codes) of every quantised layer."""
    return [
        {"name": name, "weights": layer.weight.numel(), "density": layer.density}
        for name, layer in quantized_layers(model).items()
    ]


def describe_data(dataset: Dataset, holdout: Holdout) -> dict[str, Any]:
    """name and title, hash over all pixels and labels, sizes, and the part held out."""
    return {
        "name": dataset.name,
        "title": dataset.title,
        "sha256": dataset.sha256,
        "train_images": len(dataset.train),
        "test_images": len(dataset.test),
        "held_out": holdout.value,
    }


def describe_parameters(model: nn.Module) -> dict[str, Any]:
    """Counts of one model.

    total: all trainable numbers. weights: those of convolution and linear layers, biases not
    counted. quantized: weights of quantised layers. quantized_share: quantized / weights.
    effectual: quantised weights whose code is not zero.
    """
    weights = sum(
        module.weight.numel()
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    )
    layers = quantized_layers(model).values()
    quantized = sum(layer.weight.numel() for layer in layers)
    return {
        "total": sum(parameter.numel() for parameter in model.parameters()),
        "weights": weights,
        "quantized": quantized,
        "quantized_share": quantized / weights,
        "effectual": sum(int(layer.codes().count_nonzero()) for layer in layers),
    }


def _mean_layers(seeds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    columns = zip(*(seed["layers"] for seed in seeds), strict=True)
    return [
        {**column[0], "density": _mean([layer["density"] for layer in column])}
        for column in columns
    ]


def _mean_budget(seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The first seed's, with the means of what depends on the seed."""
    budgets = [seed["budget"] for seed in seeds]
    means = {key: _mean([one[key] for one in budgets]) for key in ("expected", "predicted")}
    densities = {
        name: _mean([one["densities"][name] for one in budgets]) for name in budgets[0]["densities"]
    }
    return {**budgets[0], **means, "densities": densities}


def _spread(values: Sequence[float]) -> dict[str, Any]:
    std = statistics.stdev(values) if len(values) > 1 else None
    return {"per_seed": list(values), "mean": _mean(values), "std": std}


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values)
