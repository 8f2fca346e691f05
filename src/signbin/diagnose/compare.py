"""compare: the reference, the interpreter and the compiled program, layer by layer."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.diagnose.exactness import Exactness, measure_exactness
from signbin.errors import SpecError
from signbin.ir import Graph, interpret, real_values

__all__ = [
    "Comparison",
    "CompiledProgram",
    "Floats",
    "LayerDifference",
    "ReferenceFunction",
    "compare",
]

Floats: TypeAlias = NDArray[np.float32]
ReferenceFunction: TypeAlias = Callable[[Floats], Mapping[str, Floats]]
"""From samples (N, ...) to the reference's values by name, (N, ...) each."""

_BATCH: Final = 32


class CompiledProgram(Protocol):
    """What compare needs of a program: its lowered graph, its result and all its values."""

    @property
    def graph(self) -> Graph:
        """The lowered graph; the name of its only output is looked up in the reference."""

    def __call__(self, array: Floats, /) -> Floats:
        """The output for samples (N, ...)."""

    def trace(self, array: Floats, /) -> Mapping[str, NDArray[Any]]:
        """Every value of the lowered graph, by name; codes where it is u8."""


@dataclasses.dataclass(frozen=True)
class LayerDifference:
    """How far one value is from the reference, over all samples.

    interpreter_error, compiled_error: max |difference| / max |reference| of the interpreter (on
    the captured graph) and of the compiled program; where the reference is zero throughout, max
    |difference|; inf where one side is NaN or infinite and the other is not the same. None where
    that side has no such value: a layer fused into a later one, or added by a pass.
    mean_error: mean |difference| / max |reference|, of the compiled program where it has the
    value, otherwise of the interpreter. source: the module the value comes from.
    """

    name: str
    source: str
    interpreter_error: float | None
    compiled_error: float | None
    mean_error: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The outcome of :func:`compare`.

    layers: in execution order. first_diverging: name of the first of them with an error above
    the tolerance, None where there is none. max_relative_error: of the compiled program's
    output (its plain call, not its trace). top1_agreement: share of samples (of pixels, for
    outputs (N, C, H, W)) in which the largest of the C numbers has the same index; the first of
    equal ones counts. exactness: of the nodes on codes, against the interpreter; None where the
    program has none.
    """

    samples: int
    tolerance: float
    max_relative_error: float
    top1_agreement: float
    first_diverging: str | None
    layers: tuple[LayerDifference, ...]
    exactness: Exactness | None = None

    @property
    def within_tolerance(self) -> bool:
        """Whether the compiled output keeps to the tolerance."""
        return self.max_relative_error <= self.tolerance

    def to_json(self) -> dict[str, Any]:
        """A JSON object of all fields; infinite errors become the largest double."""
        document = dataclasses.asdict(self)
        document["max_relative_error"] = _finite(self.max_relative_error)
        document["layers"] = [
            {key: _finite(value) for key, value in dataclasses.asdict(layer).items()}
            for layer in self.layers
        ]
        return document


def compare(
    reference: ReferenceFunction,
    graph: Graph,
    program: CompiledProgram,
    samples: Floats,
    *,
    tolerance: float,
) -> Comparison:
    """Run the reference, the interpreter and the program on the same samples.

    graph: as captured, before any pass. samples: float32 (N, ...), N >= 1, as its only input
    wants them; they are run 32 at a time, so memory does not grow with N. Values are
    matched by name; codes are taken for the numbers they stand for. Raises SpecError for arguments
    that do not fit, or where the reference lacks the program's output.
    """
    _check(graph, program, samples, tolerance)
    output = program.graph.outputs[0]
    interpreted: dict[str, _Difference] = {}
    compiled: dict[str, _Difference] = {}
    final, same_top1, exactness = _Difference(), _Share(), None
    for start in range(0, len(samples), _BATCH):
        part = np.ascontiguousarray(samples[start : start + _BATCH])
        expected = reference(part)
        if output not in expected:
            raise SpecError(
                "values of the reference",
                value=sorted(expected),
                allowed=f"the program's output {output!r} among them",
                remedy="compare with the model the program was compiled from",
            )
        _add_all(interpreted, interpret(graph, {graph.inputs[0].name: part}), expected)
        values, result = program.trace(part), program(part)
        _add_all(compiled, real_values(program.graph, values), expected)
        exactness = _joined(exactness, measure_exactness(program.graph, values))
        final.add(result, expected[output])
        same_top1.add(result.argmax(axis=1) == expected[output].argmax(axis=1))
    layers = _layers(graph, program.graph, interpreted, compiled)
    return Comparison(
        samples=len(samples),
        tolerance=tolerance,
        max_relative_error=final.max_relative,
        top1_agreement=same_top1.value,
        first_diverging=_first_above(layers, tolerance),
        layers=layers,
        exactness=exactness,
    )


def _joined(first: Exactness | None, second: Exactness | None) -> Exactness | None:
    return second if first is None or second is None else first.joined(second)


@dataclasses.dataclass
class _Difference:
    """Running extremes of |difference| and |reference| over batches."""

    largest: float = 0.0
    largest_reference: float = 0.0
    total: float = 0.0
    count: int = 0

    def add(self, actual: Floats, expected: Floats) -> None:
        """Values may be kept in another shape than the reference's, elements in the same order."""
        if actual.shape[:1] == expected.shape[:1] and actual.size == expected.size:
            actual = actual.reshape(expected.shape)
        if actual.shape != expected.shape:
            raise SpecError(
                "shape of a compared value",
                value=actual.shape,
                allowed=f"{expected.shape}, as in the reference",
                remedy="compare with the model the program was compiled from",
            )
        wide, wanted = actual.astype(np.float64), expected.astype(np.float64)
        same = (wide == wanted) | (np.isnan(wide) & np.isnan(wanted))
        with np.errstate(invalid="ignore"):
            difference = np.where(same, 0.0, np.abs(wide - wanted))
        difference[np.isnan(difference)] = np.inf
        magnitude = np.abs(wanted[np.isfinite(wanted)])
        self.largest = max(self.largest, float(difference.max(initial=0.0)))
        self.largest_reference = max(self.largest_reference, float(magnitude.max(initial=0.0)))
        self.total += float(difference.sum())
        self.count += difference.size

    @property
    def max_relative(self) -> float:
        return self.largest / (self.largest_reference or 1.0)

    @property
    def mean_relative(self) -> float:
        return self.total / max(self.count, 1) / (self.largest_reference or 1.0)


