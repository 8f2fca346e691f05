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
from torch import nn

from signbin.documents import to_document
from signbin.errors import FormatError, SpecError
from signbin.files import make_folder, read_text, write_bytes, write_text
from signbin.layer_costs import NetworkCosts, read_costs, write_costs
from signbin.train.budget import Pricing, RunBudget, check_budget
from signbin.train.config import TrainConfig
from signbin.train.data import Dataset, load_dataset
from signbin.train.distributed import Processes, training_processes
from signbin.train.environment import describe_environment
from signbin.train.folder import RunFolder, SeedFolder
from signbin.train.network import make_model
from signbin.train.placement import Machine, prepare_machine
from signbin.train.progress import ProgressListener, Silent, console_progress
from signbin.train.seed import SeedTraining, Setting
from signbin.train.summary import run_summary, seed_summary

__all__ = ["RunResult", "read_json", "torch_settings", "train"]


@dataclasses.dataclass(frozen=True)
class RunResult:
    """What :func:`train` returns: the folder, the configuration and OUT/summary.json.

    wrote: whether this process wrote the folder, the first one of those that torchrun started.
    """

    folder: Path
    config: TrainConfig
    summary: Mapping[str, Any]
    wrote: bool = True

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


def train(  # noqa: PLR0913 - the one door: every choice is a keyword of it
    config: TrainConfig,
    output: Path,
    *,
    resume: bool = False,
    force: bool = False,
    progress: bool = True,
    command: str | None = None,
    pricing: Pricing | None = None,
) -> RunResult:
    """Train every seed of ``config`` in turn and leave everything in the folder ``output``.

    OUT/config.yaml, OUT/summary.json and, per seed, OUT/seed-S/{checkpoint.pt,
    model.safetensors, metrics.jsonl, metrics.csv, summary.json}; every file is written atomically.
    resume: continue the run in ``output``, which must have the same configuration; finished
    seeds are not trained again, and the result has the same bits (on a CPU) as without the
    interruption. force: replace an earlier run; only files of a run are removed.
    progress: show it on standard error. command: what was typed, kept in the summary. pricing: who
    counts what the network costs where ``config`` has a budget, as ``signbin train`` does by
    :class:`signbin.verbs.costs.Planned`; what was found is kept in OUT/costs.json.
    torch's global generator and number of threads are put back afterwards.

    Under ``torchrun`` all processes train one network on different images (the batch size is that
    of each process); the first one writes.

    SpecError for an output folder that is taken, a configuration that differs or that this machine
    cannot serve; FormatError for damaged files of the data or of the run to resume; ExecutionError
    where there is no room for a checkpoint; DivergenceError and CollapseError where training has
    failed. The last good checkpoint is then kept.
    """
    _check_arguments(config, pricing, resume=resume, force=force)
    config, folder = _with_whole_paths(config), RunFolder(Path(output))
    with training_processes(config.execution.device) as (processes, device):
        machine = prepare_machine(config.execution, device)
        if processes.is_first:
            _check_folder(config, folder, resume=resume, force=force)
        dataset = _load_in_turn(config, folder, processes)
        costs = None
        if processes.is_first:
            with torch_settings(config.threads, machine):
                model = make_model(config, dataset)  # before anything is written or removed
                costs = _costs(config, folder, model, dataset, pricing, resume=resume)
            if not resume:
                folder.start(config, force=force)
            if costs is not None:
                write_costs(folder.costs, costs)
        costs = processes.from_first(costs)
        budget = None
        if config.budget is not None and costs is not None and pricing is not None:
            budget = RunBudget(config.budget, costs, pricing)
        setting = Setting(config, dataset, machine, processes, budget)
        processes.wait()
        summary = _train_seeds(setting, folder, shown=progress and processes.is_first)
        summary["command"] = command
        if processes.is_first:
            _write_json(folder.summary, summary)
        processes.wait()
    return RunResult(folder.path, config, summary, processes.is_first)


def _check_arguments(
    config: TrainConfig, pricing: Pricing | None, *, resume: bool, force: bool
) -> None:
    if config.budget is not None and pricing is None:
        raise SpecError(
            "pricing of a run with a budget",
            value=None,
            allowed="an object that knows costs, as signbin.verbs.costs.Planned()",
        )
    if resume and force:
        raise SpecError("resume and force", allowed="one of them")
    if not config.epochs:
        raise SpecError(
            "epochs",
            value=0,
            allowed=">= 1",
            remedy="a network without training is made by: signbin new",
        )


