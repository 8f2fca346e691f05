"""Numbers of a batch or a whole part of a data set."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signbin.train.data import Batch
from signbin.train.distributed import ALONE, Processes

__all__ = ["Score", "Tally", "count_right", "evaluate"]


@dataclasses.dataclass(frozen=True)
class Score:
    """loss: mean over images, nats. accuracy: share of right top-1 answers, in [0, 1].

    answers: how many different classes were answered; None where nobody counted.
    """

    loss: float
    accuracy: float
    answers: int | None = None


class Tally:
    """Sums over the batches of an epoch, kept on the device so that nobody waits for them."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(3, dtype=torch.float64, device=device)

    def add(self, loss: Tensor, right: Tensor, images: int) -> None:
        """Take in the mean loss and the right answers of a batch."""
        self._sums[0] += loss.double() * images
        self._sums[1] += right
        self._sums[2] += images

    def loss_sum(self) -> float:
        """The sum of all images' losses; waits for the device."""
        return float(self._sums[0])

    def score(self, processes: Processes = ALONE) -> Score:
        """The means, over all processes."""
        loss, right, images = processes.summed(self._sums.clone()).tolist()
        return Score(loss / images, right / images)

    def reset(self) -> None:
        """Start a new epoch."""
        self._sums.zero_()

    def state_dict(self) -> dict[str, Tensor]:
        """The sums, on the CPU."""
        return {"sums": self._sums.cpu().clone()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from where :meth:`state_dict` was taken."""
        self._sums.copy_(state["sums"])


def evaluate(model: nn.Module, batches: Iterable[Batch], processes: Processes = ALONE) -> Score:
    """Loss (without label smoothing) and accuracy over all samples, in evaluation mode, float32.

    batches: this process's part of them. Ties between logits go to the lower class. The model's
    mode is put back afterwards.
    """
    was_training = model.training
    model.eval()
    sums, answers = None, None
    with torch.no_grad():
        for batch in batches:
            logits: Tensor = model(batch.images)
            if sums is None or answers is None:
                sums = torch.zeros(3, dtype=torch.float64, device=logits.device)
                answers = torch.zeros(logits.shape[1], dtype=torch.float64, device=logits.device)
            sums[0] += F.cross_entropy(logits, batch.labels, reduction="sum").double()
            sums[1] += count_right(logits, batch.labels)
            sums[2] += len(batch.labels)
            answers += torch.bincount(logits.argmax(dim=1), minlength=logits.shape[1])
    model.train(was_training)
    return _score(sums, answers, model, processes)


def _score(
    sums: Tensor | None, answers: Tensor | None, model: nn.Module, processes: Processes
) -> Score:
    classes = max(processes.from_all(0 if answers is None else len(answers)))
    if sums is None or answers is None:  # more processes than batches
        device = next(model.parameters()).device
        sums = torch.zeros(3, dtype=torch.float64, device=device)
        answers = torch.zeros(classes, dtype=torch.float64, device=device)
    loss, right, images = processes.summed(sums).tolist()
    given = int((processes.summed(answers) > 0).sum())
    return Score(loss / images, right / images, given)


def count_right(logits: Tensor, labels: Tensor) -> Tensor:
    """How many rows of logits (N, classes) are largest at their label, a scalar tensor."""
    return (logits.argmax(dim=1) == labels).sum()
