"""From a lowered graph to the layers an accelerator sees."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from signbin.analysis.workload import LayerWorkload
from signbin.errors import SpecError
from signbin.ir.graph import Graph
from signbin.plan.layer import Layer, weighted_layers
from signbin.spec import LowBitWeight, ValueSet

__all__ = ["layers_from_graph"]


def layers_from_graph(
    graph: Graph,
    *,
    activation_density: Mapping[str, float] | None = None,
    float_layers: bool = False,
) -> tuple[LayerWorkload, ...]:
    """Every conv2d and linear of ``graph`` with low-bit weights, its codes as they are.

    activation_density: node name -> share of non-zero inputs, as measured on real samples (see
    :func:`signbin.analysis.activations.input_densities`); layers without an entry are dense.
    float_layers: whether layers with float weights are included, as dense ones. SpecError where
    no layer is left or an entry names no layer.
    """
    densities = dict(activation_density or {})
    layers = weighted_layers(graph, 1)
    unknown = sorted(set(densities) - {layer.name for layer in layers})
    if unknown:
        names = ", ".join(layer.name for layer in layers)
        raise SpecError("activation density of", value=unknown[0], allowed=names)
    kept = [layer for layer in layers if float_layers or isinstance(layer.weight, LowBitWeight)]
    if not kept:
        raise SpecError(
            f"layers of {graph.name}",
            value=0,
            allowed="at least one with low-bit weights",
            remedy="include the float layers (--all-layers)",
        )
    return tuple(_workload(graph, layer, densities.get(layer.name, 1.0)) for layer in kept)


def _workload(graph: Graph, layer: Layer, density: float) -> LayerWorkload:
    shape = graph.type_of(graph.node(layer.name).inputs[0]).shape
    low_bit = isinstance(layer.weight, LowBitWeight)
    codes = None
    if isinstance(layer.weight, LowBitWeight):
        codes = np.ascontiguousarray(layer.weight.codes.reshape(layer.filters, -1))
    return LayerWorkload(
        name=layer.name,
        filters=layer.filters,
        channels=layer.channels * layer.groups,
        kernel=layer.window,
        out_shape=layer.output,
        in_shape=layer.output if layer.op == "linear" else (shape[2], shape[3]),
        groups=layer.groups,
        value_set=layer.value_set if low_bit else ValueSet.FLOAT,
        codes=codes,
        activation_density=density,
    )
