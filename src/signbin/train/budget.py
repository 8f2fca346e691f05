"""A budget kept while training: decided once, from the latent weights, and counted after that."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from signbin.documents import from_document
from signbin.errors import FormatError, SpecError
from signbin.files import read_text
from signbin.layer_costs import CostUnit, LayerCosts, NetworkCosts
from signbin.quant import QuantizedLayer, SignedBinary, quantized_layers, set_densities
from signbin.spec import LowBitWeight
from signbin.train.allocation import LayerChoice, allocate, allocate_uniform
from signbin.train.config import Allocation, BudgetConfig

__all__ = [
    "BudgetKeeper",
    "Pricing",
    "RunBudget",
    "check_budget",
    "dropped_energy",
    "restore_densities",
    "show_cost",
]


class Pricing(Protocol):
    """Who knows what a network costs."""

    def costs(self, model: nn.Module, example: Tensor, budget: BudgetConfig) -> NetworkCosts:
        """The costs of its quantised layers by density; ``example``: images (N, C, H, W)."""

    def cost(self, costs: NetworkCosts, weights: Mapping[str, LowBitWeight]) -> float:
        """The cost of a network with exactly these weights, by module."""


@dataclasses.dataclass(frozen=True, eq=False)
class RunBudget:
    """What the seeds of a run may cost, and who counts it."""

    config: BudgetConfig
    costs: NetworkCosts
    pricing: Pricing

    @property
    def limit(self) -> float:
        """In the unit of the costs."""
        return self.config.limit(self.costs.binary)


@dataclasses.dataclass(frozen=True)
class _Decided:
    """What a seed's summary says of its budget, as far as the network is rebuilt from it."""

    densities: Mapping[str, float]


class BudgetKeeper:
    """One seed's budget.

    models: those whose layers get the densities, the trained one first. densities: by module, None
    before they are decided.
    """

    def __init__(self, budget: RunBudget, models: Sequence[nn.Module]) -> None:
        self._budget, self._models = budget, models
        self.densities: dict[str, float] | None = None

    def is_due(self, epoch: int) -> bool:
        """Whether densities are to be decided, before epoch ``epoch``, 0 the first."""
        return self.densities is None and epoch >= self._budget.config.after_epochs

    def decided(self) -> dict[str, float]:
        """The density of every layer that the weights at this moment lead to.

        min over counts n of sum of :func:`dropped_energy`, subject to the cost; n from
        ``least_density`` to the natural count of codes per filter. SpecError where that cannot be.
        """
        config, costs = self._budget.config, self._budget.costs
        layers = quantized_layers(self._models[0])
        choices = [_choice(layers[one.module], one, config.least_density) for one in costs.layers]
        method = allocate if config.allocation is Allocation.ENERGY else allocate_uniform
        counts = method(choices, self._budget.limit - costs.fixed)
        return {
            choice.module: count / choice.inputs
            for choice, count in zip(choices, counts, strict=True)
        }

    def fix(self, densities: Mapping[str, float]) -> None:
        """Give the layers these densities, for good."""
        self.densities = dict(densities)
        for model in self._models:
            set_densities(model, densities)

    def told(self) -> str:
        """What was decided, in one line."""
        costs, unit = self._budget.costs, self._budget.costs.unit
        found = self._expected()
        densities = self._decided_densities().values()
        return (
            f"densities {min(densities):.3f} to {max(densities):.3f}: predicted "
            f"{show_cost(found, unit)} of {show_cost(self._budget.limit, unit)}, binary weights "
            f"{show_cost(costs.binary, unit)}, on {costs.target}"
        )

    def predicted(self, model: nn.Module) -> float:
        """What the network costs as it is, counted from its codes."""
        weights = {name: layer.low_bit() for name, layer in quantized_layers(model).items()}
        return self._budget.pricing.cost(self._budget.costs, weights)

    def measures(self, model: nn.Module) -> dict[str, float]:
        """The cost for a line of metrics.jsonl: ``predicted_`` and the unit."""
        return {f"predicted_{self._budget.costs.unit.value}": self.predicted(model)}

    def shown(self, record: Mapping[str, Any]) -> str:
        """The cost of such a line, in words."""
        unit = self._budget.costs.unit
        return show_cost(record[f"predicted_{unit.value}"], unit)

    def summary(self, model: nn.Module) -> dict[str, Any]:
        """What a summary says: unit, target, limit; what was predicted from densities alone, what
        from the trained weights; the same network with binary weights; the densities by module.
        """
        costs = self._budget.costs
        return {
            "unit": costs.unit.value,
            "target": costs.target,
            "limit": self._budget.limit,
            "expected": self._expected(),
            "predicted": self.predicted(model),
            "binary": costs.binary,
            "densities": self._decided_densities(),
        }

    def _expected(self) -> float:
        costs, densities = self._budget.costs, self._decided_densities()
        return costs.at({one.module: densities[one.module] * one.inputs for one in costs.layers})

    def _decided_densities(self) -> dict[str, float]:
        assert self.densities is not None
        return dict(self.densities)


