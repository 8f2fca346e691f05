"""Passes: layers whose weights are low-bit group by group of inputs become sums of layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from signbin.draft import recognize
from signbin.ir import AttributeValue, ConstRef, Graph, Node, TensorType
from signbin.passes.rewrite import Constants, with_nodes
from signbin.spec import ActivationKind, LowBitWeight

__all__ = ["GROUP_SIZES", "split_coded_groups", "split_groups"]

GROUP_SIZES: Final = (512, 256, 128, 64, 32)
_CODED_GROUP_SIZES: Final = (512, 256, 128)  # dense products of codes are as fast as shorter ones
_FEWEST_FILTERS: Final = 256


def split_groups(graph: Graph) -> Graph:
    """y = W x + b becomes y = W_1 x_1 + b + ... + W_G x_G, x_g runs of equally many inputs.

    Where every filter has two or three values within each run, but not over all of them, as scales
    per group of inputs leave: then each W_g is a low-bit weight of its own. Runs are as long as
    they can be, among :data:`GROUP_SIZES`. Of layers on float32 alone, see
    :func:`split_coded_groups`. Layers of few filters stay, which dense products serve as fast.
    """
    constants, types = Constants(graph), graph.types()
    nodes: list[Node] = []
    for node in graph.nodes:
        parts = _parts_of(node, types, constants, GROUP_SIZES)
        if parts is None:
            nodes.append(node)
        else:
            nodes += _sum(node, parts, types[node.inputs[0]], constants)
    return with_nodes(graph, nodes, constants.table)


def split_coded_groups(graph: Graph) -> tuple[Graph, Mapping[str, str]]:
    """:func:`split_groups` for a graph whose layers are to compute on codes.

    Every part sums codes exactly; its float32 sums are added by nodes of their own, and what
    follows them runs in float32, so that nothing is rounded to a code before the sum is whole.
    Layers that add a shortcut, and those of shorter runs than 128 inputs, stay whole.

    Also returns what :func:`quantize_activations` needs: the new values, each with the one whose
    spec it shares, or "" for sums, which stay float32.
    """
    constants, types = Constants(graph), graph.types()
    nodes: list[Node] = []
    made: dict[str, str] = {}
    for node in graph.nodes:
        parts = None
        if len(node.inputs) == 1 and "post_bias" not in node.attributes:
            parts = _parts_of(node, types, constants, _CODED_GROUP_SIZES)
        if parts is None:
            nodes.append(node)
            continue
        added = _sum_of_codes(node, parts, types[node.inputs[0]], constants)
        made |= {one.name: node.inputs[0] if one.op == "slice" else "" for one in added}
        nodes += added
    return with_nodes(graph, nodes, constants.table), made


def _parts_of(
    node: Node, types: Mapping[str, TensorType], constants: Constants, sizes: Sequence[int]
) -> list[LowBitWeight] | None:
    if node.op != "linear" or types[node.inputs[0]].dtype != "f32" or node.type.dtype != "f32":
        return None
    return _parts(constants[node.attributes["weight"]], sizes)


def _parts(weight: object, sizes: Sequence[int]) -> list[LowBitWeight] | None:
    """The weights of the longest runs of inputs that are low-bit, or None."""
    if not isinstance(weight, np.ndarray) or len(weight) < _FEWEST_FILTERS:
        return None
    if recognize(weight) is not None:
        return None
    for size in sizes:
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
    made: list[Node] = []
    before = node.inputs[1:]
    for number, part in enumerate(parts):
        run, layer = _part(node, number, part, given, constants)
        made += [run, dataclasses.replace(layer, inputs=(run.name, *before))]
        before = (layer.name,)
    last = made[-1]
    made[-1] = dataclasses.replace(
        last, name=node.name, attributes={**last.attributes, **_follows(node)}
    )
    return made


def _sum_of_codes(
    node: Node, parts: list[LowBitWeight], given: TensorType, constants: Constants
) -> list[Node]:
    """Slices and layers, sums of their results, and the activation; the last has the name."""
    made: list[Node] = []
    total = ""
    for number, part in enumerate(parts):
        run, layer = _part(node, number, part, given, constants)
        made += [run, layer]
        operands, total = (total, layer.name), layer.name
        if number:
            total = f"{node.name}.sum_{number}"
            made.append(Node(total, "add", operands, {}, node.type, node.source))
    attributes = _follows(node)
    activation = attributes.pop("activation", ActivationKind.NONE.value)
    if activation == ActivationKind.NONE.value:
        made[-1] = dataclasses.replace(made[-1], name=node.name)
        return made
    assert isinstance(activation, str)
    if activation == "prelu":
        attributes = {"slope": attributes["prelu"]}
    made.append(Node(node.name, activation, (total,), attributes, node.type, node.source))
    return made


def _part(
    node: Node, number: int, part: LowBitWeight, given: TensorType, constants: Constants
) -> tuple[Node, Node]:
    """The run of inputs, and its layer; the first one adds the bias."""
    weight, run = node.attributes["weight"], f"{node.name}.inputs_{number}"
    assert isinstance(weight, ConstRef)
    count, axis = part.shape[1], len(given.shape) - 1
    taken: dict[str, AttributeValue] = {"axis": axis, "first": number * count, "count": count}
    kind = TensorType("f32", (*given.shape[:-1], count))
    kept: dict[str, AttributeValue] = {
        "weight": constants.add(f"{weight.name}.group_{number}", part)
    }
    if number == 0 and "bias" in node.attributes:
        kept["bias"] = node.attributes["bias"]
    name = f"{node.name}.group_{number}"
    return (
        Node(run, "slice", node.inputs[:1], taken, kind, node.source),
        Node(name, "linear", (run,), kept, node.type, node.source),
    )


def _follows(node: Node) -> dict[str, AttributeValue]:
    """What comes after the sum."""
    kept = dict(node.attributes)
    return {name: value for name, value in kept.items() if name not in ("weight", "bias")}
