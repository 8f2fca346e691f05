"""The same graph for inputs of other extents: images of any size, sequences of any length."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import cast

import numpy as np

from signbin.errors import VerifyError
from signbin.ir.graph import BATCH, Constant, Graph, Node, TensorType, Value
from signbin.ir.ops import OPS
from signbin.ir.schema import Arguments
from signbin.ir.shape_rules import FOLLOWS
from signbin.ir.verify import verify

__all__ = ["differing_nodes", "with_extents", "with_following_extents", "with_free_axes"]


def with_free_axes(graph: Graph, axes: Mapping[str, tuple[int, ...]]) -> Graph:
    """The graph with these axes of these inputs declared free, see :class:`signbin.ir.Value`."""
    inputs = tuple(
        dataclasses.replace(value, free=axes.get(value.name, ())) for value in graph.inputs
    )
    return dataclasses.replace(graph, inputs=inputs)


def with_following_extents(one: Graph, other: Graph) -> Graph:
    """``one`` with -1 for the one extent that a reshape of it states otherwise than ``other``'s.

    Both are one network captured at two sizes: that extent follows from the size.
    """
    stated = {node.name: node for node in other.nodes if node.op == "reshape"}
    nodes = tuple(
        _following(node, stated[node.name]) if node.name in stated else node for node in one.nodes
    )
    return dataclasses.replace(one, nodes=nodes)


def _following(node: Node, other: Node) -> Node:
    shapes = [each.attributes.get("shape") for each in (node, other)]
    if node.op != "reshape" or not all(isinstance(shape, tuple) for shape in shapes):
        return node
    first, second = (cast(tuple[int, ...], shape) for shape in shapes)
    places = [
        place for place, pair in enumerate(zip(first, second, strict=False)) if len({*pair}) > 1
    ]
    if len(first) != len(second) or len(places) != 1:
        return node
    shape = (*first[: places[0]], FOLLOWS, *first[places[0] + 1 :])
    return dataclasses.replace(node, attributes={**node.attributes, "shape": shape})


def with_extents(graph: Graph, extents: Mapping[str, tuple[int, ...]]) -> Graph:
    """The graph for inputs of other extents, along the axes that are free; those stay free.

    extents: by input, all after the batch. The shape of every value follows by the shape rules;
    attributes and constants stay what they are, but for the size that an image is resized to,
    which keeps its ratio to the image, rounded down. VerifyError for an extent along an axis that
    is not free, and for extents that a node cannot take: it is named, with what it wants.
    """
    inputs = tuple(_resized(value, extents.get(value.name)) for value in graph.inputs)
    types, before = {value.name: value.type for value in inputs}, graph.types()
    nodes = []
    for old in graph.nodes:
        operands = tuple(types[name] for name in old.inputs)
        node = _rescaled(old, before[old.inputs[0]].shape, operands[0].shape) if operands else old
        shape = _shape(node, operands, graph.constants)
        nodes.append(dataclasses.replace(node, type=dataclasses.replace(node.type, shape=shape)))
        types[node.name] = nodes[-1].type
    resized = dataclasses.replace(graph, inputs=inputs, nodes=tuple(nodes))
    verify(resized)
    return resized


def _resized(value: Value, extents: tuple[int, ...] | None) -> Value:
    if extents is None:
        return value
    kept = value.type.shape
    shape = (BATCH, *extents)
    others = set(range(len(kept))) - set(value.free)
    if len(shape) != len(kept) or any(shape[axis] != kept[axis] for axis in others):
        raise VerifyError(
            f"extents of input %{value.name}",
            value=extents,
            allowed=f"those of {value.type} but along axes {value.free or 'none'}",
        )
    return dataclasses.replace(value, type=dataclasses.replace(value.type, shape=shape))


def _rescaled(node: Node, old: tuple[int, ...], new: tuple[int, ...]) -> Node:
    """A node that resizes images, for an image of another size."""
    size = node.attributes.get("size")
    if not isinstance(size, tuple) or len(size) != len(old) - 2:
        return node
    kept = tuple(
        max(1, extent * wanted // was)
        for wanted, was, extent in zip(size, old[2:], new[2:], strict=True)
    )
    return dataclasses.replace(node, attributes={**node.attributes, "size": kept})


def _shape(
    node: Node, inputs: tuple[TensorType, ...], constants: Mapping[str, Constant]
) -> tuple[int, ...]:
    op = OPS[node.op]
    return op.shape_rule(Arguments(node, inputs, op.resolve(node), constants))


def differing_nodes(one: Graph, other: Graph) -> Iterator[str]:
    """What two graphs of one network, made for inputs of two sizes, do not have in common.

    The first node of each that differs in more than its type or its name, as words; constants are
    compared by their numbers. Nothing where the graphs are the same function of any size.
    """
    if len(one.nodes) != len(other.nodes) or one.outputs != other.outputs:
        yield f"{len(one.nodes)} nodes at one size, {len(other.nodes)} at another"
        return
    for first, second in zip(one.nodes, other.nodes, strict=True):
        where = f"{first.source or 'forward'}: {first.op} {first.name}"
        if (first.op, first.inputs, first.name) != (second.op, second.inputs, second.name):
            yield f"{where}, but {second.op} {second.name} at another size"
            return
        if dict(first.attributes) != dict(second.attributes):
            changed = sorted(
                name
                for name in {*first.attributes, *second.attributes}
                if first.attributes.get(name) != second.attributes.get(name)
            )
            yield f"{where}: {', '.join(changed)} depends on the size"
    for name in sorted(set(one.constants) | set(other.constants)):
        if not _same(one.constants.get(name), other.constants.get(name)):
            yield f"constant {name} depends on the size"


def _same(one: Constant | None, other: Constant | None) -> bool:
    if one is None or other is None:
        return False
    first, second = (
        held if isinstance(held, np.ndarray) else held.dequantized() for held in (one, other)
    )
    return bool(np.array_equal(first, second))
