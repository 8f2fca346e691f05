"""Numbers of a batch or a whole part of a data set."""

from __future__ import annotations

import dataclasses
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signbin.train.data import Batch

__all__ = ["Score", "count_right", "evaluate"]

_BATCH_SIZE: Final = 256


@dataclasses.dataclass(frozen=True)
class Score:
    """loss: mean cross-entropy, nats. accuracy: share of right top-1 answers, in [0, 1]."""

    loss: float
    accuracy: float


def evaluate(model: nn.Module, samples: Batch) -> Score:
    """Loss (without label smoothing) and accuracy over all samples, in evaluation mode.

    Ties between logits go to the lower class. The model's mode is put back afterwards.
    """
    was_training = model.training
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(images) for images in torch.split(samples.images, _BATCH_SIZE)])
    model.train(was_training)
    return Score(
        loss=float(F.cross_entropy(logits, samples.labels)),
        accuracy=count_right(logits, samples.labels) / len(samples.labels),
    )


def count_right(logits: Tensor, labels: Tensor) -> int:
    """How many rows of logits (N, classes) are largest at their label."""
    return int((logits.argmax(dim=1) == labels).sum())
