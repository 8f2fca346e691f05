"""Repetition against sparsity, layer by layer: what every engine would add, and what binds.

Every count is exact, of the weights at hand; where a number is scaled up from a sample, the
layer says so.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from signbin.analysis.repetition import (
    LARGEST_PATTERN,
    Repetition,
    ZeroBlocks,
    repetition,
    zero_blocks,
)
from signbin.errors import SpecError
from signbin.plan.cost import boundaries
from signbin.plan.layer import Layer
from signbin.plan.operations import Operations
from signbin.plan.plan import Strategy
from signbin.plan.stats import (
    LARGEST_GROUP,
    LARGEST_TERNARY_GROUP,
    entropy_bits,
)
from signbin.plan.strategies import STRATEGIES
from signbin.spec import LowBitWeight
from signbin.sums import additions_bound

__all__ = ["LayerTradeOff", "TradeOff", "analyze_layer", "analyze_layers", "random_curves"]

_RULES: Final = {rule.strategy: rule for rule in STRATEGIES}


@dataclasses.dataclass(frozen=True)
class LayerTradeOff:
    """One layer with weights.

    entropy_bits: per weight; None for float weights, as are p0 and the bound. patterns: for
    F = 1..10. operations: per output position and strategy, with the parameters they are for.
    adds_lower_bound: what random weights of this shape and entropy would need at least, see
    additions_bound. sampled: strategies whose additions are scaled up from some sub-blocks.
    binds: what keeps the additions from falling further.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    outputs: int
    value_set: str
    density: float
    entropy_bits: float | None
    patterns: tuple[Repetition, ...]
    zeros: ZeroBlocks | None
    operations: Mapping[Strategy, Operations]
    parameters: Mapping[Strategy, Mapping[str, int]]
    adds_lower_bound: float | None
    sampled: tuple[Strategy, ...]
    binds: str

    @property
    def p0(self) -> float | None:
        """Share of the zero pattern for as many filters as the bucket walk takes."""
        walked = self.parameters.get(Strategy.BUCKET, {}).get("filters")
        shares = {entry.filters: entry.zero_share for entry in self.patterns}
        return shares.get(walked) if walked is not None else None

    def to_json(self) -> dict[str, Any]:
        """A JSON object; strategies by name."""
        return {
            "name": self.name,
            "op": self.op,
            "shape": list(self.shape),
            "outputs": self.outputs,
            "value_set": self.value_set,
            "density": self.density,
            "entropy_bits": self.entropy_bits,
            "p0": self.p0,
            "patterns": [entry.to_json() for entry in self.patterns],
            "zeros": None if self.zeros is None else self.zeros.to_json(),
            "adds": {one.value: done.additions for one, done in self.operations.items()},
            "multiplications": {
                one.value: done.multiplications for one, done in self.operations.items()
            },
            "program_bytes": {one.value: done.size_bytes for one, done in self.operations.items()},
            "parameters": {one.value: dict(tile) for one, tile in self.parameters.items()},
            "sampled": [strategy.value for strategy in self.sampled],
            "adds_lower_bound": self.adds_lower_bound,
            "binds": self.binds,
        }


@dataclasses.dataclass(frozen=True)
class TradeOff:
    """All layers of a model, in execution order."""

    model: str
    layers: tuple[LayerTradeOff, ...]

    def to_json(self) -> dict[str, Any]:
        """``model``, ``engines`` (every strategy and how to read its additions), ``layers``,
        ``curves`` (see random_curves) and ``totals``: per image, over the layers with low-bit
        weights.
        """
        low_bit = [layer for layer in self.layers if layer.entropy_bits is not None]
        names = [
            strategy
            for strategy in Strategy
            if low_bit and all(strategy in layer.operations for layer in low_bit)
        ]
        adds = {
            name.value: sum(layer.operations[name].additions * layer.outputs for layer in low_bit)
            for name in names
        }
        bound = sum((layer.adds_lower_bound or 0.0) * layer.outputs for layer in low_bit)
        return {
            "model": self.model,
            "engines": [
                {"name": strategy.value, **dataclasses.asdict(rule.counting)}
                for strategy, rule in _RULES.items()
            ],
            "layers": [layer.to_json() for layer in self.layers],
            "curves": random_curves(max([_inputs(layer) for layer in low_bit] or [1])),
            "totals": {
                "layers": len(low_bit),
                "adds": adds,
                "adds_lower_bound": bound if low_bit else None,
            },
        }


def _inputs(layer: LayerTradeOff) -> int:
    return math.prod(layer.shape[1:])


