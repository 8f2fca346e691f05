"""What rewriting passes share: use counts, fresh constants, and the walk that fuses node pairs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.ir import Constant, ConstRef, Graph, Node, resolve

__all__ = [
    "WEIGHTED_OPS",
    "Constants",
    "Merge",
    "add_vector",
    "count_uses",
    "fuse_pairs",
    "is_sum",
    "with_nodes",
]

WEIGHTED_OPS: Final = ("conv2d", "linear")
_LONGEST_STEM: Final = 240

Vector: TypeAlias = NDArray[np.floating]


class Constants:
    """The constants of a graph under rewriting.

    A constant that several nodes share is never changed: the node that needs other numbers gets
    a constant of its own.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._table: dict[str, Constant] = dict(graph.constants)
        self._uses = Counter(name for node in graph.nodes for name in node.constant_names())

    @property
    def table(self) -> Mapping[str, Constant]:
        """All constants by name, those no longer used included."""
        return self._table

    def __getitem__(self, reference: object) -> Constant:
        if not isinstance(reference, ConstRef):
            raise KeyError(f"not a constant reference: {reference!r}")
        return self._table[reference.name]

    def vector(self, reference: object) -> NDArray[np.float64]:
        """A float constant as float64."""
        return np.asarray(self[reference], dtype=np.float64)

    def replace(self, reference: object, constant: Constant) -> ConstRef:
        """A reference to ``constant``, under the old name unless other nodes use that."""
        if not isinstance(reference, ConstRef):
            raise KeyError(f"not a constant reference: {reference!r}")
        if self._uses[reference.name] > 1:
            return self.add(reference.name, constant)
        self._table[reference.name] = constant
        return reference

    def add(self, stem: str, constant: Constant) -> ConstRef:
        """A reference to ``constant`` under a new name: the stem, or stem_2, stem_3, ..."""
        stem = stem[:_LONGEST_STEM]
        name, number = stem, 1
        while name in self._table:
            number += 1
            name = f"{stem}_{number}"
        self._table[name] = constant
        self._uses[name] = 1
        return ConstRef(name)


Merge: TypeAlias = Callable[[Node, Node, Constants], Node | None]
"""(producer, node, constants) -> one node in place of both, or None to leave them."""


def count_uses(graph: Graph) -> Counter[str]:
    """How often each value is read; being a graph output counts as one more."""
    uses = Counter(name for node in graph.nodes for name in node.inputs)
    uses.update(graph.outputs)
    return uses


def with_nodes(graph: Graph, nodes: Iterable[Node], constants: Mapping[str, Constant]) -> Graph:
    """The graph with other nodes and those constants that they use."""
    kept = tuple(nodes)
    used = {name for node in kept for name in node.constant_names()}
    table = {name: constant for name, constant in constants.items() if name in used}
    return dataclasses.replace(graph, nodes=kept, constants=table)


def fuse_pairs(graph: Graph, merge: Merge) -> Graph:
    """Offer every node with a producer that nothing else reads to ``merge``, in one walk.

    The merged node takes the place of the later of the two. That order is valid: whatever the
    producer reads is defined before it, whatever else the node reads is defined before the node,
    and nothing in between reads the producer. A merged node can be merged again with its own
    reader. Where several producers qualify, the later in execution order is offered first.
    Producers whose result is codes are not offered: their readers work on rounded sums, and their
    own results may have another scale.
    """
    constants = Constants(graph)
    uses = count_uses(graph)
    nodes: dict[str, Node] = {}
    position: dict[str, int] = {}
    for index, original in enumerate(graph.nodes):
        node = original
        sole = [name for name in set(node.inputs) if name in nodes and uses[name] == 1]
        for name in sorted(sole, key=position.__getitem__, reverse=True):
            rounded = nodes[name].type.dtype == "u8"
            merged = None if rounded else merge(nodes[name], node, constants)
            if merged is not None:
                del nodes[name]
                node = merged
                break
        nodes[node.name] = node
        position[node.name] = index
    return with_nodes(graph, nodes.values(), constants.table)


def is_sum(node: Node) -> bool:
    """Whether a node is a convolution or linear layer with no activation or post_bias yet."""
    if node.op not in WEIGHTED_OPS:
        return False
    attributes = resolve(node)
    return attributes["activation"] == "none" and attributes["post_bias"] is None


def add_vector(node: Node, attribute: str, vector: Vector, constants: Constants) -> Node | None:
    """The node with ``vector`` added to one of its per-channel constants.

    The constant is created where the node has none, named after its weight. None where a sum
    does not fit into float32.
    """
    present = node.attributes.get(attribute)
    with np.errstate(over="ignore"):
        total = np.asarray(vector, dtype=np.float64)
        if present is not None:
            total = total + constants.vector(present)
        rounded = total.astype(np.float32)
    if not np.isfinite(rounded).all():
        return None
    if present is not None:
        reference = constants.replace(present, rounded)
    else:
        reference = constants.add(_sibling_name(node, attribute), rounded)
    return dataclasses.replace(node, attributes={**node.attributes, attribute: reference})


def _sibling_name(node: Node, attribute: str) -> str:
    """``layer.bias`` beside ``layer.weight``."""
    weight = node.attributes["weight"]
    stem = weight.name if isinstance(weight, ConstRef) else node.name
    return (
        f"{stem.removesuffix('weight').rstrip('.')[: _LONGEST_STEM - 16] or node.name}.{attribute}"
    )
