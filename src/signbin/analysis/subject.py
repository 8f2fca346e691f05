"""What is asked about: layers as they are, and the same shapes with weights of another kind."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from signbin.analysis.convert import layers_from_graph
from signbin.analysis.workload import (
    LayerWorkload,
    gemm,
    parse_gemm,
    read_shapes,
    with_activations,
    with_kind,
)
from signbin.ir.graph import Graph
from signbin.plan import Plan
from signbin.spec import ValueSet

__all__ = [
    "SIGNED_BINARY_DENSITY",
    "TERNARY_DENSITY",
    "Subject",
    "subject_from_gemm",
    "subject_from_graph",
    "subject_from_shapes",
]

# What the same threshold, 0.05 of the filter's largest weight, leaves of Laplacian weights.
SIGNED_BINARY_DENSITY: Final = 0.357
TERNARY_DENSITY: Final = 0.71


@dataclasses.dataclass(frozen=True)
class Subject:
    """Layers of one network, shapes file or matrix product.

    asked: the density asked for where zeros are drawn, None where the weights are given. product:
    (M, N, K) of a matrix product, drawn as ``pattern`` says. left_out: layers with float weights
    that are not counted. modules: layer -> the module it came from. plan, lanes: how the CPU at
    hand runs the layers and numbers per vector, where they are known.
    """

    name: str
    layers: tuple[LayerWorkload, ...]
    seed: int = 0
    asked: float | None = None
    product: tuple[int, int, int] | None = None
    pattern: str = "independent"
    left_out: tuple[str, ...] = ()
    modules: Mapping[str, str] = dataclasses.field(default_factory=dict)
    plan: Plan | None = None
    lanes: int | None = None

    @property
    def value_set(self) -> ValueSet | None:
        """The kind of all layers with low-bit weights; None where there are several."""
        found = {layer.value_set for layer in self.layers} - {ValueSet.FLOAT}
        return found.pop() if len(found) == 1 else None

    def usual_density(self, value_set: ValueSet) -> float:
        """Density at which a kind is drawn unless asked otherwise."""
        if value_set is ValueSet.TERNARY:
            return TERNARY_DENSITY
        if value_set is ValueSet.SIGNED_BINARY:
            return self.asked or SIGNED_BINARY_DENSITY
        return 1.0

    def of_kind(self, value_set: ValueSet, density: float) -> tuple[LayerWorkload, ...]:
        """The same shapes with drawn weights; layers with float weights stay as they are."""
        if self.product is not None:
            pattern = self.pattern
            drawn = gemm(
                self.product, density, pattern=pattern, seed=self.seed, value_set=value_set
            )
            return (drawn,)
        return tuple(
            layer
            if layer.value_set is ValueSet.FLOAT
            else with_kind(layer, value_set, density, self.seed)
            for layer in self.layers
        )


def subject_from_gemm(
    text: str, density: float | None = None, *, pattern: str = "auto", seed: int = 0
) -> Subject:
    """One product "MxNxK" with a signed-binary stationary matrix; see :func:`gemm`."""
    shape = parse_gemm(text)
    asked = SIGNED_BINARY_DENSITY if density is None else density
    layers = (gemm(shape, asked, pattern=pattern, seed=seed),)
    return Subject(layers[0].name, layers, seed, asked, shape, pattern)


def subject_from_shapes(path: Path, density: float | None = None, *, seed: int = 0) -> Subject:
    """The layers of a shapes file with signed-binary weights, zeros drawn independently."""
    asked = SIGNED_BINARY_DENSITY if density is None else density
    empty = Subject(path.stem, read_shapes(path), seed, asked)
    return dataclasses.replace(empty, layers=empty.of_kind(ValueSet.SIGNED_BINARY, asked))


def subject_from_graph(
    graph: Graph,
    *,
    float_layers: bool = False,
    activation_density: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Subject:
    """The low-bit layers of a lowered graph, and those with float weights where asked for.

    activation_density: see :func:`layers_from_graph`; densities of layers that are not counted
    are ignored.
    """
    layers = layers_from_graph(graph, float_layers=float_layers)
    if activation_density is not None:
        names = {layer.name for layer in layers}
        chosen = {name: activation_density[name] for name in activation_density if name in names}
        layers = with_activations(layers, chosen)
    counted = {layer.name for layer in layers}
    modules = graph.layer_modules()
    left_out = tuple(module for name, module in modules.items() if name not in counted)
    return Subject(graph.name, layers, seed, left_out=left_out, modules=modules)
