"""compare: the reference, other engines, the interpreter and the program, layer by layer."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.diagnose.differences import Difference, Share, fitted
from signbin.diagnose.divergence import Divergence, first_own_error, odd_ones
from signbin.diagnose.exactness import Exactness, measure_exactness
from signbin.diagnose.rounding import rounding_bounds
from signbin.errors import SpecError
from signbin.ir import Graph, interpret, real_values
from signbin.ir.form import collected, default_form

__all__ = [
    "FLOAT_TOLERANCE",
    "Comparison",
    "CompiledProgram",
    "Floats",
    "LayerDifference",
    "ReferenceFunction",
    "compare",
]

Floats: TypeAlias = NDArray[np.float32]
ReferenceFunction: TypeAlias = Callable[..., Mapping[str, Floats]]
"""From samples (N, ...), one array per input, to values by name, (N, ...) each."""

FLOAT_TOLERANCE: Final = 1e-4
"""Relative; far above what float32 kernels differ by."""
_BATCH: Final = 32
_INTERPRETER: Final = "interpreter"
_PROGRAM: Final = "signbin"


class CompiledProgram(Protocol):
    """What compare needs of a program: its lowered graph, its result and all its values."""

    @property
    def graph(self) -> Graph:
        """The lowered graph; the names of its outputs are looked up in the reference."""

    def __call__(self, *arrays: Floats) -> Any:
        """The outputs for samples (N, ...), in the graph's form."""

    def trace(self, *arrays: Floats) -> Mapping[str, NDArray[Any]]:
        """Every value of the lowered graph, by name; codes where it is u8."""


