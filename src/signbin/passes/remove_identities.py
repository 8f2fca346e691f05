"""Pass: remove operations that return their input."""

from __future__ import annotations

import dataclasses

import numpy as np

from signbin.ir import Graph, Node, TensorType, resolve
from signbin.passes.rewrite import count_uses, with_nodes

__all__ = ["remove_identities"]


def remove_identities(graph: Graph) -> Graph:
    """Let readers of an identity read its input.

    Identities: a channel_bias of zeros, a clamp without bounds, a leaky_relu or prelu of slope 1,
    a flatten of [N,C], a pooling of single pixels, a subsample_pad that keeps everything.
    An identity that is a graph output hands its name to its producer if nothing else reads that,
    and stays otherwise: outputs keep their names.
    """
    uses = count_uses(graph)
    types = {value.name: value.type for value in graph.inputs}
    nodes: dict[str, Node] = {}
    stands_for: dict[str, str] = {}
    for original in graph.nodes:
        inputs = tuple(stands_for.get(name, name) for name in original.inputs)
        node = dataclasses.replace(original, inputs=inputs)
        types[node.name] = node.type
        if _is_identity(graph, node, types[inputs[0]]):
            if node.name not in graph.outputs:
                stands_for[node.name] = inputs[0]
                uses[inputs[0]] += uses[node.name] - 1
                continue
            if inputs[0] in nodes and uses[inputs[0]] == 1:
                node = dataclasses.replace(nodes.pop(inputs[0]), name=node.name, source=node.source)
        nodes[node.name] = node
    return with_nodes(graph, nodes.values(), graph.constants)


def _is_identity(graph: Graph, node: Node, input_type: TensorType) -> bool:
    stated = resolve(node)
    match node.op:
        case "channel_bias":
            found = not np.any(graph.array(node.attributes["bias"]))
        case "clamp":
            found = (stated["low"], stated["high"]) == (-np.inf, np.inf)
        case "leaky_relu":
            found = stated["slope"] == 1.0
        case "prelu":
            found = bool(np.all(graph.array(node.attributes["slope"]) == 1.0))
        case "flatten":
            found = node.type == input_type
        case "max_pool2d" | "avg_pool2d":
            found = stated["kernel"] == stated["stride"] == (1, 1)
        case "subsample_pad":
            found = stated["stride"] == (1, 1) and node.type == input_type
        case _:
            found = False
    return found
