"""The same network with weights of other kinds: drawn, not trained."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError
from signbin.ir import Graph, never_negative
from signbin.ir.graph import Constant, ConstRef
from signbin.passes import quantize_activations
from signbin.plan import Layer, PatternStats, expected_patterns, weighted_layers
from signbin.spec import ActivationSpec, LowBitWeight, ValueSet

__all__ = [
    "SCHEMES",
    "Scheme",
    "as_scheme",
    "expected_of",
    "low_bit_layers",
    "patterns_of",
    "schemes_of",
    "signed_binary",
    "stand_in",
]

_LARGEST_ACTIVATION: Final = 6.0
_BITS: Final = 8
_SIGNS: Final = np.array([-1, 1], np.int8)

Codes: TypeAlias = NDArray[np.int8]


@dataclasses.dataclass(frozen=True)
class Scheme:
    """How the low-bit layers of a network would be stored, and whether it computes on codes.

    density: non-zero weights / weights. codes: 8-bit activations in place of float32 ones.
    """

    value_set: ValueSet
    density: float = 1.0
    codes: bool = False

    def __post_init__(self) -> None:
        free = self.value_set in (ValueSet.SIGNED_BINARY, ValueSet.TERNARY)
        if not (0.0 < self.density <= 1.0 if free else self.density == 1.0):
            allowed = "0 < density <= 1" if free else f"1.0: {self.value_set.value} has no zeros"
            raise SpecError("density of a scheme", value=self.density, allowed=allowed)

    @property
    def weights(self) -> str:
        """The weights' name in tables and options: "float", "signed_binary 0.2"..."""
        free = self.value_set in (ValueSet.SIGNED_BINARY, ValueSet.TERNARY)
        return f"{self.value_set.value} {self.density:g}" if free else self.value_set.value

    @property
    def name(self) -> str:
        """The weights', and what activations are: "int8" is float weights with 8-bit codes."""
        if self.value_set is ValueSet.FLOAT:
            return "int8" if self.codes else "float"
        return f"{self.weights}, codes" if self.codes else self.weights


def signed_binary(density: float, *, codes: bool = False) -> Scheme:
    """Signed-binary weights of a density."""
    return Scheme(ValueSet.SIGNED_BINARY, density, codes)


_DENSITIES: Final = (0.36, 0.2, 0.12, 0.07)
_TERNARY_DENSITY: Final = 0.71
SCHEMES: Final = tuple(
    scheme
    for codes in (False, True)
    for scheme in (
        Scheme(ValueSet.FLOAT, codes=codes),
        Scheme(ValueSet.BINARY, codes=codes),
        Scheme(ValueSet.TERNARY, _TERNARY_DENSITY, codes=codes),
        *(signed_binary(density, codes=codes) for density in _DENSITIES),
    )
)
"""What is compared unasked. 0.36 and 0.71: what the same threshold leaves of Laplacian weights."""


def schemes_of(densities: Sequence[float] | None) -> tuple[Scheme, ...]:
    """:data:`SCHEMES`, with other densities of signed-binary weights where some are given."""
    if not densities:
        return SCHEMES
    others = [one for one in SCHEMES if one.value_set is not ValueSet.SIGNED_BINARY]
    asked = [
        signed_binary(density, codes=codes) for codes in (False, True) for density in densities
    ]
    return tuple(sorted((*others, *asked), key=lambda scheme: scheme.codes))


def low_bit_layers(graph: Graph) -> tuple[str, ...]:
    """Nodes whose weights a scheme replaces: those that are low-bit, where there are any.

    Else every convolution and linear layer but the first and the last, as recipes leave them.
    """
    layers = weighted_layers(graph, 1)
    own = tuple(layer.name for layer in layers if isinstance(layer.weight, LowBitWeight))
    return own or tuple(layer.name for layer in layers[1:-1])


def as_scheme(graph: Graph, layers: Collection[str], scheme: Scheme, seed: int = 0) -> Graph:
    """The lowered graph with the layers' weights drawn as the scheme says.

    Every filter has the same number of non-zero weights, at random places; nothing else is known
    of weights that are not trained yet. Constants that several nodes share stay shared. With codes,
    every value gets a scale for numbers up to 6, which no cost depends on.
    """
    return _with_weights(graph, layers, scheme, lambda shape: _drawn(shape, scheme, seed))


