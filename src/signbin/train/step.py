"""One step of training: forward, backward, update, and what methods do after it."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from signbin.errors import SpecError
from signbin.quant import (
    DistributionLoss,
    Quantizer,
    backward_backend,
    ones_penalty,
    progress_dial,
    quantized_layers,
    record_distribution_loss,
    share_of_ones,
)
from signbin.train.average import WeightAverage
from signbin.train.config import TrainConfig
from signbin.train.cuda_graphs import GraphedPass
from signbin.train.data import Batch
from signbin.train.distributed import Processes
from signbin.train.metrics import Score, Tally, count_right
from signbin.train.optimizers import make_optimizer, set_learning_rates
from signbin.train.placement import Machine
from signbin.train.schedules import RunLength
from signbin.train.teacher import Teacher

__all__ = ["Trainer"]

_GPU_CHECK_EVERY = 50


class Trainer:
    """A network, its optimiser, and the step that improves it.

    A context manager: hooks of the distribution loss are removed at its end. After every step
    :meth:`is_finite` tells whether the losses so far are numbers; on a GPU it waits for that every
    50 steps alone.
    """

    def __init__(
        self, model: nn.Module, config: TrainConfig, machine: Machine, processes: Processes
    ) -> None:
        _check_together(config, processes)
        self.model = model
        if config.loss.ones is not None and quantized_layers(model):
            with torch.no_grad():
                share_of_ones(model)  # refuses weights without ones before anything is trained
        self.optimizer = make_optimizer(model, config.optimizer, fused=machine.is_gpu)
        self.teacher: Teacher | None = None
        self.tally = Tally(machine.device)
        self._config = config
        self._machine = machine
        self._dial = progress_dial(model)
        # After the dial: a copy shares its own as the model does.
        self.average = None if config.average is None else WeightAverage(model, config.average)
        self._changing = [
            layer
            for layer in quantized_layers(model).values()
            if type(layer.config.weight).after_step is not Quantizer.after_step
        ]
        self._forward = machine.compiled(_parallel(model, machine, processes))
        self._pass: Any = self._forward_and_backward
        self._distribution: DistributionLoss | None = None
        self._hooks = contextlib.ExitStack()
        self._steps = 0

    def __enter__(self) -> Trainer:
        if self._config.loss.distribution:
            recorder = record_distribution_loss(self.model)
            self._distribution = self._hooks.enter_context(recorder)
        if self._machine.config.cuda_graphs:
            models = (self.model,) if self.teacher is None else (self.model, self.teacher.model)
            self._pass = GraphedPass(self._forward_and_backward, models, self.optimizer)
        return self

    def __exit__(self, *_: object) -> None:
        self._hooks.close()

    @property
    def evaluated(self) -> nn.Module:
        """The network whose accuracy counts: the average, where there is one."""
        return self.model if self.average is None else self.average.model

    def step(self, batch: Batch, number: int, length: RunLength) -> None:
        """Step ``number`` of a run of that length."""
        self._dial.fill_(number / length.steps)
        set_learning_rates(self.optimizer.param_groups, self._config.optimizer, number, length)
        if not isinstance(self._pass, GraphedPass):
            self.optimizer.zero_grad(set_to_none=True)
        loss, right = self._pass(batch)
        self.tally.add(loss, right, len(batch.labels))
        limit = self._config.optimizer.clip_gradient
        if self.is_finite():
            if limit is not None:
                nn.utils.clip_grad_norm_(self.model.parameters(), limit)
            self.optimizer.step()
            for layer in self._changing:
                layer.after_step()
            if self.average is not None:
                self.average.update(self.model, number)
        self._steps += 1

    def is_finite(self) -> bool:
        """Whether every loss of the epoch so far is a number; on a GPU asked now and then."""
        if self._machine.is_gpu and self._steps % _GPU_CHECK_EVERY:
            return True
        return math.isfinite(self.tally.loss_sum())

    def score(self, processes: Processes) -> Score:
        """Mean loss and accuracy over the epoch so far, over all processes."""
        return self.tally.score(processes)

    def _forward_and_backward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        with self._machine.autocast():
            logits = self._forward(batch.images).float()
            loss = self._loss(batch, logits)
        with backward_backend(self.model):
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss.detach(), count_right(logits.detach(), batch.labels)

    def _loss(self, batch: Batch, logits: Tensor) -> Tensor:
        smoothing = self._config.loss.label_smoothing
        loss = F.cross_entropy(logits, batch.labels, label_smoothing=smoothing)
        if self.teacher is not None:
            loss = self.teacher.loss(batch.images, logits, loss)
        if self._distribution is not None:
            loss = loss + self._config.loss.distribution * self._distribution.take()
        ones = self._config.loss.ones
        if ones is not None and quantized_layers(self.model):
            loss = loss + ones_penalty(self.model, loss, ones.share, ones.weight)
        return loss


def _parallel(model: nn.Module, machine: Machine, processes: Processes) -> nn.Module:
    if processes.count == 1:
        return model
    return DistributedDataParallel(model, device_ids=[machine.device] if machine.is_gpu else None)


def _check_together(config: TrainConfig, processes: Processes) -> None:
    """SpecError for options that do not work together."""
    execution = config.execution
    if execution.cuda_graphs and (execution.compile or processes.count > 1):
        raise SpecError(
            "execution.cuda_graphs", value=True, allowed="without compile, in one process"
        )
    if execution.cuda_graphs and config.data.low_resolution is not None:
        raise SpecError(
            "execution.cuda_graphs", value=True, allowed="without data.low_resolution: one shape"
        )
    if config.loss.distribution and execution.compile:
        raise SpecError(
            "loss.distribution",
            value=config.loss.distribution,
            allowed="0 beside execution.compile",
        )
