"""The program of a whole layer: its convolution groups' add-graphs as one."""

from __future__ import annotations

import dataclasses
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError
from signbin.spec import LowBitWeight
from signbin.sums.graph import AddGraph
from signbin.sums.wanted import BinaryForm, Sums, wanted_sums

__all__ = ["Algorithm", "LayerProgram", "layer_program"]


class Algorithm(Protocol):
    """Makes an add-graph of digits (K, M)."""

    def build(self, digits: NDArray[np.int8]) -> AddGraph:
        """The program that sums every filter."""


@dataclasses.dataclass(frozen=True, eq=False)
class LayerProgram:
    """What a layer sums, and how.

    graph: filters of all convolution groups, counted through; inputs are those of one group, and
    every segment serves one group. form: how binary filters are summed.
    """

    sums: Sums
    graph: AddGraph
    form: BinaryForm

    @property
    def additions(self) -> int:
        """Of the graph; the shared total of binary filters comes on top."""
        return self.graph.additions


def layer_program(
    weight: LowBitWeight,
    algorithm: Algorithm,
    form: BinaryForm = BinaryForm.SHARED_TOTAL,
    convolution_groups: int = 1,
) -> LayerProgram:
    """Build the program of ``weight``; SpecError where the groups do not divide the filters."""
    filters = weight.shape[0]
    if convolution_groups < 1 or filters % convolution_groups:
        raise SpecError(
            "convolution groups", value=convolution_groups, allowed=f"a divisor of {filters}"
        )
    sums = wanted_sums(weight, form)
    parts = np.split(sums.digits, convolution_groups)
    return LayerProgram(sums, _joined([algorithm.build(part) for part in parts]), form)


_NOTHING: Final = np.zeros(1, np.int32)


def _joined(graphs: list[AddGraph]) -> AddGraph:
    """Graphs over the same number of inputs side by side; their filters follow one another."""
    if len(graphs) == 1:
        return graphs[0]
    inputs, filters = graphs[0].inputs, graphs[0].filters
    starts, operands, roles, segments = [_NOTHING], [_NOTHING[1:]], [_NOTHING[1:]], [_NOTHING]
    nodes = used = 0
    for number, graph in enumerate(graphs):
        moved = np.where(graph.operands >> 1 < inputs, 0, 2 * nodes)
        starts.append(graph.starts[1:] + used)
        operands.append(graph.operands + moved)
        roles.append(np.where(graph.roles >= 0, graph.roles + number * filters, graph.roles))
        segments.append(graph.segments[1:] + nodes)
        nodes += graph.nodes
        used += len(graph.operands)
    arrays = (np.concatenate(part).astype(np.int32) for part in (starts, operands, roles, segments))
    return AddGraph(inputs, filters * len(graphs), *arrays)
