"""When a training is stopped because going on would be a waste."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from signbin.errors import SignbinError
from signbin.quant import ModelHealth

__all__ = ["CollapseError", "DivergenceError", "check_collapse", "check_growth", "not_finite"]

_GROWTH: Final = 10.0


class DivergenceError(SignbinError):
    """Training reached a loss that is not a finite number, or far above where it started."""


class CollapseError(SignbinError):
    """The network has stopped to distinguish anything: a dead layer, or one and the same answer."""


def not_finite(seed: int, what: str, loss: float) -> DivergenceError:
    """The error for a loss that is no number."""
    return DivergenceError(
        f"seed {seed}: {what}",
        value=loss,
        allowed="a finite number",
        remedy="lower optimizer.learning_rate or set optimizer.clip_gradient",
    )


def check_growth(seed: int, metrics: Sequence[Mapping[str, Any]], classes: int) -> None:
    """DivergenceError where an epoch's training loss is ten times that of knowing nothing.

    Knowing nothing costs ln(classes); a first epoch that was worse counts instead.
    """
    limit = _GROWTH * max(metrics[0]["train_loss"], math.log(classes))
    loss = metrics[-1]["train_loss"]
    if loss > limit:
        raise DivergenceError(
            f"seed {seed}: training loss, epoch {metrics[-1]['epoch']}",
            value=round(loss, 3),
            allowed=f"<= {limit:.3g}",
            remedy="lower optimizer.learning_rate or set optimizer.clip_gradient",
        )


def check_collapse(
    seed: int, metrics: Sequence[Mapping[str, Any]], health: ModelHealth, patience: int
) -> None:
    """CollapseError for a layer of zeros, or one answer to all held-out images for long.

    patience: so many epochs in a row with one answer are too many.
    """
    epoch = metrics[-1]["epoch"]
    for layer in health.layers:
        if layer.dead_filters == layer.filters:
            raise CollapseError(
                f"seed {seed}, epoch {epoch}: every weight of {layer.name} is quantised to zero",
                remedy="lower the quantiser's threshold_factor or optimizer.learning_rate",
            )
    latest = metrics[-patience:]
    if len(latest) == patience and all(record["answers"] == 1 for record in latest):
        raise CollapseError(
            f"seed {seed}: one answer to all held-out images for {patience} epochs up to {epoch}",
            remedy="lower optimizer.learning_rate, add optimizer.warmup, or raise patience",
        )
