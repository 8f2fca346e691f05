"""One seed of a run: epochs, evaluation, checkpoints, the trained model."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signbin.documents import to_document
from signbin.errors import FormatError
from signbin.quant import (
    CodeSnapshot,
    ModelHealth,
    hash_weights_,
    probe,
    quantized_layers,
    set_progress,
    snapshot,
    training_health,
)
from signbin.train.batch_norm import reestimate_batch_norm
from signbin.train.budget import BudgetKeeper, RunBudget
from signbin.train.checkpoint import read_checkpoint, write_checkpoint
from signbin.train.config import Holdout, TrainConfig
from signbin.train.data import (
    Batch,
    Dataset,
    HeldOut,
    Part,
    SamplerOptions,
    held_out,
    make_sampler,
    some_images,
)
from signbin.train.distributed import Processes
from signbin.train.failures import check_collapse, check_growth, not_finite
from signbin.train.folder import SeedFolder
from signbin.train.metrics import Score, evaluate
from signbin.train.network import make_model
from signbin.train.placement import Machine
from signbin.train.progress import ProgressListener
from signbin.train.records import make_sinks, write_metrics
from signbin.train.schedules import RunLength, learning_rate
from signbin.train.step import Trainer
from signbin.train.teacher import load_teacher, load_weights, starting_weights

__all__ = ["SeedTraining", "Setting", "Split", "split"]

_VALIDATION_SHARE: Final = 0.2
_PROBE_IMAGES: Final = 128


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """The images trained on and the images accuracy is measured on."""

    train: Part
    held_out: Part


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
    """What the seeds of a run share."""

    config: TrainConfig
    dataset: Dataset
    machine: Machine
    processes: Processes
    budget: RunBudget | None = None


def split(dataset: Dataset, holdout: Holdout) -> Split:
    """The data set's own parts, or a stratified fifth of the training part held out."""
    if holdout is Holdout.TEST:
        return Split(dataset.train, dataset.test)
    labels = dataset.train.labels
    chosen = held_out(labels, _VALIDATION_SHARE, salt=f"{dataset.name} validation")
    return Split(
        dataset.train.select((~chosen).nonzero()[0]), dataset.train.select(chosen.nonzero()[0])
    )