def stand_in(
    graph: Graph,
    layers: Collection[str],
    scheme: Scheme,
    known: dict[tuple[object, ...], LowBitWeight] | None = None,
) -> Graph:
    """:func:`as_scheme` in a fraction of the time: all filters have their zeros at even distances.

    It takes the same bytes and memory. Its patterns are not those of a network: costs are to be
    expected of it with :func:`expected_of`. known: weights that were made before, which several
    schemes share; made ones are added.
    """
    made = {} if known is None else known

    def weight(shape: tuple[int, ...]) -> LowBitWeight:
        key = (shape, scheme.value_set, scheme.density)
        if key not in made:
            made[key] = _even(shape, scheme)
        return made[key]

    return _with_weights(graph, layers, scheme, weight)


def expected_of(graph: Graph) -> dict[str, dict[int, PatternStats]]:
    """:func:`patterns_of` every layer with low-bit weights, by name."""
    layers = weighted_layers(graph, 1)
    return {one.name: patterns_of(one) for one in layers if isinstance(one.weight, LowBitWeight)}


def patterns_of(layer: Layer) -> dict[int, PatternStats]:
    """Patterns to be expected where zeros are drawn, by the number of filters of a walk.

    A walk adds an input where some filter of it has a non-zero weight; of binary weights, +1.
    """
    share = 0.5 if layer.value_set is ValueSet.BINARY else layer.density
    return expected_patterns(layer, max(1, round(share * layer.inputs)))


def _with_weights(
    graph: Graph,
    layers: Collection[str],
    scheme: Scheme,
    make: Callable[[tuple[int, ...]], LowBitWeight],
) -> Graph:
    constants: dict[str, Constant] = dict(graph.constants)
    for layer in weighted_layers(graph, 1):
        reference = graph.node(layer.name).attributes["weight"]
        assert isinstance(reference, ConstRef)
        if layer.name in layers and scheme.value_set is not ValueSet.FLOAT:
            constants[reference.name] = make(tuple(layer.weight.shape))
        elif isinstance(layer.weight, LowBitWeight):
            constants[reference.name] = layer.weight.dequantized()
    drawn = dataclasses.replace(graph, constants=constants)
    return quantize_activations(drawn, _specs(drawn)) if scheme.codes else drawn


def _drawn(shape: tuple[int, ...], scheme: Scheme, seed: int) -> LowBitWeight:
    filters, inputs, count = shape[0], math.prod(shape[1:]), _count(shape, scheme)
    random = np.random.Generator(np.random.PCG64([seed, filters, inputs, count]))
    chosen = _places(random, filters, inputs, count)
    signs = _SIGNS[random.integers(0, 2, (filters, inputs), np.int8)]
    return _weight(shape, chosen, signs, scheme)


def _even(shape: tuple[int, ...], scheme: Scheme) -> LowBitWeight:
    inputs, count = math.prod(shape[1:]), _count(shape, scheme)
    steps = np.arange(inputs + 1) * count // inputs
    chosen = np.diff(steps).astype(np.int8)
    return _weight(shape, np.tile(chosen, (shape[0], 1)), _SIGNS[steps[1:] % 2], scheme)


def _weight(shape: tuple[int, ...], chosen: Codes, signs: Codes, scheme: Scheme) -> LowBitWeight:
    """Zeros where nothing is chosen; a sign for each filter or for each weight."""
    filters = shape[0]
    if scheme.value_set is ValueSet.SIGNED_BINARY:
        signs = _SIGNS[(np.arange(filters) < filters // 2).astype(int)][:, None]
    scale = np.full(filters, math.sqrt(2 / _count(shape, scheme)), np.float32)
    return LowBitWeight((chosen * signs).reshape(shape), scale)


def _count(shape: tuple[int, ...], scheme: Scheme) -> int:
    """Non-zero weights of a filter: at least one."""
    return max(1, round(scheme.density * math.prod(shape[1:])))


def _places(random: np.random.Generator, filters: int, inputs: int, count: int) -> Codes:
    """``count`` ones in each row of (filters, inputs)."""
    chosen = np.zeros((filters, inputs), np.int8)
    ranks = random.random((filters, inputs), np.float32)
    kept = ranks.argpartition(count - 1, axis=1)[:, :count]
    np.put_along_axis(chosen, kept, 1, axis=1)
    return chosen


def _specs(graph: Graph) -> Mapping[str, ActivationSpec]:
    unsigned = never_negative(graph)
    top = float(2**_BITS - 1)
    scales = {zero: float(np.float32(_LARGEST_ACTIVATION / (top - zero))) for zero in (0, 128)}
    kinds = {name: 0 if name in unsigned else 128 for name in graph.types()}
    return {name: ActivationSpec(scales[zero], zero, _BITS) for name, zero in kinds.items()}