@dataclasses.dataclass
class _Share:
    """A running share of true values."""

    true: int = 0
    count: int = 0

    def add(self, values: NDArray[np.bool_]) -> None:
        self.true += int(np.count_nonzero(values))
        self.count += values.size

    @property
    def value(self) -> float:
        return self.true / self.count


def _check(graph: Graph, program: CompiledProgram, samples: Floats, tolerance: float) -> None:
    for what, values in (
        ("inputs of the captured graph", [value.name for value in graph.inputs]),
        ("outputs of the program", list(program.graph.outputs)),
    ):
        if len(values) != 1:
            raise SpecError(what, value=values, allowed="exactly one")
    wanted = graph.inputs[0].type
    if not isinstance(samples, np.ndarray) or samples.dtype != np.float32:
        value = getattr(samples, "dtype", type(samples).__name__)
        raise SpecError("samples", value=str(value), allowed="a numpy array of float32")
    if samples.ndim != len(wanted.shape) or samples.shape[1:] != wanted.shape[1:]:
        raise SpecError("shape of the samples", value=samples.shape, allowed=str(wanted))
    if not len(samples):
        raise SpecError("number of samples", value=0, allowed="at least 1")
    if not math.isfinite(tolerance) or tolerance < 0:
        raise SpecError("tolerance", value=tolerance, allowed="a finite number >= 0")


def _add_all(
    differences: dict[str, _Difference],
    actual: Mapping[str, Floats],
    expected: Mapping[str, Floats],
) -> None:
    for name in actual.keys() & expected.keys():
        differences.setdefault(name, _Difference()).add(actual[name], expected[name])


def _layers(
    graph: Graph,
    lowered: Graph,
    interpreted: Mapping[str, _Difference],
    compiled: Mapping[str, _Difference],
) -> tuple[LayerDifference, ...]:
    """Nodes of the captured graph, then those of the lowered one that only it has."""
    nodes = {node.name: node for node in lowered.nodes} | {node.name: node for node in graph.nodes}
    order = [node.name for node in graph.nodes]
    order += [node.name for node in lowered.nodes if node.name not in set(order)]
    layers = []
    for name in order:
        by_interpreter, by_program = interpreted.get(name), compiled.get(name)
        decisive = by_program or by_interpreter
        if decisive is not None:
            layers.append(
                LayerDifference(
                    name=name,
                    source=nodes[name].source,
                    interpreter_error=by_interpreter.max_relative if by_interpreter else None,
                    compiled_error=by_program.max_relative if by_program else None,
                    mean_error=decisive.mean_relative,
                )
            )
    return tuple(layers)


def _first_above(layers: tuple[LayerDifference, ...], tolerance: float) -> str | None:
    for layer in layers:
        errors = (layer.interpreter_error, layer.compiled_error)
        if any(error is not None and error > tolerance for error in errors):
            return layer.name
    return None


def _finite(value: Any) -> Any:
    return min(value, sys.float_info.max) if isinstance(value, float) else value
