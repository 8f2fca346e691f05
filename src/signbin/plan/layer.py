"""What the planner needs to know about one node with weights."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from signbin.errors import PlanError
from signbin.ir.graph import Constant, ConstRef, Graph, Node
from signbin.locks import kept_property
from signbin.plan.stats import has_binary_filter, walk_digits, walk_radix
from signbin.spec import LowBitWeight, ValueSet

__all__ = ["WEIGHTED_OPS", "Layer", "weighted_layers"]

WEIGHTED_OPS = ("conv2d", "linear")


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """A conv2d or linear node: its weights and how many pixels they are applied to.

    weight: (K, C/groups, R, S) or (K, C). output: height and width of the output image, of a
    linear layer (1, rows per image). images: images per call. activations: dtype of the input;
    top: its largest code where that is u8.
    """

    name: str
    op: str
    weight: Constant
    groups: int
    stride: int
    output: tuple[int, int]
    images: int
    activations: str = "f32"
    top: int = 0

    @kept_property
    def filters(self) -> int:
        """K: output channels."""
        return int(self.weight.shape[0])

    @kept_property
    def channels(self) -> int:
        """Input channels that one filter reads: C / groups."""
        return int(self.weight.shape[1])

    @kept_property
    def window(self) -> tuple[int, int]:
        """(R, S); (1, 1) for a linear layer."""
        return (int(self.weight.shape[2]), int(self.weight.shape[3])) if self._spatial else (1, 1)

    @kept_property
    def inputs(self) -> int:
        """M: weights of one filter, C/groups * R * S."""
        return math.prod(self.weight.shape[1:])

    @property
    def is_depthwise(self) -> bool:
        """Whether every filter reads one channel, of several."""
        return self.op == "conv2d" and self.channels == 1 and self.groups > 1

    @property
    def multiply_adds(self) -> int:
        """Dense multiply-adds per output position, for all filters: M * K."""
        return self.inputs * self.filters

    @property
    def macs(self) -> int:
        """Dense multiply-accumulates per image."""
        return self.multiply_adds * math.prod(self.output)

    @property
    def shape_key(self) -> tuple[object, ...]:
        """All that costs depend on beside the weights themselves."""
        weight = tuple(self.weight.shape)
        window = (weight, self.groups, self.stride, self.output, self.images)
        return (self.op, *window, self.activations, self.top)

    @kept_property
    def value_set(self) -> ValueSet:
        """Value set of the codes; FLOAT where the weights are not low-bit."""
        return self.weight.value_set if isinstance(self.weight, LowBitWeight) else ValueSet.FLOAT

    @kept_property
    def density(self) -> float:
        """Non-zero codes / codes; 1.0 for float weights."""
        return self.weight.density if isinstance(self.weight, LowBitWeight) else 1.0

    @kept_property
    def radix(self) -> int:
        """Values a digit of a bucket pattern takes, 2 or 3; see stats.walk_radix."""
        return walk_radix(self.weight) if isinstance(self.weight, LowBitWeight) else 2

    @kept_property
    def used_per_channel(self) -> NDArray[np.intp]:
        """Inputs that each filter's walks add up, per channel: (K, C/groups)."""
        if not isinstance(self.weight, LowBitWeight):
            return np.zeros((self.filters, self.channels), np.intp)
        used = walk_digits(self.weight).reshape(self.filters, self.channels, -1) != 0
        counts: NDArray[np.intp] = np.count_nonzero(used, axis=2)
        return counts

    def used_per_chunk(self, chunk: int) -> NDArray[np.intp]:
        """:attr:`used_per_channel`, summed over chunks of so many channels."""
        if chunk not in self._used_per_chunk:
            starts = np.arange(0, self.channels, chunk)
            self._used_per_chunk[chunk] = np.add.reduceat(self.used_per_channel, starts, axis=1)
        return self._used_per_chunk[chunk]

    @kept_property
    def _used_per_chunk(self) -> dict[int, NDArray[np.intp]]:
        return {}

    @kept_property
    def needs_window_total(self) -> bool:
        """Whether a bucket walk also needs the sum of all inputs of the window."""
        weight = self.weight
        if not isinstance(weight, LowBitWeight):
            return False
        return weight.offset is not None or (self.radix == 2 and has_binary_filter(weight))

    @property
    def _spatial(self) -> bool:
        return len(self.weight.shape) == 4


def weighted_layers(graph: Graph, images: int) -> tuple[Layer, ...]:
    """Every conv2d and linear of the graph, in execution order, for calls of ``images`` images.

    PlanError where a node's weight is not a constant of the graph.
    """
    return tuple(_layer(graph, node, images) for node in graph.nodes if node.op in WEIGHTED_OPS)


def _layer(graph: Graph, node: Node, images: int) -> Layer:
    reference = node.attributes.get("weight")
    if not isinstance(reference, ConstRef) or reference.name not in graph.constants:
        raise PlanError(
            f"weight of {node.op} {node.name}",
            value=reference,
            allowed="a constant of the graph",
            remedy="verify the graph before planning it",
        )
    shape, given = node.type.shape, graph.type_of(node.inputs[0])
    groups, stride = node.attributes.get("groups", 1), node.attributes.get("stride", (1, 1))
    return Layer(
        name=node.name,
        op=node.op,
        weight=graph.constants[reference.name],
        groups=groups if isinstance(groups, int) else 1,
        stride=max(stride) if isinstance(stride, tuple) else 1,
        output=(1, math.prod(shape[1:-1])) if node.op == "linear" else (shape[2], shape[3]),
        images=images,
        activations=given.dtype,
        top=0 if given.quantization is None else given.quantization.top,
    )
