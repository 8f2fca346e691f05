"""What 8-bit activations cost: accuracy before and after, and the layers that suffer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.diagnose.compare import CompiledProgram, Floats
from signbin.errors import SpecError
from signbin.ir import Graph, real_values

__all__ = ["LayerNoise", "QuantizationCost", "measure_quantization"]

_BATCH: Final = 32
_TRACED: Final = 64
_CLEAN_DB: Final = 200.0


@dataclasses.dataclass(frozen=True)
class LayerNoise:
    """How much noise a layer's value carries, over all samples traced.

    snr_db: 10 log10(sum x^2 / sum (x - y)^2), x of the float program, y of the quantised one, at
    most 200. lost_db: by how much that is below the worst of the layer's operands: what the layer
    itself added; negative where it evens noise out. on_codes: whether the layer computes on codes.
    """

    name: str
    module: str
    on_codes: bool
    snr_db: float
    lost_db: float


@dataclasses.dataclass(frozen=True)
class QuantizationCost:
    """The outcome of :func:`measure_quantization`.

    accuracy_before, accuracy_after: shares of samples with the right class, None without labels.
    top1_agreement: share of samples for which both programs name the same class. output_snr_db: of
    the output, as in LayerNoise. layers: with weights, most noise first.
    """

    samples: int
    accuracy_before: float | None
    accuracy_after: float | None
    top1_agreement: float
    output_snr_db: float
    layers: tuple[LayerNoise, ...]

    def to_json(self) -> dict[str, Any]:
        """A JSON object of all fields."""
        return dataclasses.asdict(self)


def measure_quantization(
    before: CompiledProgram,
    after: CompiledProgram,
    samples: Floats,
    labels: NDArray[np.int64] | None = None,
) -> QuantizationCost:
    """Run a float program and its quantised version on the same samples.

    samples: float32 (N, ...), N >= 1; labels: (N,), indices of the right outputs. Accuracy and
    agreement are taken over all samples, noise over the first 64 of them. The outputs' second
    axis holds the classes; the first of equal scores counts.
    """
    if not len(samples) or (labels is not None and labels.shape != samples.shape[:1]):
        raise SpecError(
            "samples and labels",
            value=(samples.shape, None if labels is None else labels.shape),
            allowed="at least one sample, and one label for each",
        )
    noises: dict[str, _Noise] = {}
    for part in _parts(samples[:_TRACED]):
        exact, noisy = before.trace(part), real_values(after.graph, after.trace(part))
        for name, original in _counterparts(after.graph).items():
            noises.setdefault(name, _Noise()).add(exact[original], noisy[name])
    classes = [
        np.concatenate([program(part).argmax(axis=1) for part in _parts(samples)])
        for program in (before, after)
    ]
    return QuantizationCost(
        samples=len(samples),
        accuracy_before=None if labels is None else _share(classes[0] == labels),
        accuracy_after=None if labels is None else _share(classes[1] == labels),
        top1_agreement=_share(classes[0] == classes[1]),
        output_snr_db=noises[after.graph.outputs[0]].snr_db,
        layers=_layers(after.graph, noises),
    )


@dataclasses.dataclass
class _Noise:
    """Running sums of squares of a value and of its error."""

    signal: float = 0.0
    noise: float = 0.0

    def add(self, exact: Floats, noisy: Floats) -> None:
        wide = exact.astype(np.float64)
        self.signal += float(np.sum(wide**2))
        self.noise += float(np.sum((wide - noisy) ** 2))

    @property
    def snr_db(self) -> float:
        if not self.noise:
            return _CLEAN_DB
        return min(10 * math.log10(max(self.signal / self.noise, 1e-20)), _CLEAN_DB)


def _counterparts(graph: Graph) -> dict[str, str]:
    """Value of the quantised graph -> value of the float one that it stands for."""
    names = {value.name: value.name for value in graph.inputs}
    for node in graph.nodes:
        names[node.name] = names[node.inputs[0]] if node.op == "quantize" else node.name
    return names


def _layers(graph: Graph, noises: Mapping[str, _Noise]) -> tuple[LayerNoise, ...]:
    layers = []
    for name, module in graph.layer_modules().items():
        inputs, own = graph.node(name).inputs, noises[name].snr_db
        layers.append(
            LayerNoise(
                name=name,
                module=module,
                on_codes=graph.type_of(inputs[0]).dtype == "u8",
                snr_db=own,
                lost_db=min(noises[operand].snr_db for operand in inputs) - own,
            )
        )
    return tuple(sorted(layers, key=lambda layer: layer.snr_db))


def _parts(samples: Floats) -> Iterable[Floats]:
    for start in range(0, len(samples), _BATCH):
        yield np.ascontiguousarray(samples[start : start + _BATCH])


def _share(right: NDArray[np.bool_]) -> float:
    return float(np.mean(right))
