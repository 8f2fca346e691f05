"""How many activations are zero: from values traced on real samples.

The tracing itself runs elsewhere (a program's ``trace``); here are only the arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError
from signbin.ir.graph import Graph
from signbin.plan.layer import WEIGHTED_OPS

__all__ = ["input_densities"]


def input_densities(
    graph: Graph, traces: Iterable[Mapping[str, NDArray[np.float32]]]
) -> dict[str, float]:
    """Node name -> non-zero inputs / inputs over all traces, for every conv2d and linear.

    traces: values by name, inputs of the graph included, one mapping per batch of samples.
    A layer whose inputs were all zero gets 1 / inputs, the smallest density there is. Of a u8
    value, codes other than the zero point count as non-zero.
    """
    wanted = {node.name: node.inputs[0] for node in graph.nodes if node.op in WEIGHTED_OPS}
    zeros = {value: _zero(graph, value) for value in wanted.values()}
    nonzero = dict.fromkeys(wanted, 0)
    elements = dict.fromkeys(wanted, 0)
    for trace in traces:
        for layer, value in wanted.items():
            if value not in trace:
                raise SpecError("traced values", value=value, allowed="every layer's input")
            nonzero[layer] += int(np.count_nonzero(trace[value] != zeros[value]))
            elements[layer] += trace[value].size
    if not any(elements.values()):
        raise SpecError("traces", value=0, allowed="at least one")
    return {layer: max(nonzero[layer], 1) / elements[layer] for layer in wanted}


def _zero(graph: Graph, value: str) -> int:
    spec = graph.type_of(value).quantization
    return 0 if spec is None else spec.zero_point
