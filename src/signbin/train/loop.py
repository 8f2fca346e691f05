"""One seed of a run: epochs, evaluation, checkpoints, the trained model."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signbin.errors import FormatError, SignbinError, SpecError
from signbin.files import write_text
from signbin.quant import quantize_, record_outputs, set_progress, snapshot, training_health
from signbin.train.batch_norm import reestimate_batch_norm
from signbin.train.checkpoint import read_checkpoint, write_checkpoint
from signbin.train.config import Holdout, TrainConfig
from signbin.train.data import (
    Batch,
    Dataset,
    Images,
    Sampler,
    SamplerOptions,
    held_out,
    normalize,
    to_batch,
)
from signbin.train.folder import SeedFolder
from signbin.train.metrics import Score, count_right, evaluate
from signbin.train.models import build_model, is_larger_convolution
from signbin.train.progress import ProgressListener
from signbin.train.schedules import learning_rate, make_optimizer
from signbin.train.strict import to_document

__all__ = ["DivergenceError", "SeedTraining", "Split", "make_model", "split"]

_VALIDATION_SHARE: Final = 0.2


class DivergenceError(SignbinError):
    """Training reached a loss that is not a finite number."""


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """The images trained on and the images accuracy is measured on."""

    train: Images
    held_out: Images


def split(dataset: Dataset, holdout: Holdout) -> Split:
    """The data set's own parts, or a stratified fifth of the training part held out."""
    if holdout is Holdout.TEST:
        return Split(dataset.train, dataset.test)
    labels = dataset.train.labels
    chosen = held_out(labels, _VALIDATION_SHARE, salt=f"{dataset.name} validation")
    return Split(
        dataset.train.select((~chosen).nonzero()[0]), dataset.train.select(chosen.nonzero()[0])
    )


def make_model(config: TrainConfig, dataset: Dataset) -> nn.Module:
    """The network of a configuration, quantised, with fresh weights.

    SpecError where it does not fit into memory.
    """
    try:
        model = build_model(config.model, dataset)
    except (MemoryError, RuntimeError) as error:  # torch's allocator has no error of its own
        raise SpecError(
            "model that cannot be built",
            value=to_document(config.model),
            reason=str(error)[:300],
            remedy="make it smaller",
        ) from error
    quantizer = config.quantizers.of(config.weights)
    if quantizer is not None:
        quantize_(model, quantizer, filter_fn=is_larger_convolution)
    return model


def _some_images(images: Images, count: int, dataset: Dataset) -> Tensor:
    """``count`` images, normalised: always the same ones, of all classes, in mixed order.

    Batches of images sorted by class would have statistics of one class each.
    """
    chosen = np.random.Generator(np.random.PCG64(0)).permutation(len(images))[:count]
    return torch.from_numpy(normalize(images.pixels[chosen], dataset.preprocessing))


