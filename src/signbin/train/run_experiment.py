"""Training everything an experiment needs, and what came out of it as one JSON object."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from signbin.documents import to_document
from signbin.errors import SpecError
from signbin.files import make_folder, read_text, write_text
from signbin.quant import quantized_layers
from signbin.quant.latent import describe_latent
from signbin.train.budget import Pricing
from signbin.train.data import takes
from signbin.train.experiment import Experiment, Training
from signbin.train.failures import CollapseError, DivergenceError
from signbin.train.folder import RunFolder
from signbin.train.load import load_run, read_metrics
from signbin.train.run import read_json, train

__all__ = ["results_of", "run_experiment"]

_RESULTS: Final = "results.json"
_FAILURE: Final = "failure.json"


def run_experiment(
    experiment: Experiment,
    scale: str,
    output: Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    progress: bool = True,
    pricing: Pricing | None = None,
) -> dict[str, Any]:
    """Train what is not trained yet; the results of all, as :func:`results_of` has them.

    Every network has a run folder OUTPUT/SCALE/RUN-seed-S. Finished ones are skipped, one that was
    interrupted goes on where it stopped, and OUTPUT/SCALE/results.json is written anew after
    each. A training that diverges or collapses is a result, too: it is recorded in
    OUTPUT/SCALE/RUN-seed-S.failure.json, and the next one begins. Decoded images are kept in
    OUTPUT/cache. pricing: as for :func:`train`, for runs with a budget.

    SpecError where a folder holds a run of another configuration; errors of :func:`train`.
    """
    output = Path(output).absolute()
    folder = output / scale
    trainings = [
        _with_cache(training, output / "cache")
        for training in experiment.trainings(scale, overrides)
    ]
    make_folder(folder)
    results = results_of(experiment, scale, folder, trainings)
    for training in trainings:
        if not _is_finished(training, folder):
            _train(training, folder, pricing, progress=progress)
            results = results_of(experiment, scale, folder, trainings)
            _keep(folder / _RESULTS, results)
    _keep(folder / _RESULTS, results)  # of a run that was killed after its last training
    return results


def _keep(path: Path, results: Mapping[str, Any]) -> None:
    text = json.dumps(results, indent=1) + "\n"
    if not path.is_file() or read_text(path) != text:
        write_text(path, text)


def results_of(
    experiment: Experiment, scale: str, folder: Path, trainings: Sequence[Training]
) -> dict[str, Any]:
    """What the finished trainings in ``folder`` reached, and the names of those to come.

    Keys: experiment, title, question, recipe, chart, compare; scale, epochs, seeds; runs, one
    object per network (see :func:`_record`); missing, the names of networks not trained yet.
    """
    finished = [training for training in trainings if _is_finished(training, folder)]
    extent = experiment.scales[scale]
    return {
        "experiment": experiment.name,
        "title": experiment.title,
        "question": experiment.question,
        "recipe": experiment.recipe,
        "chart": experiment.chart,
        "compare": {name: list(others) for name, others in experiment.compare.items()},
        "scale": scale,
        "epochs": extent.epochs,
        "seeds": list(extent.seeds),
        "settings": dict(extent.settings),
        "runs": [_record(experiment, training, folder) for training in finished],
        "missing": [training.name for training in trainings if training not in finished],
    }


def _with_cache(training: Training, cache: Path) -> Training:
    """The same, keeping decoded images where all trainings find them."""
    data = training.config.data
    if data.cache is not None or not takes(data.name, "cache"):
        return training
    data = dataclasses.replace(data, cache=str(cache))
    return dataclasses.replace(training, config=dataclasses.replace(training.config, data=data))


def _is_finished(training: Training, folder: Path) -> bool:
    return (folder / training.name / "summary.json").is_file() or _failure(
        training, folder
    ).is_file()


def _failure(training: Training, folder: Path) -> Path:
    return folder / f"{training.name}.failure.json"


def _train(training: Training, folder: Path, pricing: Pricing | None, *, progress: bool) -> None:
    run = folder / training.name
    begun = RunFolder(run).config.is_file()
    try:
        train(training.config, run, resume=begun, progress=progress, pricing=pricing)
    except (DivergenceError, CollapseError) as error:
        document = {"kind": type(error).__name__, "message": str(error)}
        write_text(_failure(training, folder), json.dumps(document, indent=1) + "\n")


def _record(experiment: Experiment, training: Training, folder: Path) -> dict[str, Any]:
    """One network: what was changed, what it reached, and how it got there.

    accuracy: share of held-out images at the end, null for a failure. density, effectual (count of
    non-zero quantised weights; for float all of them). per_epoch: loss, accuracy and the density of
    every quantised layer. latent, at the end and per layer: the distribution of ``all`` latent
    weights and of the ``effectual`` ones, whose code is not zero.
    """
    described = {
        "run": training.run,
        "seed": training.seed,
        "changes": dict(experiment.runs[training.run]),
        "weights": training.config.weights.value,
    }
    failure = _failure(training, folder)
    if failure.is_file():
        return {**described, "accuracy": None, "failure": read_json(failure)}
    run = RunFolder(folder / training.name)
    _check_same(training, run)
    summary = read_json(run.summary)
    metrics = read_metrics(run.seed(training.seed).metrics)
    held_out = f"{training.config.data.holdout.value}_accuracy"
    return {
        **described,
        "accuracy": summary[held_out]["mean"],
        "density": summary["density"],
        "parameters": summary["parameters"],
        "layers": summary["layers"],
        **({"budget": summary["budget"]} if "budget" in summary else {}),
        "data": summary["data"],
        "epochs": summary["epochs"],
        "epoch_seconds": statistics.median(record["seconds"] for record in metrics),
        "fastest_epoch_seconds": min(record["seconds"] for record in metrics),
        "per_epoch": [_epoch(record, held_out) for record in metrics],
        "latent": _latent(load_run(run.path).model),
        "environment": summary["environment"],
    }


def _check_same(training: Training, run: RunFolder) -> None:
    """A folder's numbers count only for the configuration they were trained with."""
    found, wanted = to_document(run.read_config()), to_document(training.config)
    for document in (found, wanted):  # where things are says nothing about what is trained
        for key in ("folder", "cache"):
            document["data"].pop(key)
        if document["budget"] is not None:
            document["budget"].pop("costs")
    changed = [key for key in wanted if wanted[key] != found[key]]
    if changed:
        raise SpecError(
            f"{run.path} was trained with other settings",
            value={key: found[key] for key in changed},
            allowed=str({key: wanted[key] for key in changed}),
            remedy="choose another output folder, or remove that one",
        )


def _epoch(record: Mapping[str, Any], held_out: str) -> dict[str, Any]:
    layers = record["health"]["layers"]
    return {
        "train_loss": record["train_loss"],
        "accuracy": record[held_out],
        "layer_density": [layer["density"] for layer in layers],
        "layer_flip_rate": [layer["flip_rate"] for layer in layers],
        "layer_mean_to_spread": [layer["mean_to_spread"] for layer in layers],
    }


def _latent(model: nn.Module) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "all": _distribution(layer.weight),
            "effectual": _distribution(layer.weight[layer.codes() != 0]),
        }
        for name, layer in quantized_layers(model).items()
    ]


def _distribution(weights: Tensor) -> dict[str, Any]:
    found = describe_latent(weights)
    return {**dataclasses.asdict(found), "histogram": list(found.histogram)}
