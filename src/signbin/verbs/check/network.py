"""What a network would cost in every scheme: predicted, from its shapes alone."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Sequence

from signbin import artifact, native
from signbin.analysis.latency import Rates, predict, step_works
from signbin.artifact.tensors import stored_bytes
from signbin.errors import CaptureError, SpecError
from signbin.ir import Graph
from signbin.passes import lower
from signbin.plan import (
    Layer,
    LayerPlan,
    Plan,
    Strategy,
    Target,
    make_plan,
    weighted_layers,
)
from signbin.plan.cost import walk_counts
from signbin.plan.operations import dense_operations
from signbin.plan.table import Table
from signbin.runtime.build import values_bytes
from signbin.spec import LowBitWeight
from signbin.verbs.check.energy import energy_of, prices_in_words
from signbin.verbs.check.machines import machine_of, rates_for
from signbin.verbs.check.record import Coverage, LayerCheck, NetworkCheck, SchemeCheck
from signbin.verbs.check.schemes import (
    SCHEMES,
    Scheme,
    expected_of,
    low_bit_layers,
    patterns_of,
    stand_in,
)
from signbin.verbs.graphs import graph_of, operators_of
from signbin.verbs.source import Examples, Model, Source, as_source

__all__ = ["check", "check_graph", "check_source"]


def _quiet(done: int, of: int) -> None:
    del done, of


def check(  # noqa: PLR0913 - the one door: every choice is a keyword of it
    model: Model | str | os.PathLike[str],
    example_inputs: Examples | None = None,
    *,
    name: str | None = None,
    isa: str = "auto",
    target: str | None = None,
    schemes: Sequence[Scheme] = SCHEMES,
    progress: Callable[[int, int], None] = _quiet,
) -> NetworkCheck:
    """What a model would cost, before it is trained; nothing of it is run.

    model, example_inputs: as for :func:`signbin.compile`. name: in the answer; None takes the
    source's. Where operators are refused, all of them stand in ``coverage.refused``, each with
    what to do, and no scheme is predicted. isa: ``auto`` or a name from ``signbin doctor``.
    target: another machine to predict for, a name of :meth:`signbin.plan.Target.named`; None for
    this one. What is modelled and was never executed on hardware says so in ``rates``.
    progress: is told how many of how many schemes are done.

    CaptureError where the model cannot be traced at all, SpecError for what is no model and for
    schemes of the same name, FormatError for a damaged file, PlanError for an unknown target, and
    SpecError for one beside an isa.
    """
    _expect_different(schemes)
    source = as_source(model, example_inputs)
    if name is not None:
        source = dataclasses.replace(source, name=name)
    return check_source(source, isa=isa, target=target, schemes=schemes, progress=progress)


def check_source(
    source: Source,
    *,
    isa: str = "auto",
    target: str | None = None,
    schemes: Sequence[Scheme] = SCHEMES,
    progress: Callable[[int, int], None] = _quiet,
) -> NetworkCheck:
    """:func:`check` for what :func:`signbin.verbs.source.load_source` read."""
    _expect_different(schemes)
    machine = machine_of(isa, target)
    try:
        graph = lower(graph_of(source))
    except CaptureError as error:
        if not error.findings:
            raise
        coverage = Coverage(0, error.findings, operators_of(source))
        return NetworkCheck(source.name, str(machine), "", coverage)
    return check_graph(
        graph, name=source.name, isa=isa, target=target, schemes=schemes, progress=progress
    )


def check_graph(
    graph: Graph,
    *,
    name: str = "model",
    isa: str = "auto",
    target: str | None = None,
    schemes: Sequence[Scheme] = SCHEMES,
    progress: Callable[[int, int], None] = _quiet,
) -> NetworkCheck:
    """:func:`check` for a lowered graph with float32 activations."""
    _expect_different(schemes)
    machine, layers = machine_of(isa, target), low_bit_layers(graph)
    rates = rates_for(machine)
    found: list[SchemeCheck] = []
    known: dict[tuple[object, ...], LowBitWeight] = {}
    for scheme in schemes:
        progress(len(found), len(schemes))
        made = stand_in(graph, layers, scheme, known)
        found.append(_priced(made, scheme, machine, rates))
    progress(len(found), len(schemes))
    owners = graph.layer_modules()
    return NetworkCheck(
        network=name,
        target=f"{native.cpu()['name']}, {machine}" if machine.host else str(machine),
        rates=rates.source if rates else "",
        coverage=Coverage(len(graph.nodes)),
        prices=prices_in_words(),
        low_bit=tuple(owners.get(layer, layer) for layer in layers),
        schemes=tuple(found),
        advice=_advice(found),
    )


def _expect_different(schemes: Sequence[Scheme]) -> None:
    names = [scheme.name for scheme in schemes]
    if not names or len(set(names)) != len(names):
        raise SpecError("schemes to check", value=names, allowed="different ones, at least one")


def _priced(made: Graph, scheme: Scheme, target: Target, rates: Rates | None) -> SchemeCheck:
    plan = make_plan(made, native.kernels(), target, expected=expected_of(made))
    works = step_works(made, plan, target)
    known = rates is not None and all(work.kind in rates.kinds for work in works)
    times = predict(works, rates) if rates is not None and known else {}
    weighted, modules = weighted_layers(made, 1), made.layer_modules()
    weights = {f"{id(layer.weight)}": layer.weight for layer in weighted}
    sizes = stored_bytes(weights)  # layers may share one
    layers = tuple(
        _layer(
            layer,
            modules.get(layer.name, ""),
            plan.for_layer(layer.name),
            sizes[f"{id(layer.weight)}"],
            times.get(layer.name),
            target,
        )
        for layer in weighted
    )
    return SchemeCheck(
        scheme=scheme.name,
        weights=scheme.value_set.value,
        density=scheme.density,
        activations="u8" if made.has_codes else "f32",
        file_bytes=_file_bytes(made, plan),
        arena_bytes=values_bytes(made, target.isa, None if target.host else target.code_bytes),
        additions=sum(layer.additions for layer in layers),
        multiplications=sum(layer.multiplications for layer in layers),
        energy_uj=sum(layer.energy_uj for layer in layers),
        ms=sum(times.values()) if known else None,
        layers=layers,
    )


def _file_bytes(graph: Graph, plan: Plan) -> int:
    return artifact.encoded_bytes(artifact.Artifact(graph, plan))


def _layer(
    layer: Layer, module: str, planned: LayerPlan, stored: int, ms: float | None, on: Target
) -> LayerCheck:
    additions, multiplications = _operations(layer, planned)
    return LayerCheck(
        layer=layer.name,
        module=module,
        op=layer.op,
        weights=layer.value_set.value,
        strategy=planned.strategy.value,
        why=planned.why,
        macs=layer.macs,
        additions=additions,
        multiplications=multiplications,
        size_bytes=stored,
        energy_uj=energy_of(layer, additions, multiplications, stored, on),
        ms=ms,
    )


def _operations(layer: Layer, planned: LayerPlan) -> tuple[int, int]:
    """Additions and multiplications of the layer, as expected of weights that are drawn."""
    positions = math.prod(layer.output)
    if planned.strategy is Strategy.TABLE:
        looked_up = Table().operations(layer, planned.parameters)
        return looked_up.additions * positions, looked_up.multiplications * positions
    if planned.strategy is not Strategy.BUCKET:
        dense = dense_operations(layer)
        return dense.additions * positions, dense.multiplications * positions
    stats = patterns_of(layer)[planned.parameters["filters"]]
    counts = walk_counts(layer, stats, planned.parameters["chunk"])
    return counts.additions * positions, layer.filters * positions


def _advice(schemes: Sequence[SchemeCheck]) -> tuple[str, ...]:
    """Where 8-bit weights would be faster than low-bit ones, network by network and layer."""
    timed = {scheme.scheme: scheme for scheme in schemes if scheme.ms is not None}
    int8 = timed.get("int8")
    if int8 is None:
        return ()
    return tuple(
        sentence
        for scheme in timed.values()
        if scheme.weights != "float"
        for sentence in _slower(scheme, int8)
    )


def _slower(scheme: SchemeCheck, int8: SchemeCheck) -> list[str]:
    assert scheme.ms is not None
    assert int8.ms is not None
    if int8.ms < scheme.ms:
        return [f"{scheme.scheme}: int8 would be faster here, {int8.ms:.2f} ms for {scheme.ms:.2f}"]
    known = {layer.layer: layer.ms or 0.0 for layer in int8.layers}
    slow = [
        layer.module or layer.layer
        for layer in scheme.layers
        if layer.weights != "float" and known[layer.layer] < (layer.ms or 0.0)
    ]
    shown = ", ".join(slow[:4]) + (f" and {len(slow) - 4} more" if len(slow) > 4 else "")
    return [f"{scheme.scheme}: int8 would be faster in {shown}"] if slow else []