def _costs(
    config: TrainConfig,
    folder: RunFolder,
    model: nn.Module,
    dataset: Dataset,
    pricing: Pricing | None,
    *,
    resume: bool,
) -> NetworkCosts | None:
    """What densities cost, where there is a budget: those of the run that is resumed."""
    if config.budget is None or pricing is None:
        return None
    if resume:
        return read_costs(folder.costs)
    example = torch.zeros(2, *dataset.shape)
    costs = pricing.costs(model.eval(), example, config.budget)
    check_budget(RunBudget(config.budget, costs, pricing))
    return costs


def _check_folder(config: TrainConfig, folder: RunFolder, *, resume: bool, force: bool) -> None:
    if resume:
        _check_same(config, folder)
    else:
        folder.check(force=force)


def _load_in_turn(config: TrainConfig, folder: RunFolder, processes: Processes) -> Dataset:
    """The data set; the first process decodes it and the others find it decoded."""
    if processes.is_first:
        dataset = load_dataset(config.data, folder.cache)
    processes.wait()
    return dataset if processes.is_first else load_dataset(config.data, folder.cache)


def _train_seeds(setting: Setting, folder: RunFolder, *, shown: bool) -> dict[str, Any]:
    config = setting.config
    listener = console_progress(f"{config.recipe} {config.weights.value}") if shown else None
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch_settings(config.threads, setting.machine))
        told = Silent() if listener is None else stack.enter_context(listener)
        seeds = [_train_seed(setting, seed, folder.seed(seed), told) for seed in config.seeds]
    environment = describe_environment(config.threads, setting.machine.device)
    return run_summary(config, setting.dataset, seeds, environment)


def _train_seed(
    setting: Setting, seed: int, folder: SeedFolder, listener: ProgressListener
) -> dict[str, Any]:
    """Train or finish one seed; its summary, written last, says that it is finished."""
    processes = setting.processes
    if processes.from_first(folder.summary.is_file() and folder.model.is_file()):
        return read_json(folder.summary)
    if processes.is_first:
        make_folder(folder.path)
    processes.wait()
    training = SeedTraining(setting, seed, folder)
    training.restore()
    training.run(listener)
    summary = seed_summary(seed, training.model, training.metrics, training.before_training)
    if training.budget_summary is not None:
        summary["budget"] = training.budget_summary
    if processes.is_first:
        write_bytes(folder.model, _weights(training.model, setting.config, seed))
        _write_json(folder.summary, summary)
    processes.wait()
    return summary


def _weights(model: nn.Module, config: TrainConfig, seed: int) -> bytes:
    described = {"recipe": config.recipe, "weights": config.weights.value, "seed": seed}
    # One entry only: safetensors writes several in random order, and equal runs should be
    # equal files.
    metadata = {"signbin": json.dumps(described)}
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    return to_safetensors(tensors, metadata=metadata)


def _with_whole_paths(config: TrainConfig) -> TrainConfig:
    """Paths in a run's configuration mean the same from any folder."""
    data = dataclasses.replace(
        config.data, folder=_whole(config.data.folder), cache=_whole(config.data.cache)
    )
    teacher = config.loss.teacher
    if teacher is not None:
        teacher = dataclasses.replace(
            teacher, run=_whole(teacher.run), checkpoint=_whole(teacher.checkpoint)
        )
    loss = dataclasses.replace(config.loss, teacher=teacher)
    start, budget = _whole(config.start_from), config.budget
    if budget is not None:
        budget = dataclasses.replace(budget, costs=_whole(budget.costs))
    return dataclasses.replace(config, data=data, loss=loss, start_from=start, budget=budget)


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
def torch_settings(threads: int, machine: Machine | None = None) -> Iterator[None]:
    """A number of threads, and generators of our own, for as long as training lasts."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    devices = [machine.device] if machine is not None and machine.is_gpu else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        torch.set_num_threads(before)


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(document, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a run; FormatError where there is none."""
    try:
        document = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"damaged summary {path}", reason=str(error)) from error
    if not isinstance(document, dict):
        raise FormatError(f"damaged summary {path}", allowed="a JSON object")
    return document
