"""A compiled model as a report shows it: its plan, and what every layer costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin import artifact, native, report
from signbin.analysis import pattern_maps
from signbin.analysis.latency import Rates, predict, step_works
from signbin.artifact import Artifact
from signbin.artifact.tensors import stored_bytes
from signbin.errors import PlanError
from signbin.plan import STRATEGIES, Layer, LayerPlan, Plan, Strategy, Target, weighted_layers
from signbin.plan.cores import CORES
from signbin.plan.operations import Operations, walk_operations
from signbin.report import Codes, Model, PatternCounts, ReportedLayer
from signbin.runtime import Program
from signbin.spec import LowBitWeight
from signbin.verbs.check.energy import energy_of, prices_in_words
from signbin.verbs.check.machines import machine_of, rates_for
from signbin.verbs.profile import profile
from signbin.verbs.recognition import SourceKind, kind_of, refusal

__all__ = ["report_model"]

_REPEATS: Final = 10


@dataclasses.dataclass(frozen=True)
class _Times:
    """Milliseconds of every step of one image on one thread, and where they come from."""

    steps: Mapping[str, float]
    how: str = ""

    @property
    def total(self) -> float | None:
        """Of all steps; None where nobody knows."""
        return sum(self.steps.values()) if self.steps else None


def report_model(path: Path, *, measure: bool = False) -> tuple[Model, Codes]:
    """The record of a ``.sbn`` file with the costs of its layers, and its codes by module.

    measure: whether it is run, on random images; else times are predicted where this machine is the
    one it was planned for and its speed is known, and left out elsewhere. FormatError for a damaged
    file, SpecError for what is no compiled model, ExecutionError where it cannot be run.
    """
    if path.is_file() and kind_of(str(path)) is SourceKind.PARTS:
        raise refusal(str(path), "model to report", "a .sbn file of one engine")
    opened = artifact.read(path)
    if measure:
        program = Program.load(path, threads=1)
        opened = dataclasses.replace(opened, plan=program.plan)
        times = _measured(program)
    else:
        times = _predicted(opened)
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


def _measured(program: Program) -> _Times:
    found = profile(program, repeats=_REPEATS)
    how = f"measured on {native.cpu()['name']}, {program.isa}: median of {_REPEATS} runs"
    return _Times({layer.name: layer.ms for layer in found.layers}, how)


def _predicted(opened: Artifact) -> _Times:
    machine = machine_of("auto")
    rates = rates_for(machine)
    if opened.plan is None or str(machine) != opened.plan.target or rates is None:
        return _Times({})
    return _at(opened, opened.plan, machine, rates)


def _at(opened: Artifact, plan: Plan, machine: Target, rates: Rates) -> _Times:
    works = step_works(opened.graph, plan, machine)
    if not all(work.kind in rates.kinds for work in works):
        return _Times({})
    return _Times(predict(works, rates), f"predicted: {rates.source}")


def _planned_for(plan: Plan) -> Target | None:
    """The machine a plan names, where it is this one or one that has a name."""
    known = [machine_of("auto"), *map(Target.named, CORES)]
    return next((machine for machine in known if str(machine) == plan.target), None)


def _layers(
    described: tuple[ReportedLayer, ...], opened: Artifact, plan: Plan, times: _Times
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
