"""Choose a strategy and a tile for every layer with weights, and say why."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Final

from signbin.errors import PlanError
from signbin.ir.graph import Graph
from signbin.plan.cost import vector_lanes
from signbin.plan.grouping import GroupSearch, regroup
from signbin.plan.layer import Layer, weighted_layers
from signbin.plan.operations import walk_operations
from signbin.plan.option import Option
from signbin.plan.plan import Candidate, LayerPlan, Plan, Strategy
from signbin.plan.stats import PatternStats
from signbin.plan.strategies import STRATEGIES, Bucket, StrategyRule
from signbin.plan.target import MachineCode, Target
from signbin.spec import Kernel

__all__ = ["least_cost", "make_plan"]

_DIVISIBLE_TILES: Final = 32  # so many that any number of threads finds enough to do


def make_plan(  # noqa: PLR0913 - every choice is a keyword of it
    graph: Graph,
    kernels: Sequence[Kernel],
    target: Target,
    force: Strategy | None = None,
    *,
    images: int = 1,
    grouping: GroupSearch | None = None,
    expected: Mapping[str, Mapping[int, PatternStats]] | None = None,
) -> Plan:
    """The cheapest strategy, by prediction, for every conv2d and linear of a lowered graph.

    kernels: what exists; of each strategy and op, the kernels of the first instruction set in
    Target.isas that has any compete. Dense competes everywhere, so that no layer is predicted to
    be slower than dense; the engines of the literature only where they are forced. Equal costs:
    the earlier entry of STRATEGIES, then the earlier kernel.
    force: the strategy for every layer it can serve; the others are dense, with the reason.
    images: images per call the plan is made for; a linear layer has one output pixel per image.
    grouping: how hard to look for filters whose zeros coincide, where layers are walked; None
    leaves every filter where it is. Groups are kept where they save additions, never otherwise.
    expected: by layer, patterns of F filters to count with in place of the weights' own.

    PlanError: no kernel for a layer; a forced strategy that is none, or serves no layer at all.
    """
    if isinstance(images, bool) or not isinstance(images, int) or images < 1:
        raise PlanError("images per call", value=images, allowed="a positive whole number")
    if force is not None and not isinstance(force, Strategy):
        raise PlanError(
            "forced strategy",
            value=force,
            allowed=", ".join(str(strategy) for strategy in Strategy),
            remedy="import it: from signbin.plan import Strategy",
        )
    layers = weighted_layers(graph, images)
    if expected is None:
        chosen = tuple(_plan_layer(layer, kernels, target, force) for layer in layers)
    else:
        chosen = _plan_expected(layers, kernels, target, force, expected)
    if grouping is not None:
        pairs = zip(layers, chosen, strict=True)
        chosen = tuple(_grouped(layer, decided, target, grouping) for layer, decided in pairs)
    if force is not None and not any(layer.strategy is force for layer in chosen):
        reasons = "; ".join(f"{layer.layer}: {_reason(layer, force)}" for layer in chosen[:4])
        raise PlanError(
            f"strategy {force.value} forced on {graph.name}",
            allowed=f"a graph with a layer it can serve; {reasons or 'no layer has weights'}",
            remedy="plan without forcing a strategy",
        )
    return Plan(str(target), chosen)


def _plan_expected(
    layers: Sequence[Layer],
    kernels: Sequence[Kernel],
    target: Target,
    force: Strategy | None,
    expected: Mapping[str, Mapping[int, PatternStats]],
) -> tuple[LayerPlan, ...]:
    """A decision for every layer; those that nothing tells apart are decided once."""
    decided: dict[tuple[object, ...], LayerPlan] = {}
    plans = []
    for layer in layers:
        patterns = expected.get(layer.name, {})
        kind = (*layer.shape_key, layer.value_set, layer.needs_window_total, *patterns.values())
        if kind not in decided:
            decided[kind] = _plan_layer(layer, kernels, target, force, patterns)
        plans.append(dataclasses.replace(decided[kind], layer=layer.name))
    return tuple(plans)


def least_cost(
    layer: Layer,
    kernels: Sequence[Kernel],
    target: Target,
    expected: Mapping[int, PatternStats] | None = None,
) -> float:
    """The predicted cost of what the planner would choose: see Option.cost.

    expected: patterns of F filters to count with in place of the weights' own. PlanError where no
    kernel serves the layer.
    """
    costs = [
        option.cost
        for rule in STRATEGIES
        if rule.competes
        for option in _consider(rule, layer, kernels, target, expected or {})[1]
    ]
    if not costs:
        raise PlanError(
            f"{layer.op} {layer.name}", value=target.isa, allowed="a kernel that runs it"
        )
    return min(costs)


def _plan_layer(
    layer: Layer,
    kernels: Sequence[Kernel],
    target: Target,
    force: Strategy | None,
    expected: Mapping[int, PatternStats] | None = None,
) -> LayerPlan:
    options: list[tuple[Strategy, Option]] = []
    refused: list[tuple[Strategy, str]] = []
    for rule in STRATEGIES:
        if not rule.competes and rule.strategy is not force:
            continue
        reason, found = _consider(rule, layer, kernels, target, expected or {})
        options += [(rule.strategy, option) for option in found]
        if reason is not None:
            refused.append((rule.strategy, reason))
    allowed = [entry for entry in options if force in (None, entry[0])]
    if not allowed:
        allowed = [entry for entry in options if entry[0] is Strategy.DENSE]
    if not allowed:
        raise PlanError(
            f"{layer.op} {layer.name}",
            value=target.isa,
            allowed="; ".join(f"{strategy.value}: {reason}" for strategy, reason in refused),
            remedy="choose another instruction set or strategy",
        )
    best = min(allowed, key=lambda entry: entry[1].cost)
    candidates = [_candidate(entry, best, force) for entry in options]
    candidates += [
        Candidate(strategy, {}, math.inf, f"rejected: {reason}") for strategy, reason in refused
    ]
    return LayerPlan(
        layer=layer.name,
        op=layer.op,
        value_set=layer.value_set.value,
        density=layer.density,
        macs=layer.macs,
        strategy=best[0],
        parameters=best[1].parameters,
        why="; ".join(
            [_why(best, refused, options, force), *_missed(best[0], layer, kernels, target)]
        ),
        candidates=tuple(candidates),
    )


def _grouped(layer: Layer, decided: LayerPlan, target: Target, search: GroupSearch) -> LayerPlan:
    """The decision with filters regrouped, where that saves additions of its walk.

    Chunk by chunk only on large maps: threads divide the groups of small ones among them, which
    takes the same groups in all chunks.
    """
    if decided.strategy is not Strategy.BUCKET:
        return decided
    tile = decided.parameters
    pixels = tile["vectors"] * vector_lanes(layer, target)
    shared = math.prod(layer.output) < _DIVISIBLE_TILES * pixels
    found = regroup(layer, tile["filters"], tile["chunk"], search, shared=shared)
    own = walk_operations(layer, tile).additions
    if found.gain == 0 or walk_operations(layer, tile, found.order).additions >= own:
        return decided
    why = f"{decided.why}; filters regrouped: {found.gain:.1%} fewer load-adds"
    return dataclasses.replace(decided, order=found.order, why=why)


def _consider(
    rule: StrategyRule,
    layer: Layer,
    kernels: Sequence[Kernel],
    target: Target,
    expected: Mapping[int, PatternStats],
) -> tuple[str | None, list[Option]]:
    """The strategy's options for the layer, or the reason why it has none."""
    reason = rule.applies(layer)
    if reason is not None:
        return reason, []
    name = rule.strategy.value
    for isa in target.isas:
        serving = [
            kernel
            for kernel in kernels
            if (kernel.strategy, kernel.op, kernel.isa) == (rule.family, layer.op, isa)
            and kernel.activations == layer.activations
            and (kernel.usable or not target.host)
            and (not kernel.generated or target.generation is MachineCode.ON)
        ]
        if isinstance(rule, Bucket):
            found = list(rule.tiles(layer, serving, target, expected))
        else:
            found = list(rule.options(layer, serving, target))
        if found:
            return None, found
    value_set = layer.value_set.value
    return f"no {name} kernel for {layer.op} with {value_set} weights on {target.isa}", []


