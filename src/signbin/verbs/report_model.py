"""A compiled model as a report shows it: its plan, and what every layer costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbin import report
from signbin.analysis import pattern_maps
from signbin.artifact import Artifact
from signbin.artifact.tensors import stored_bytes
from signbin.errors import PlanError
from signbin.plan import STRATEGIES, Layer, LayerPlan, Plan, Strategy, Target, weighted_layers
from signbin.plan.cores import CORES
from signbin.plan.operations import Operations, walk_operations
from signbin.report import Codes, Model, PatternCounts, ReportedLayer
from signbin.spec import LowBitWeight
from signbin.verbs.check.energy import energy_of, prices_in_words
from signbin.verbs.check.machines import machine_of
from signbin.verbs.step_times import StepTimes, timed_artifact

__all__ = ["report_model"]


def report_model(path: Path, *, measure: bool = False) -> tuple[Model, Codes]:
    """The record of a ``.sbn`` file with the costs of its layers, and its codes by module.

    measure: whether its layers are timed here; errors as for
    :func:`signbin.verbs.step_times.timed_artifact`.
    """
    opened, times = timed_artifact(path, measure=measure)
    described = report.describe_model(path, opened, stored_bytes(opened.graph.constants))
    codes = dict(_codes(opened))
    if opened.plan is None:
        return described, codes
    layers = tuple(_layers(described.layers, opened, opened.plan, times))
    energies = [layer.energy_uj for layer in layers if layer.energy_uj is not None]
    priced = dataclasses.replace(
        described,
        layers=layers,
        ms=times.total,
        ms_how=times.how,
        energy_uj=sum(energies) if energies else None,
        energy_how=prices_in_words() if energies else "",
    )
    return priced, codes


def _codes(opened: Artifact) -> Iterator[tuple[str, NDArray[np.int8]]]:
    modules = opened.graph.layer_modules()
    for layer in weighted_layers(opened.graph, 1):
        if isinstance(layer.weight, LowBitWeight):
            yield modules.get(layer.name, layer.name), layer.weight.codes


def _planned_for(plan: Plan) -> Target | None:
    """The machine a plan names, where it is this one or one that has a name."""
    known = [machine_of("auto"), *map(Target.named, CORES)]
    return next((machine for machine in known if str(machine) == plan.target), None)


def _layers(
    described: tuple[ReportedLayer, ...], opened: Artifact, plan: Plan, times: StepTimes
) -> Iterator[ReportedLayer]:
    """The described layers, with what each costs."""
    layers = {layer.name: layer for layer in weighted_layers(opened.graph, 1)}
    sizes = stored_bytes({name: layer.weight for name, layer in layers.items()})
    target = _planned_for(plan)
    for one in described:
        layer = layers[one.name]
        done = _operations(layer, plan.for_layer(one.name))
        priced = None
        if done is not None and target is not None:
            stored = sizes[one.name]
            priced = energy_of(layer, done.additions, done.multiplications, stored, target)
        yield dataclasses.replace(
            one,
            size_bytes=sizes[one.name],
            additions=None if done is None else done.additions,
            multiplications=None if done is None else done.multiplications,
            energy_uj=priced,
            ms=times.steps.get(one.name),
            patterns=_patterns(layer),
        )


def _operations(layer: Layer, planned: LayerPlan) -> Operations | None:
    """Per image, as planned; None where the strategy cannot say of these parameters."""
    try:
        found = (
            walk_operations(layer, planned.parameters, planned.order)
            if planned.strategy is Strategy.BUCKET
            else _rule(planned.strategy).operations(layer, planned.parameters)
        )
    except PlanError:
        return None
    positions = layer.output[0] * layer.output[1]
    return dataclasses.replace(
        found,
        additions=found.additions * positions,
        multiplications=found.multiplications * positions,
    )


def _rule(strategy: Strategy) -> Any:
    return next(rule for rule in STRATEGIES if rule.strategy is strategy)


def _patterns(layer: Layer) -> PatternCounts | None:
    if not isinstance(layer.weight, LowBitWeight):
        return None
    found = pattern_maps(layer)
    assert found is not None
    return PatternCounts(found["filters"], found["radix"], tuple(found["counts"]))