class SeedTraining:
    """Training with one seed, from the start or from a checkpoint.

    The state after every epoch is written to the seed's folder; a training that continues from
    it ends, on a CPU and with the same number of threads, with the same bits as one that was
    never stopped. Uses torch's global generator: the caller keeps it apart.
    """

    def __init__(
        self, config: TrainConfig, dataset: Dataset, seed: int, folder: SeedFolder
    ) -> None:
        self._config = config
        self._folder = folder
        self._seed = seed
        torch.manual_seed(seed)
        self.model = make_model(config, dataset)
        self._optimizer = make_optimizer(self.model, config.optimizer)
        parts = split(dataset, config.data.holdout)
        data = config.data
        options = SamplerOptions(data.batch_size, data.shift, seed, data.flip)
        self._sampler = Sampler(parts.train, dataset.preprocessing, options)
        self._held_out = to_batch(parts.held_out, dataset.preprocessing)
        self._for_batch_norm = _some_images(parts.train, config.batch_norm_images, dataset)
        self.metrics: list[dict[str, Any]] = []

    def restore(self) -> None:
        """Continue from the seed's checkpoint; without one, from the start."""
        if not self._folder.checkpoint.exists():
            return
        state = read_checkpoint(self._folder.checkpoint)
        try:
            if state["seed"] != self._seed:
                raise ValueError(f"a checkpoint of seed {state['seed']}")
            self.model.load_state_dict(state["model"])
            self._optimizer.load_state_dict(state["optimizer"])
            self._sampler.load_state_dict(state["sampler"])
            torch.set_rng_state(state["rng"])
            self.metrics = list(state["metrics"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise FormatError(
                "a checkpoint that does not fit the configuration",
                value=str(self._folder.checkpoint),
                reason=str(error),
            ) from error

    def run(self, progress: ProgressListener) -> None:
        """Train to the last epoch; DivergenceError leaves the last good checkpoint."""
        progress.start_seed(self._seed, self._config.epochs, self._sampler.epoch)
        while self._sampler.epoch < self._config.epochs:
            record = self._epoch()
            self.metrics.append(record)
            self._save()
            progress.end_epoch(record["train_loss"], record[f"{self._held_out_name}_accuracy"])
        # Again, for a run that was stopped between its last checkpoint and this file.
        self._write_metrics()
        set_progress(self.model, 1, 1)
        self.model.eval()

    @property
    def _held_out_name(self) -> str:
        return self._config.data.holdout.value

    def _epoch(self) -> dict[str, Any]:
        """One epoch, then batch norm, evaluation and health: the line of metrics.jsonl."""
        epoch, start = self._sampler.epoch, time.perf_counter()
        codes_before = snapshot(self.model)
        trained, rate = self._train_one_epoch()
        if self._config.batch_norm_images:
            reestimate_batch_norm(self.model, self._for_batch_norm)
        with record_outputs(self.model) as outputs:
            score = evaluate(self.model, self._held_out)
        if not math.isfinite(score.loss):
            raise self._diverged(f"{self._held_out_name} loss after epoch {epoch + 1}", score.loss)
        health = training_health(self.model, codes_before, outputs)
        return {
            "epoch": epoch + 1,
            "learning_rate": rate,
            "train_loss": trained.loss,
            "train_accuracy": trained.accuracy,
            f"{self._held_out_name}_loss": score.loss,
            f"{self._held_out_name}_accuracy": score.accuracy,
            "seconds": time.perf_counter() - start,
            "health": health.to_json(),
        }

    def _train_one_epoch(self) -> tuple[Score, float]:
        self.model.train()
        steps = self._sampler.batches_per_epoch
        first = self._sampler.epoch * steps
        total = self._config.epochs * steps
        loss_sum, right, seen, rate = 0.0, 0, 0, 0.0
        for position, batch in enumerate(self._sampler.remaining_batches()):
            set_progress(self.model, first + position, total)
            rate = learning_rate(self._config.optimizer, first + position, total)
            loss, logits = self._step(batch, rate)
            loss_sum += loss * len(batch.labels)
            right += count_right(logits, batch.labels)
            seen += len(batch.labels)
        return Score(loss_sum / seen, right / seen), rate

    def _step(self, batch: Batch, rate: float) -> tuple[float, Tensor]:
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        logits: Tensor = self.model(batch.images)
        loss = F.cross_entropy(
            logits, batch.labels, label_smoothing=self._config.loss.label_smoothing
        )
        value = loss.item()
        if not math.isfinite(value):
            where = f"epoch {self._sampler.epoch + 1}, step {self._sampler.position}"
            raise self._diverged(f"training loss, {where}", value)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        if self._config.optimizer.clip_gradient is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self._config.optimizer.clip_gradient)
        self._optimizer.step()
        return value, logits.detach()

    def _diverged(self, what: str, loss: float) -> DivergenceError:
        return DivergenceError(
            f"seed {self._seed}: {what}",
            value=loss,
            allowed="a finite number",
            remedy="lower optimizer.learning_rate or set optimizer.clip_gradient",
        )

    def _save(self) -> None:
        """The checkpoint first: it holds the metrics, so the other file can lag but not lead."""
        state = {
            "seed": self._seed,
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "sampler": self._sampler.state_dict(),
            "rng": torch.get_rng_state(),
            "metrics": self.metrics,
        }
        write_checkpoint(self._folder.checkpoint, state)
        self._write_metrics()

    def _write_metrics(self) -> None:
        lines = [json.dumps(record) for record in self.metrics]
        write_text(self._folder.metrics, "\n".join(lines) + "\n")