class SeedTraining:
    """Training with one seed, from the start or from a checkpoint.

    The state is written to the seed's folder after every epoch, and every ``checkpoint_steps``; a
    training that continues from it ends, on a CPU and with the same number of threads, with the
    same bits as one that was never stopped. Uses torch's global generator: the caller keeps it
    apart.
    """

    def __init__(self, setting: Setting, seed: int, folder: SeedFolder) -> None:
        config, machine = setting.config, setting.machine
        self._setting, self._seed, self._folder = setting, seed, folder
        torch.manual_seed(seed)
        model = make_model(config, setting.dataset)
        weights = starting_weights(config)
        if weights is not None:
            load_weights(model, weights, str(config.start_from))
        parts = split(setting.dataset, config.data.holdout)
        self._some = self._some_images(parts.train)
        self._varied = self._varied_images(parts.train) if config.batch_norm_images else None
        if any(layer.config.weight.kind == "bwnh" for layer in quantized_layers(model).values()):
            hash_weights_(model, self._some.images.cpu())
        self._trainer = Trainer(machine.place(model), config, machine, setting.processes)
        if config.loss.teacher is not None:
            self._trainer.teacher = load_teacher(config.loss.teacher, setting.dataset)
            machine.place(self._trainer.teacher.model)
        self._keeper = self._budget_keeper()
        # Everything random so far was the weights: what follows is the same with a teacher.
        torch.manual_seed(seed)
        self._sampler = make_sampler(
            parts.train, setting.dataset.preprocessing, self._options(), machine.placement
        )
        self._held_out = self._held_out_images(parts.held_out)
        self.metrics: list[dict[str, Any]] = []
        self.before_training: dict[str, Any] | None = None
        self._codes: CodeSnapshot | None = None
        self._seconds = 0.0

    @property
    def model(self) -> nn.Module:
        """The network whose accuracy counts."""
        return self._trainer.evaluated

    def restore(self) -> None:
        """Continue from the seed's checkpoint; without one, from the start."""
        if not self._folder.checkpoint.exists():
            return
        state = read_checkpoint(self._folder.checkpoint)
        try:
            self._load(state)
        except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
            raise FormatError(
                "a checkpoint that does not fit the configuration",
                value=str(self._folder.checkpoint),
                reason=str(error),
            ) from error

    def run(self, progress: ProgressListener) -> None:
        """Train to the last epoch; an error leaves the last good checkpoint."""
        config, steps = self._setting.config, self._sampler.batches_per_epoch
        progress.start_seed(self._seed, config.epochs, self._sampler.epoch, steps)
        first = self._setting.processes.is_first
        sinks = make_sinks(config.logging, self._folder.path, to_document(config)) if first else ()
        try:
            self._measure_start(progress)
            with self._trainer:
                while self._sampler.epoch < config.epochs:
                    self._decide_densities(progress)
                    record = self._epoch(progress)
                    for sink in sinks:
                        sink.write(record)
                    self._tell(record, progress)
        finally:
            for sink in sinks:
                sink.close()
        # Again, for a run that was stopped between its last checkpoint and these files.
        if first:
            write_metrics(self._folder, self.metrics)
        set_progress(self.model, 1, 1)
        self.model.eval()

    @property
    def budget_summary(self) -> dict[str, Any] | None:
        """What a summary says of the seed's budget; None where it has none."""
        return None if self._keeper is None else self._keeper.summary(self.model)

    @property
    def _held_out_name(self) -> str:
        return self._setting.config.data.holdout.value

    def _measure_start(self, progress: ProgressListener) -> None:
        """How well weights from elsewhere do once they are quantised, before any training."""
        config = self._setting.config
        if config.start_from is None or self.before_training is not None:
            return
        self._reestimate()
        score = self._score()
        name = self._held_out_name
        self.before_training = {f"{name}_loss": score.loss, f"{name}_accuracy": score.accuracy}
        kind = config.quantizers.of(config.weights)
        what = "as they are" if kind is None else f"quantised to {kind.weight.value_set.values}"
        progress.note(
            f"weights of {config.start_from}, {what} without training: "
            f"{100 * score.accuracy:.2f} % of the {name} images; do not ship them untrained"
        )

    def _budget_keeper(self) -> BudgetKeeper | None:
        budget, trainer = self._setting.budget, self._trainer
        average = () if trainer.average is None else (trainer.average.model,)
        return None if budget is None else BudgetKeeper(budget, (trainer.model, *average))

    def _decide_densities(self, progress: ProgressListener) -> None:
        keeper = self._keeper
        if keeper is None or not keeper.is_due(self._sampler.epoch):
            return
        keeper.fix(self._setting.processes.from_first(keeper.decided()))
        progress.note(keeper.told())

    def _tell(self, record: dict[str, Any], progress: ProgressListener) -> None:
        accuracy = record[f"{self._held_out_name}_accuracy"]
        cost = "" if self._keeper is None else self._keeper.shown(record)
        progress.end_epoch(record["train_loss"], accuracy, cost)

    def _epoch(self, progress: ProgressListener) -> dict[str, Any]:
        """One epoch, then batch norm, evaluation and health: a line of metrics.jsonl."""
        epoch = self._sampler.epoch
        model, trainer = self._trainer.model, self._trainer
        if self._codes is None:
            self._codes = snapshot(model)
        rate = self._train_one_epoch(progress)
        # What was timed so far holds the epoch's steps before an interruption, too.
        train_seconds, start = self._seconds, time.perf_counter()
        trained = trainer.score(self._setting.processes)
        self._check_finite("training loss", trained.loss, epoch)
        self._reestimate()
        score = self._score()
        self._check_finite(f"{self._held_out_name} loss", score.loss, epoch)
        health = self._health()
        record = {
            "epoch": epoch + 1,
            "learning_rate": rate,
            "train_loss": trained.loss,
            "train_accuracy": trained.accuracy,
            f"{self._held_out_name}_loss": score.loss,
            f"{self._held_out_name}_accuracy": score.accuracy,
            "answers": score.answers,
            **({} if self._keeper is None else self._keeper.measures(self.model)),
            "train_seconds": train_seconds,
            "seconds": self._timed(start),
            "health": health.to_json(),
        }
        self.metrics.append(record)
        self._check_health(health)
        self._codes, self._seconds = None, 0.0
        trainer.tally.reset()
        self._save(unfinished=False)
        return record

    def _train_one_epoch(self, progress: ProgressListener) -> float:
        config, sampler, trainer = self._setting.config, self._sampler, self._trainer
        start = time.perf_counter()
        trainer.model.train()
        length = RunLength(config.epochs, sampler.batches_per_epoch)
        first = sampler.epoch * length.steps_per_epoch
        for batch in sampler.remaining_batches():
            trainer.step(batch, first + sampler.position - 1, length)
            if not trainer.is_finite():
                where = f"training loss, epoch {sampler.epoch + 1}, step {sampler.position}"
                raise not_finite(self._seed, where, trainer.tally.loss_sum())
            progress.end_step()
            due = config.checkpoint_steps
            if due is not None and sampler.position % due == 0:
                self._seconds, start = self._timed(start), time.perf_counter()
                self._save(unfinished=True)
        self._seconds = self._timed(start)
        return learning_rate(config.optimizer, first + length.steps_per_epoch - 1, length)

    def _timed(self, start: float) -> float:
        return self._seconds + time.perf_counter() - start

    def _reestimate(self) -> None:
        if self._varied is not None:
            reestimate_batch_norm(self.model, self._varied)
        else:
            self._setting.processes.share_buffers(self.model)

    def _score(self) -> Score:
        return evaluate(self.model, self._held_out, self._setting.processes)

    def _health(self) -> ModelHealth:
        model = self._trainer.model

        def loss(logits: Tensor) -> Tensor:
            return F.cross_entropy(logits, self._some.labels)

        return training_health(model, self._codes, probe(model, self._some.images, loss))

    def _check_finite(self, what: str, loss: float, epoch: int) -> None:
        if not math.isfinite(loss):
            raise not_finite(self._seed, f"{what} after epoch {epoch + 1}", loss)

    def _check_health(self, health: ModelHealth) -> None:
        classes = len(self._setting.dataset.class_names)
        check_growth(self._seed, self.metrics, classes)
        check_collapse(self._seed, self.metrics, health, self._setting.config.patience)

    def _save(self, *, unfinished: bool) -> None:
        """The checkpoint first: it holds the metrics, so the other files can lag but not lead."""
        random = self._setting.processes.from_all(_generators(self._setting.machine))
        if not self._setting.processes.is_first:
            return
        trainer = self._trainer
        state = {
            "seed": self._seed,
            "model": trainer.model.state_dict(),
            "average": None if trainer.average is None else trainer.average.model.state_dict(),
            "optimizer": trainer.optimizer.state_dict(),
            "sampler": self._sampler.state_dict(),
            "rng": random,
            "metrics": self.metrics,
            "started": self.before_training,
            "epoch": self._unfinished() if unfinished else None,
            **({} if self._keeper is None else {"budget": self._keeper.densities}),
        }
        write_checkpoint(self._folder.checkpoint, state)
        write_metrics(self._folder, self.metrics)

    def _unfinished(self) -> dict[str, Any]:
        assert self._codes is not None
        return {
            "codes": dict(self._codes.codes),
            "tally": self._trainer.tally.state_dict(),
            "seconds": self._seconds,
        }

    def _load(self, state: dict[str, Any]) -> None:
        if state["seed"] != self._seed:
            raise ValueError(f"a checkpoint of seed {state['seed']}")
        trainer, rank = self._trainer, self._setting.processes.rank
        if len(state["rng"]) != self._setting.processes.count:
            raise ValueError(f"a checkpoint of {len(state['rng'])} processes")
        if self._keeper is not None and state["budget"] is not None:
            self._keeper.fix(state["budget"])
        trainer.model.load_state_dict(state["model"])
        if trainer.average is not None:
            trainer.average.model.load_state_dict(state["average"])
        trainer.optimizer.load_state_dict(state["optimizer"])
        self._sampler.load_state_dict(state["sampler"])
        self.metrics = list(state["metrics"])
        self.before_training = state["started"]
        if state["epoch"] is not None:
            self._codes = CodeSnapshot(state["epoch"]["codes"])
            trainer.tally.load_state_dict(state["epoch"]["tally"])
            self._seconds = float(state["epoch"]["seconds"])
        _set_generators(state["rng"][rank])

    def _options(self) -> SamplerOptions:
        data, processes = self._setting.config.data, self._setting.processes
        return SamplerOptions(
            batch_size=data.batch_size,
            shift=data.shift,
            seed=self._seed,
            flip=data.flip,
            cutout=data.cutout,
            low_resolution=data.low_resolution,
            low_resolution_epochs=data.low_resolution_epochs,
            random_crop=data.random_crop,
            jitter=data.jitter,
            workers=data.workers,
            rank=processes.rank,
            processes=processes.count,
        )

    def _some_images(self, part: Part) -> Batch:
        """Training images for probing, on the device, without augmentation."""
        config, placement = self._setting.config, self._setting.machine.placement
        preprocessing = self._setting.dataset.preprocessing
        some = some_images(part, _PROBE_IMAGES, preprocessing, config.data.workers)
        return Batch(placement.of(some.images), some.labels.to(placement.device))

    def _varied_images(self, part: Part) -> Tensor:
        """Training images for batch norm, on the device, varied as in training.

        What entered at the border, or was cut out, is part of what the weights were trained with:
        statistics of whole images cost accuracy.
        """
        setting, options = self._setting, self._options()
        count = min(max(setting.config.batch_norm_images, 2), len(part))
        alone = dataclasses.replace(
            options, batch_size=count, rank=0, processes=1, low_resolution=None
        )
        sampler = make_sampler(
            part, setting.dataset.preprocessing, alone, setting.machine.placement
        )
        return next(sampler.remaining_batches()).images

    def _held_out_images(self, part: Part) -> HeldOut:
        processes = self._setting.processes
        return HeldOut(
            part,
            self._setting.dataset.preprocessing,
            self._setting.machine.placement,
            self._setting.config.data.workers,
            processes.rank,
            processes.count,
        )


def _generators(machine: Machine) -> dict[str, Tensor]:
    """The states of the random generators this process trains with."""
    states = {"cpu": torch.get_rng_state()}
    if machine.is_gpu:
        states["cuda"] = torch.cuda.get_rng_state(machine.device)
    return states


def _set_generators(states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
