"""Pass: a border around an image becomes padding of the windows that read it."""

from __future__ import annotations

import dataclasses
import math

from signbin.ir import (
    AttributeValue,
    Graph,
    Margins,
    Node,
    arguments_of,
    margins,
    never_negative,
    resolve,
)
from signbin.passes.rewrite import count_uses, with_nodes

__all__ = ["fold_padding"]


def fold_padding(graph: Graph) -> Graph:
    """Let a convolution or a pooling layer pad the image, where a node of its own does so.

    A convolution adds the border to its own padding. So does an average that counts its padding,
    or has none; and a maximum, without dilation, of values that are never negative, among which a
    zero changes nothing. The windows of pooling layers touch the image everywhere: where a border
    is as wide as they are, it stays. A border of -inf is what a maximum pads with itself. Every
    reader of a border is asked by itself.
    """
    unsigned = never_negative(graph)
    borders = {node.name: node for node in graph.nodes if _is_border(node) or _is_least(node)}
    nodes = []
    for node in graph.nodes:
        border = borders.get(node.inputs[0])
        padded = None
        if border is not None:
            padded = _padded(graph, node, border, unsigned=border.inputs[0] in unsigned)
        nodes.append(padded or node)
    uses = count_uses(dataclasses.replace(graph, nodes=tuple(nodes)))
    kept = [node for node in nodes if node.name not in borders or uses[node.name]]
    return with_nodes(graph, kept, graph.constants)


def _is_border(node: Node) -> bool:
    """Whether a node does nothing but pad zeros around its image."""
    if node.op != "subsample_pad":
        return False
    stated = resolve(node)
    channels = stated["channels_before"], stated["channels_after"]
    return stated["stride"] == (1, 1) and channels == (0, 0)


def _is_least(node: Node) -> bool:
    """Whether a node puts its image into a border of -inf."""
    if node.op != "pad":
        return False
    stated = resolve(node)
    least = stated["mode"] == "constant" and stated["value"] == -math.inf
    return least and min(margins(stated["padding"])) >= 0


def _padded(graph: Graph, node: Node, border: Node, *, unsigned: bool) -> Node | None:
    """The node with the border as padding of its own; None where that is not the same.

    unsigned: the image in the border holds nothing below zero.
    """
    if node.op not in ("conv2d", "avg_pool2d", "max_pool2d"):
        return None
    least = border.op == "pad"
    if least and node.op != "max_pool2d":
        return None
    arguments = arguments_of(graph, node)
    own, around = arguments.margins("padding"), margins(resolve(border)["padding"])
    top, left, bottom, right = (a + b for a, b in zip(own, around, strict=True))
    changed: dict[str, AttributeValue] = {"padding": _shortest((top, left, bottom, right))}
    if node.op != "conv2d":
        height, width = arguments.pair("kernel")
        if max(top, bottom) >= height or max(left, right) >= width:
            return None
    if (
        node.op == "max_pool2d"
        and not least
        and not (unsigned and arguments.pair("dilation") == (1, 1))
    ):
        return None
    if node.op == "avg_pool2d":
        if any(own) and not arguments.flag("count_include_pad"):
            return None
        changed["count_include_pad"] = True
    inputs = (border.inputs[0], *node.inputs[1:])
    return dataclasses.replace(node, inputs=inputs, attributes={**node.attributes, **changed})


def _shortest(around: Margins) -> AttributeValue:
    """Two numbers where both sides are alike."""
    return around[:2] if around[:2] == around[2:] else around
