"""What a plan from elsewhere may state: no more work than a plan made here would."""

from __future__ import annotations

from signbin.errors import PlanError
from signbin.ir.graph import Graph
from signbin.plan.layer import Layer, weighted_layers
from signbin.plan.plan import LayerPlan, Plan
from signbin.plan.strategies import STRATEGIES

__all__ = ["check_limits"]


def check_limits(graph: Graph, plan: Plan) -> None:
    """PlanError where a parameter is outside what its strategy's ``limits`` say of the layer."""
    for layer in weighted_layers(graph, 1):
        _check(layer, plan.for_layer(layer.name))


def _check(layer: Layer, decided: LayerPlan) -> None:
    rule = next(rule for rule in STRATEGIES if rule.strategy is decided.strategy)
    limits = rule.limits(layer)
    for name, value in decided.parameters.items():
        allowed = limits.get(name, range(0))
        if value not in allowed:
            known = f"{allowed.start}..{allowed.stop - 1}" if allowed else ", ".join(limits)
            raise PlanError(
                f"{decided.strategy.value} of layer {layer.name} in the plan",
                value={name: value},
                allowed=known or "no parameters",
                remedy="plan the graph again: compile it, or leave out the plan",
            )