def check_budget(budget: RunBudget) -> None:
    """SpecError, with what can be reached, for a limit no densities lead to."""
    costs, config = budget.costs, budget.config
    least, most = costs.at_density(config.least_density), costs.binary
    if least <= budget.limit <= most:
        return
    share = config.key.startswith("share_of_")
    low, high = (least / most, 1.0) if share else (least, most)
    raise SpecError(
        f"budget.{config.key}",
        value=getattr(config, config.key),
        allowed=f"{low:.4g} (density {config.least_density:g} everywhere) to {high:.4g} (binary "
        f"weights) on {costs.target}",
        remedy="raise it, lower budget.least_density, or choose another network"
        if budget.limit < least
        else "lower it, or leave the budget out",
    )


def dropped_energy(layer: QuantizedLayer) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """E(n), n = 0..M: the share of a layer's latent energy that n codes per filter drop.

    1 - sum over filters of the n largest (b*w)^2 / sum of all, where b*w > 0, b the filter's sign:
    the squared error of the weights relative to their own size, convex in n. Float64.
    """
    rule = layer.config.weight
    assert isinstance(rule, SignedBinary)
    with torch.no_grad():
        signs = layer.quantizer_state()["weight_sign"].double().cpu()
        along = signs[:, :1] * layer.weight.detach().double().cpu().flatten(1)
        squares, _ = along.clamp(min=0).square().sort(dim=1, descending=True)
        kept = np.concatenate([[0.0], squares.sum(0).cumsum(0).numpy()])
    whole = kept[-1]
    return 1 - kept / whole if whole > 0 else np.zeros(len(kept))


def _allowed_counts(layer: QuantizedLayer, costs: LayerCosts, least: float) -> tuple[int, int]:
    """The fewest and the most codes per filter that a layer may have."""
    natural = max(1, round(layer.density * costs.inputs))
    most = min(natural, costs.counts[-1])
    return min(most, max(1, round(least * costs.inputs))), most


def restore_densities(model: nn.Module, budget: BudgetConfig | None, summary: Path) -> None:
    """Give a network made anew the densities that the summary of its seed, a file, says.

    Without a budget nothing. FormatError, naming the file, where it says none that fit.
    """
    if budget is None:
        return
    try:
        document: Any = json.loads(read_text(summary))
        decided = from_document(_Decided, {"densities": document["budget"]["densities"]})
        set_densities(model, decided.densities)
    except (OSError, ValueError, RecursionError, LookupError, TypeError, SpecError) as error:
        raise FormatError(
            "densities of a network with a budget", value=str(summary), reason=str(error)
        ) from error


def show_cost(cost: float, unit: CostUnit) -> str:
    """A cost for people.

    >>> show_cost(0.2134, CostUnit.MILLISECONDS), show_cost(4.8953e6, CostUnit.ADDITIONS)
    ('0.213 ms', '4.90 M additions')
    """
    if unit is CostUnit.MILLISECONDS:
        return f"{cost:.3g} ms"
    return f"{cost / 1e6:.2f} M additions"


def _choice(layer: QuantizedLayer, costs: LayerCosts, least: float) -> LayerChoice:
    fewest, most = _allowed_counts(layer, costs, least)
    counts = np.arange(fewest, most + 1)
    prices = np.array([costs.at(int(count)) for count in counts])
    return LayerChoice(costs.module, costs.inputs, counts, prices, dropped_energy(layer)[counts])