def _candidate(
    entry: tuple[Strategy, Option], best: tuple[Strategy, Option], force: Strategy | None
) -> Candidate:
    strategy, option = entry
    if entry is best:
        verdict = f"chosen: {option.summary}"
    elif force is not None and best[0] is force and strategy is not force:
        verdict = f"rejected: {force.value} is forced; {option.summary}"
    else:
        ratio = option.cost / max(best[1].cost, 1.0)
        verdict = f"rejected: {ratio:.2f}x the predicted cost of the choice; {option.summary}"
    return Candidate(strategy, option.parameters, option.cost, verdict)


def _why(
    best: tuple[Strategy, Option],
    refused: Sequence[tuple[Strategy, str]],
    options: Sequence[tuple[Strategy, Option]],
    force: Strategy | None,
) -> str:
    parts = [best[1].summary]
    if force is best[0]:
        parts.append("forced")
    parts += [f"not {strategy.value}: {reason}" for strategy, reason in refused]
    others = [option for strategy, option in options if strategy is not best[0]]
    if others and force is not best[0]:
        runner_up = min(others, key=lambda option: option.cost)
        ratio = runner_up.cost / max(best[1].cost, 1.0)
        parts.append(f"predicted {ratio:.2f}x cheaper than {runner_up.summary.split(':')[0]}")
    return "; ".join(parts)


def _missed(
    chosen: Strategy, layer: Layer, kernels: Sequence[Kernel], target: Target
) -> tuple[str, ...]:
    """Why the chosen strategy does without the generated code there would be for the layer."""
    if target.generation is MachineCode.ON:
        return ()
    wanted = (chosen.value, layer.op, target.isa, layer.activations)
    exists = any(
        kernel.generated and (kernel.strategy, kernel.op, kernel.isa, kernel.activations) == wanted
        for kernel in kernels
    )
    return (target.generation.value,) if exists else ()


def _reason(layer: LayerPlan, force: Strategy) -> str:
    reasons = [candidate.why for candidate in layer.candidates if candidate.strategy is force]
    return reasons[0].removeprefix("rejected: ") if reasons else "not considered"
