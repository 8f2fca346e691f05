"""How the latent weights of a layer are distributed."""

from __future__ import annotations

import dataclasses
import math
from typing import Final

import torch
from torch import Tensor

__all__ = ["LatentWeights", "describe_latent"]

_BINS: Final = 33
_FEWEST: Final = 2


@dataclasses.dataclass(frozen=True)
class LatentWeights:
    """The latent weights of one layer.

    largest: max|w|. histogram: counts in 33 equal bins from -largest to +largest, the middle one
    around 0. mean, std (population). family: of ``uniform`` (on [-a, a]), ``gaussian`` and
    ``laplacian``, the one with the largest likelihood, each with its own maximum-likelihood
    parameters; None for fewer than two different weights. likelihood: its logarithm per weight
    for every family, nats.
    """

    largest: float
    mean: float
    std: float
    histogram: tuple[int, ...]
    family: str | None
    likelihood: dict[str, float]


def describe_latent(weight: Tensor) -> LatentWeights:
    """The distribution of a weight tensor; NaN or infinite weights are left out."""
    values = weight.detach().flatten().double()
    values = values[torch.isfinite(values)].cpu()
    if not len(values):
        return LatentWeights(0.0, 0.0, 0.0, (0,) * _BINS, None, {})
    largest = float(values.abs().max())
    edge = largest or 1.0
    histogram = torch.histc(values, _BINS, -edge, edge)
    likelihood = _likelihood(values, largest)
    return LatentWeights(
        largest=largest,
        mean=float(values.mean()),
        std=float(values.std(correction=0)),
        histogram=tuple(int(count) for count in histogram),
        family=max(likelihood, key=likelihood.__getitem__) if likelihood else None,
        likelihood=likelihood,
    )


def _likelihood(values: Tensor, largest: float) -> dict[str, float]:
    """ln of the density at a weight, averaged, under the best member of each family."""
    std = float(values.std(correction=0))
    spread = float((values - values.median()).abs().mean())
    if len(values) < _FEWEST or std == 0 or spread == 0:
        return {}
    return {
        "uniform": -math.log(2 * largest),
        "gaussian": -0.5 * (math.log(2 * math.pi * std**2) + 1),
        "laplacian": -math.log(2 * spread) - 1,
    }
