"""Pass: linear layers whose weights are low-bit group by group of inputs become sums of layers."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from signbin.draft import recognize
from signbin.ir import AttributeValue, ConstRef, Graph, Node, TensorType
from signbin.passes.rewrite import Constants, with_nodes
from signbin.spec import LowBitWeight

__all__ = ["GROUP_SIZES", "split_groups"]

GROUP_SIZES: Final = (512, 256, 128, 64, 32)
_FEWEST_FILTERS: Final = 256


def split_groups(graph: Graph) -> Graph:
    """y = W x + b becomes y = W_1 x_1 + b + ... + W_G x_G, x_g runs of equally many inputs.

    Where every filter has two or three values within each run, but not over all of them, as scales
    per group of inputs leave: then each W_g is a low-bit weight of its own. Runs are as long as
    they can be, among :data:`GROUP_SIZES`. Of layers on float32 alone: on codes every partial sum
    would be rounded. Layers of few filters stay, which dense products serve as fast.
    """
    constants, types = Constants(graph), graph.types()
    nodes: list[Node] = []
    for node in graph.nodes:
        parts = None
        if node.op == "linear" and types[node.inputs[0]].dtype == node.type.dtype == "f32":
            parts = _parts(constants[node.attributes["weight"]])
        if parts is None:
            nodes.append(node)
        else:
            nodes += _sum(node, parts, types[node.inputs[0]], constants)
    return with_nodes(graph, nodes, constants.table)


def _parts(weight: object) -> list[LowBitWeight] | None:
    """The weights of the longest runs of inputs that are low-bit, or None."""
    if not isinstance(weight, np.ndarray) or len(weight) < _FEWEST_FILTERS:
        return None
    if recognize(weight) is not None:
        return None
    for size in GROUP_SIZES:
        if weight.shape[1] % size or size == weight.shape[1]:
            continue
        if recognize(np.ascontiguousarray(weight[:, :size])) is None:
            continue
        runs = np.split(weight, weight.shape[1] // size, axis=1)
        found = [recognize(np.ascontiguousarray(run)) for run in runs]
        known = [part for part in found if part is not None]
        if len(known) == len(runs):
            return known
    return None


def _sum(
    node: Node, parts: list[LowBitWeight], given: TensorType, constants: Constants
) -> list[Node]:
    """A slice and a layer for every part; the last has the name, and what follows the sum."""
    attributes = dict(node.attributes)
    weight, bias = attributes.pop("weight"), attributes.pop("bias", None)
    assert isinstance(weight, ConstRef)
    made: list[Node] = []
    before, follows = node.inputs[1:], node.inputs[0]
    for number, part in enumerate(parts):
        run, name = f"{node.name}.inputs_{number}", f"{node.name}.group_{number}"
        count, axis = part.shape[1], len(given.shape) - 1
        taken: dict[str, AttributeValue] = {"axis": axis, "first": number * count, "count": count}
        kind = TensorType("f32", (*given.shape[:-1], count))
        made.append(Node(run, "slice", (follows,), taken, kind, node.source))
        kept: dict[str, AttributeValue] = {
            "weight": constants.add(f"{weight.name}.group_{number}", part)
        }
        if number == 0 and bias is not None:
            kept["bias"] = bias
        made.append(Node(name, "linear", (run, *before), kept, node.type, node.source))
        before = (name,)
    last = made[-1]
    made[-1] = dataclasses.replace(
        last, name=node.name, attributes={**last.attributes, **attributes}
    )
    return made