@dataclasses.dataclass(frozen=True)
class LayerDifference:
    """How far one value is from the reference, over all samples.

    interpreter_error, compiled_error: max |difference| / max |reference| of the interpreter (on
    the captured graph) and of the compiled program; where the reference is zero throughout, max
    |difference|; inf where one side is NaN or infinite and the other is not the same. None where
    that side has no such value: a layer fused into a later one, or added by a pass.
    other_errors: the same of the other engines that have the value. mean_error: mean |difference|
    / max |reference|, of the compiled program where it has the value, otherwise of the
    interpreter. source: the module the value comes from. rounding: how far float32 may take the
    program's value where sums cancel, see :func:`signbin.diagnose.rounding_bounds`. outside: see
    :class:`Comparison`.
    """

    name: str
    source: str
    interpreter_error: float | None
    compiled_error: float | None
    mean_error: float
    other_errors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    rounding: float = 0.0
    outside: bool = False


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The outcome of :func:`compare`, and the one rule by which it is judged.

    A layer is *outside* where an engine that computes in float32 is further from the reference than
    ``layer_tolerance``: the interpreter, the others, and the program unless its activations
    are codes; the program may be further by its ``rounding``, where that was allowed. An output is
    outside where the program is further from it than ``tolerance``, which holds that of the output.
    :attr:`passes`: nothing is outside, every node on codes is exact, and enough samples have the
    same top-1.

    layers: in execution order. max_relative_error: of the compiled program's outputs (its plain
    call, not its trace), the largest. top1_agreement: share of samples (of pixels, for outputs
    (N, C, H, W)) in which the largest of the C numbers has the same index; the first of equal ones
    counts. exactness: of the nodes on codes, against the interpreter; None where the program has
    none. engines: what was compared beside the interpreter and the program. divergence: where
    engines part first; None where nothing is outside.
    """

    samples: int
    tolerance: float
    max_relative_error: float
    top1_agreement: float
    layers: tuple[LayerDifference, ...]
    exactness: Exactness | None = None
    min_agreement: float = 1.0
    layer_tolerance: float = FLOAT_TOLERANCE
    reference: str = "pytorch"
    engines: tuple[str, ...] = ()
    divergence: Divergence | None = None

    @property
    def within_tolerance(self) -> bool:
        """Whether the compiled outputs keep to the tolerance."""
        return self.max_relative_error <= self.tolerance

    @property
    def first_diverging(self) -> str | None:
        """Name of the first layer that is outside; None where there is none."""
        return next((layer.name for layer in self.layers if layer.outside), None)

    @property
    def passes(self) -> bool:
        """Whether nothing is outside."""
        exact = self.exactness is None or not self.exactness.differing
        inside = self.within_tolerance and self.first_diverging is None
        return exact and inside and self.top1_agreement >= self.min_agreement

    def to_json(self) -> dict[str, Any]:
        """A JSON object of all fields; infinite errors become the largest double."""
        document = dataclasses.asdict(dataclasses.replace(self, divergence=None))
        document["engines"] = list(self.engines)
        document["max_relative_error"] = _finite(self.max_relative_error)
        document["layers"] = [_layer_json(layer) for layer in self.layers]
        document["divergence"] = self.divergence and self.divergence.to_json()
        return document | {"first_diverging": self.first_diverging, "passes": self.passes}


def compare(  # noqa: PLR0913 - what is compared, and each limit by name
    reference: ReferenceFunction,
    graph: Graph,
    program: CompiledProgram,
    samples: Floats | Sequence[Floats],
    *,
    tolerance: float,
    min_agreement: float = 1.0,
    allow_rounding: bool = False,
    others: Mapping[str, ReferenceFunction] = MappingProxyType({}),
    name: str = "pytorch",
) -> Comparison:
    """Run the reference, other engines, the interpreter and the program on the same samples.

    name: the reference's. graph: as captured, before any pass. samples: float32 (N, ...), N >= 1,
    one array per input (or the only one), run 32 at a time, so memory does not grow with N.
    Values are matched by name; codes are taken for the numbers they stand for. tolerance: for the
    outputs; of every layer, too, where the program has no codes, else float32 layers are held to
    1e-4. allow_rounding: float32 sums that cancel may take the program further, as far as
    :func:`signbin.diagnose.rounding_bounds` says. Where something is outside, the first value on
    which engines part is looked up again and told with the numbers of all of them. Raises SpecError
    for arguments that do not fit, or where the reference lacks an output of the program.
    """
    batches = [samples] if isinstance(samples, np.ndarray) else samples
    _check(graph, batches, tolerance)
    found = _Found({engine: {} for engine in (_INTERPRETER, *others, _PROGRAM)})
    codes = program.graph.has_codes
    engines = _Engines(reference, graph, program, others, allow_rounding and not codes)
    for part in _parts(batches):
        _add_part(found, engines, part)
    floats = FLOAT_TOLERANCE if codes else tolerance
    rounding = max((found.rounding.get(each, 0.0) for each in program.graph.outputs), default=0.0)
    comparison = Comparison(
        samples=len(batches[0]),
        tolerance=tolerance + rounding,
        max_relative_error=max(each.max_relative for each in found.outputs.values()),
        top1_agreement=found.same_top1.value,
        layers=_layers(graph, program.graph, found, floats),
        exactness=found.exactness,
        min_agreement=min_agreement,
        layer_tolerance=floats,
        reference=name,
        engines=tuple(others),
    )
    if comparison.passes:
        return comparison
    parting = _divergence(comparison, found, engines, batches)
    return dataclasses.replace(comparison, divergence=parting)


@dataclasses.dataclass(frozen=True)
class _Engines:
    """Who computes: all by the names of their values."""

    reference: ReferenceFunction
    graph: Graph
    program: CompiledProgram
    others: Mapping[str, ReferenceFunction]
    allow_rounding: bool

    def interpreted(self, part: Sequence[Floats]) -> Mapping[str, NDArray[Any]]:
        named = zip((value.name for value in self.graph.inputs), part, strict=True)
        return real_values(self.graph, interpret(self.graph, dict(named)))

    def all_values(self, part: Sequence[Floats]) -> dict[str, Mapping[str, NDArray[Any]]]:
        """Of the interpreter and of every other engine."""
        values: dict[str, Mapping[str, NDArray[Any]]] = {_INTERPRETER: self.interpreted(part)}
        return values | {name: other(*part) for name, other in self.others.items()}


@dataclasses.dataclass
class _Found:
    """Differences of every value by engine and name, of the outputs, and what goes with them."""

    by_engine: dict[str, dict[str, Difference]]
    outputs: dict[str, Difference] = dataclasses.field(default_factory=dict)
    same_top1: Share = dataclasses.field(default_factory=Share)
    exactness: Exactness | None = None
    rounding: dict[str, float] = dataclasses.field(default_factory=dict)

    def add(
        self, engine: str, actual: Mapping[str, NDArray[Any]], expected: Mapping[str, Floats]
    ) -> None:
        differences = self.by_engine[engine]
        for name in actual.keys() & expected.keys():
            differences.setdefault(name, Difference()).add(actual[name], expected[name])

    def error(self, engine: str, name: str) -> float | None:
        difference = self.by_engine[engine].get(name)
        return None if difference is None else difference.max_relative


def _parts(batches: Sequence[Floats]) -> Iterator[list[Floats]]:
    for start in range(0, len(batches[0]), _BATCH):
        yield [np.ascontiguousarray(batch[start : start + _BATCH]) for batch in batches]


def _add_part(found: _Found, engines: _Engines, part: Sequence[Floats]) -> None:
    expected, graph = engines.reference(*part), engines.program.graph
    missing = sorted(set(graph.outputs) - set(expected))
    if missing:
        raise SpecError(
            "values of the reference",
            value=sorted(expected),
            allowed=f"the program's output {missing[0]!r} among them",
            remedy="compare with the model the program was compiled from",
        )
    for engine, values in engines.all_values(part).items():
        found.add(engine, values, expected)
    traced = engines.program.trace(*part)
    found.add(_PROGRAM, real_values(graph, traced), expected)
    if engines.allow_rounding:
        right = {name: fitted(expected[name], traced[name]) for name in traced if name in expected}
        for name, bound in rounding_bounds(graph, {**traced, **right}).items():
            found.rounding[name] = max(found.rounding.get(name, 0.0), bound)
    measured = measure_exactness(graph, traced)
    if measured is not None:
        found.exactness = measured if found.exactness is None else found.exactness.joined(measured)
    for name, result in _results(engines.program, part).items():
        found.outputs.setdefault(name, Difference()).add(result, expected[name])
        if result.ndim > 1:
            wanted = fitted(expected[name], result)
            found.same_top1.add(result.argmax(axis=1) == wanted.argmax(axis=1))


def _results(program: CompiledProgram, part: Sequence[Floats]) -> dict[str, Floats]:
    """The outputs of a plain call, by name."""
    names, form = program.graph.outputs, program.graph.form
    form = default_form(len(names)) if form is None else form
    handed = collected(form, program(*part))
    return {names[number]: array for number, array in handed.items()}


def _check(graph: Graph, batches: Sequence[Floats], tolerance: float) -> None:
    if len(batches) != len(graph.inputs):
        raise SpecError("arrays of samples", value=len(batches), allowed=f"{len(graph.inputs)}")
    for value, samples in zip(graph.inputs, batches, strict=True):
        if not isinstance(samples, np.ndarray) or samples.dtype != np.float32:
            kind = getattr(samples, "dtype", type(samples).__name__)
            raise SpecError("samples", value=str(kind), allowed="a numpy array of float32")
        extents = value.type.shape[1:]
        if samples.ndim != len(extents) + 1 or samples.shape[1:] != extents:
            raise SpecError("shape of the samples", value=samples.shape, allowed=str(value.type))
    counts = {len(samples) for samples in batches}
    if len(counts) != 1 or counts == {0}:
        raise SpecError(
            "number of samples", value=sorted(counts), allowed="at least 1, for all inputs alike"
        )
    if not math.isfinite(tolerance) or tolerance < 0:
        raise SpecError("tolerance", value=tolerance, allowed="a finite number >= 0")


def _layers(
    graph: Graph, lowered: Graph, found: _Found, tolerance: float
) -> tuple[LayerDifference, ...]:
    """Nodes of the captured graph, then those of the lowered one that only it has."""
    modules = lowered.modules() | graph.modules()
    order = [node.name for node in graph.nodes]
    order += [node.name for node in lowered.nodes if node.name not in set(order)]
    held = {engine for engine in found.by_engine if engine != _PROGRAM or not lowered.has_codes}
    rounds = graph.has_codes  # codes of PyTorch's own: next to a rounding middle they may differ
    layers = []
    for name in order:
        errors = {engine: found.error(engine, name) for engine in found.by_engine}
        known = {engine: error for engine, error in errors.items() if error is not None}
        if not known:
            continue
        others = {
            engine: error
            for engine, error in known.items()
            if engine not in (_INTERPRETER, _PROGRAM)
        }
        bound = found.rounding.get(name, 0.0)
        decisive = found.by_engine[_PROGRAM if _PROGRAM in known else next(iter(known))][name]
        layers.append(
            LayerDifference(
                name=name,
                source=modules[name],
                interpreter_error=errors[_INTERPRETER],
                compiled_error=errors[_PROGRAM],
                mean_error=decisive.mean_relative,
                other_errors=others,
                rounding=bound,
                outside=not rounds
                and any(
                    known[engine] > (tolerance + bound if engine == _PROGRAM else tolerance)
                    for engine in held & set(known)
                ),
            )
        )
    return tuple(layers)


def _divergence(
    comparison: Comparison, found: _Found, engines: _Engines, batches: Sequence[Floats]
) -> Divergence | None:
    """The first value that is outside, else the output that differs most, where it does most."""
    name, program = comparison.first_diverging, engines.program
    if name is None:
        name, worst = max(found.outputs.items(), key=lambda item: item[1].max_relative)
    else:
        by_engine = [each[name] for each in found.by_engine.values() if name in each]
        worst = max(by_engine, key=lambda each: each.max_relative)
    if worst.place is None:
        return None
    sample, *place = worst.place
    part = [np.ascontiguousarray(batch[sample : sample + 1]) for batch in batches]
    expected, trace = engines.reference(*part)[name], program.trace(*part)
    values = {comparison.reference: expected}
    values |= {each: held[name] for each, held in engines.all_values(part).items() if name in held}
    real = real_values(program.graph, trace)
    if comparison.first_diverging is None:
        real = real | _results(program, part)
    if name in real:
        values[_PROGRAM] = real[name]
    at = {who: float(fitted(held, expected)[(0, *place)]) for who, held in values.items()}
    return Divergence(
        name=name,
        source=(program.graph.modules() | engines.graph.modules()).get(name, ""),
        sample=sample,
        place=tuple(place),
        values=at,
        odd=odd_ones(at, comparison.layer_tolerance * (worst.largest_reference or 1.0)),
        own=first_own_error(program.graph, trace, FLOAT_TOLERANCE),
    )


def _layer_json(layer: LayerDifference) -> dict[str, Any]:
    document = {key: _finite(value) for key, value in dataclasses.asdict(layer).items()}
    others = {name: _finite(error) for name, error in layer.other_errors.items()}
    return document | {"other_errors": others}


def _finite(value: Any) -> Any:
    return min(value, sys.float_info.max) if isinstance(value, float) else value
