"""What a network costs by density: its training configuration, captured and lowered, priced."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signbin import native
from signbin.errors import SpecError
from signbin.layer_costs import CostUnit, LayerShape, NetworkCosts, read_costs
from signbin.passes import lower
from signbin.plan import MachineCode, Target, counted_additions, layer_of, predicted_cycles
from signbin.spec import LowBitWeight
from signbin.tune import TimeLayers, counted_costs, measured_costs

if TYPE_CHECKING:
    from torch import Tensor, nn

    from signbin.train import BudgetConfig, TrainConfig

__all__ = ["Planned", "costs_of_recipe"]


@dataclasses.dataclass(frozen=True)
class Planned:
    """The planner as the one who knows costs, see :class:`signbin.train.Pricing`.

    how: how long this machine is measured where milliseconds count.
    """

    how: TimeLayers = dataclasses.field(default_factory=TimeLayers)

    def costs(self, model: nn.Module, example: Tensor, budget: BudgetConfig) -> NetworkCosts:
        """Counted, read from a file, or measured here.

        SpecError where the file's network is another one.
        """
        from signbin.capture import capture  # noqa: PLC0415 - needs torch
        from signbin.quant import quantized_layers  # noqa: PLC0415

        graph = lower(capture(model, (example,)))
        modules = list(quantized_layers(model))
        counted = counted_costs(graph, modules)
        if budget.unit is CostUnit.ADDITIONS:
            return counted
        if budget.costs is None:
            return measured_costs(graph, modules, budget.target, self.how)
        found = read_costs(Path(budget.costs))
        _check_same(found, counted, budget.costs)
        return found

    def cost(self, costs: NetworkCosts, weights: Mapping[str, LowBitWeight]) -> float:
        """Additions or cycles of every layer, from its codes; cycles are times by its curve.

        Filters stay where they are: that ``compile`` regroups them is in the measured curve.
        """
        work = _additions if costs.unit is CostUnit.ADDITIONS else _cycles_on(costs)
        total = costs.fixed
        for layer in costs.layers:
            weight = weights[layer.module]
            done = sum(work(use, weight) for use in layer.uses)
            total += done if costs.unit is CostUnit.ADDITIONS else layer.of_work(done)
        return total


def costs_of_recipe(config: TrainConfig, isa: str, how: TimeLayers) -> NetworkCosts:
    """The milliseconds of a recipe's network on this machine, by the densities of its layers.

    Nothing is trained. SpecError where its weights are not signed-binary; errors of its data set.
    """
    from signbin.train import BudgetConfig, fresh_network  # noqa: PLC0415 - needs torch

    budget = BudgetConfig(share_of_milliseconds=1.0, target=isa)
    model, example = fresh_network(dataclasses.replace(config, budget=budget))
    return Planned(how).costs(model, example, budget)


def _additions(use: LayerShape, weight: LowBitWeight) -> float:
    height, width = use.output
    return float(counted_additions(layer_of(use, weight)) * height * width)


def _cycles_on(costs: NetworkCosts) -> Callable[[LayerShape, LowBitWeight], float]:
    """Predicted cycles on the machine that was measured, wherever this is."""
    generation = MachineCode.ON if costs.generates else MachineCode.OFF
    known = dataclasses.replace(Target.for_isa(costs.isa, host=False), generation=generation)
    caches: dict[str, Any] = dict(costs.caches)
    target = dataclasses.replace(known, **caches)
    kernels = native.kernels()
    return lambda use, weight: predicted_cycles(layer_of(use, weight), kernels, target)


def _check_same(found: NetworkCosts, wanted: NetworkCosts, path: str) -> None:
    described, expected = (
        {layer.module: layer.uses for layer in costs.layers} for costs in (found, wanted)
    )
    if found.unit is CostUnit.MILLISECONDS and described == expected:
        return
    different = [name for name in expected if described.get(name) != expected[name]]
    raise SpecError(
        "budget.costs",
        value=path,
        reason=f"measured on another network: {', '.join(different[:3]) or 'more layers'}",
        allowed="a file of this network's milliseconds",
        remedy="measure it again: signbin costs RECIPE -o FILE, with the same settings",
    )
