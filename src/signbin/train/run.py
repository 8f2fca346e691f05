"""Training runs: several seeds of one configuration into one folder."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_safetensors

from signbin.errors import FormatError, SpecError
from signbin.files import write_bytes, write_text
from signbin.train.config import TrainConfig
from signbin.train.data import Dataset, load_dataset
from signbin.train.environment import describe_environment
from signbin.train.folder import RunFolder, SeedFolder
from signbin.train.loop import SeedTraining, make_model
from signbin.train.progress import ConsoleProgress, ProgressListener, Silent
from signbin.train.strict import to_document
from signbin.train.summary import run_summary, seed_summary

__all__ = ["RunResult", "read_json", "torch_settings", "train"]


@dataclasses.dataclass(frozen=True)
class RunResult:
    """What :func:`train` returns: the folder, the configuration and OUT/summary.json."""

    folder: Path
    config: TrainConfig
    summary: Mapping[str, Any]

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Held-out accuracy of every seed, in the order of the configuration."""
        return tuple(self._accuracy["per_seed"])

    @property
    def mean_accuracy(self) -> float:
        """Mean held-out accuracy over the seeds."""
        return float(self._accuracy["mean"])

    @property
    def _accuracy(self) -> Mapping[str, Any]:
        accuracy: Mapping[str, Any] = self.summary[f"{self.config.data.holdout.value}_accuracy"]
        return accuracy


def train(
    config: TrainConfig,
    output: Path,
    *,
    resume: bool = False,
    force: bool = False,
    progress: bool = True,
    command: str | None = None,
) -> RunResult:
    """Train every seed of ``config`` in turn and leave everything in the folder ``output``.

    OUT/config.yaml, OUT/summary.json and, per seed, OUT/seed-S/{checkpoint.pt,
    model.safetensors, metrics.jsonl, summary.json}; every file is written atomically.
    resume: continue the run in ``output``, which must have the same configuration; finished
    seeds are not trained again, and the result has the same bits (on a CPU) as without the
    interruption. force: replace an earlier run; only files of a run are removed.
    progress: show bars on standard error. command: what was typed, kept in the summary.
    torch's global generator and number of threads are put back afterwards.

    SpecError for an output folder that is taken or a configuration that differs, FormatError
    for damaged files of the run to resume, DivergenceError where the loss becomes infinite or
    NaN; the last good checkpoint is then kept.
    """
    if resume and force:
        raise SpecError("resume and force", allowed="one of them")
    if not config.epochs:
        raise SpecError(
            "epochs",
            value=0,
            allowed=">= 1",
            remedy="a network without training is made by: signbin new",
        )
    config, folder = _with_whole_paths(config), RunFolder(Path(output))
    if resume:
        _check_same(config, folder)
    else:
        folder.check(force=force)
    dataset = load_dataset(config.data, folder.cache)
    if not resume:
        with torch_settings(config.threads):
            make_model(config, dataset)  # before anything is written or removed
        folder.start(config, force=force)
    seeds = []
    with torch_settings(config.threads), _listener(config, progress) as listener:
        for seed in config.seeds:
            seeds.append(_train_seed(config, dataset, seed, folder.seed(seed), listener))
    summary = run_summary(config, dataset, seeds, describe_environment(config.threads))
    summary["command"] = command
    _write_json(folder.summary, summary)
    return RunResult(folder.path, config, summary)


def _train_seed(
    config: TrainConfig,
    dataset: Dataset,
    seed: int,
    folder: SeedFolder,
    listener: ProgressListener,
) -> dict[str, Any]:
    """Train or finish one seed; its summary, written last, says that it is finished."""
    if folder.summary.is_file() and folder.model.is_file():
        return read_json(folder.summary)
    folder.path.mkdir(exist_ok=True)
    training = SeedTraining(config, dataset, seed, folder)
    training.restore()
    training.run(listener)
    described = {"recipe": config.recipe, "weights": config.weights.value, "seed": seed}
    # One entry only: safetensors writes several in random order, and equal runs should be
    # equal files.
    metadata = {"signbin": json.dumps(described)}
    write_bytes(folder.model, to_safetensors(training.model.state_dict(), metadata=metadata))
    summary = seed_summary(seed, training.model, training.metrics)
    _write_json(folder.summary, summary)
    return summary


def _with_whole_paths(config: TrainConfig) -> TrainConfig:
    """Paths in a run's configuration mean the same from any folder."""
    data = dataclasses.replace(
        config.data, folder=_whole(config.data.folder), cache=_whole(config.data.cache)
    )
    return dataclasses.replace(config, data=data)


def _whole(path: str | None) -> str | None:
    return None if path is None else str(Path(path).absolute())


def _check_same(config: TrainConfig, folder: RunFolder) -> None:
    before, now = to_document(folder.read_config()), to_document(config)
    changed = [key for key in now if now[key] != before[key]]
    if changed:
        raise SpecError(
            f"configuration to resume in {folder.path} differs in {', '.join(changed)}",
            value={key: now[key] for key in changed},
            allowed=str({key: before[key] for key in changed}),
            remedy="resume with the configuration of the run, or choose another folder",
        )


@contextlib.contextmanager
def torch_settings(threads: int) -> Iterator[None]:
    """A number of threads, and a generator of our own, for as long as training lasts."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(before)


def _listener(
    config: TrainConfig, progress: bool
) -> contextlib.AbstractContextManager[ProgressListener]:
    if not progress:
        return contextlib.nullcontext(Silent())
    return ConsoleProgress(f"{config.recipe} {config.weights.value}")


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(document, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a run; FormatError where there is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FormatError(f"damaged summary {path}", reason=str(error)) from error
    if not isinstance(document, dict):
        raise FormatError(f"damaged summary {path}", allowed="a JSON object")
    return document