def random_curves(inputs: int) -> dict[str, list[list[float]]]:
    """Expected additions of the bucket walk per weight, of independent weights, over density.

    ``value set: [[density, additions / weights], ...]`` for filters of ``inputs`` inputs, with
    the F of least work at each density: M (1 - (1 - d)^F) load-adds and the boundaries of F
    filters. Binary weights have no zeros: half of the inputs are summed, whatever the density.
    """
    densities = [step / 50 for step in range(1, 51)]
    binary = _walk_share(0.5, inputs, 2, LARGEST_GROUP)
    return {
        "signed_binary": [[d, _walk_share(d, inputs, 2, LARGEST_GROUP)] for d in densities],
        "ternary": [[d, _walk_share(d, inputs, 3, LARGEST_TERNARY_GROUP)] for d in densities],
        "binary": [[d, binary] for d in (densities[0], densities[-1])],
    }


def _walk_share(density: float, inputs: int, radix: int, largest: int) -> float:
    return min(
        (1 - (1 - density) ** filters + boundaries(radix, filters) / inputs) / filters
        for filters in range(1, largest + 1)
    )


def analyze_layers(
    model: str,
    layers: Sequence[Layer],
    progress: Callable[[int, int], None] | None = None,
) -> TradeOff:
    """Analyse every layer; SpecError where there is none. progress(done, all) after each."""
    if not layers:
        raise SpecError(f"layers of {model}", value=0, allowed="at least one with weights")
    found = []
    for number, layer in enumerate(layers, start=1):
        found.append(analyze_layer(layer))
        if progress is not None:
            progress(number, len(layers))
    return TradeOff(model, tuple(found))


def analyze_layer(layer: Layer) -> LayerTradeOff:
    """Everything about one layer."""
    weight = layer.weight
    low_bit = weight if isinstance(weight, LowBitWeight) else None
    counted = {
        strategy: best
        for strategy, rule in _RULES.items()
        if (best := rule.counted(layer)) is not None
    }
    entropy = None if low_bit is None else entropy_bits(low_bit)
    bound = None
    if entropy is not None:
        bound = layer.groups * additions_bound(layer.filters // layer.groups, layer.inputs, entropy)
    found = LayerTradeOff(
        name=layer.name,
        op=layer.op,
        shape=tuple(int(extent) for extent in weight.shape),
        outputs=math.prod(layer.output),
        value_set=layer.value_set.value,
        density=layer.density,
        entropy_bits=entropy,
        patterns=() if low_bit is None else _repetitions(low_bit, layer.groups),
        zeros=None if low_bit is None else zero_blocks(low_bit, layer.groups),
        operations={strategy: entry.operations for strategy, entry in counted.items()},
        parameters={strategy: entry.parameters for strategy, entry in counted.items()},
        adds_lower_bound=bound,
        sampled=tuple(one for one in counted if _RULES[one].counting.sampled),
        binds="",
    )
    return dataclasses.replace(found, binds=_binds(found))


def _repetitions(weight: LowBitWeight, groups: int) -> tuple[Repetition, ...]:
    largest = min(LARGEST_PATTERN, weight.shape[0] // groups)
    return tuple(repetition(weight, filters, groups) for filters in range(1, largest + 1))


def _binds(layer: LayerTradeOff) -> str:
    """What keeps the fewest additions from falling further, in words."""
    if layer.entropy_bits is None or layer.adds_lower_bound is None:
        return "float weights: every one is multiplied"
    if layer.density == 0:
        return "nothing: all weights are zero"
    compared = [one for one in layer.operations if not _RULES[one].counting.unit]
    fewest = min(compared, key=lambda one: layer.operations[one].additions)
    additions = layer.operations[fewest].additions
    if additions < layer.adds_lower_bound:
        return f"structure: {fewest.value} adds less than random weights would need"
    walked = layer.parameters[Strategy.BUCKET]["filters"]
    used = layer.patterns[walked - 1]
    if used.factor < 2:
        return f"repetition: patterns of {walked} filters hardly recur ({used.factor:.1f} times)"
    if layer.density < 1 and used.zero_share < 1.25 * (1 - layer.density) ** walked + 0.01:
        return (
            f"alignment: zeros of {walked} filters coincide at {used.zero_share:.3f} of the "
            f"inputs, as independent ones would; aligned they could at {1 - layer.density:.2f}"
        )
    ratio = additions / layer.adds_lower_bound if layer.adds_lower_bound else 1.0
    return f"entropy: {layer.entropy_bits:.2f} bits per weight, {ratio:.2f}x the bound"
