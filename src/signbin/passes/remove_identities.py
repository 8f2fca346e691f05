"""Pass: remove operations that return their input."""

from __future__ import annotations

import dataclasses

from signbin.ir import OPS, Graph, Node, arguments_of
from signbin.passes.rewrite import count_uses, with_nodes

__all__ = ["remove_identities"]


def remove_identities(graph: Graph) -> Graph:
    """Let readers of an identity read its input.

    Identities: a channel_bias of zeros, a clamp without bounds, a leaky_relu or prelu of slope 1,
    a flatten of [N,C], a pooling of single pixels, a subsample_pad that keeps everything; on codes
    those whose result has the scale of their input. An identity that is a graph output hands its
    name to its producer if nothing else reads that, and stays otherwise: outputs keep their names.
    """
    uses = count_uses(graph)
    types = graph.types()
    nodes: dict[str, Node] = {}
    stands_for: dict[str, str] = {}
    for original in graph.nodes:
        inputs = tuple(stands_for.get(name, name) for name in original.inputs)
        node = dataclasses.replace(original, inputs=inputs)
        identity = OPS[node.op].identity
        same = identity is not None and types[node.inputs[0]] == types[node.name]
        if same and identity is not None and identity(arguments_of(graph, node, types)):
            if node.name not in graph.outputs:
                stands_for[node.name] = inputs[0]
                uses[inputs[0]] += uses[node.name] - 1
                continue
            if inputs[0] in nodes and uses[inputs[0]] == 1:
                node = dataclasses.replace(nodes.pop(inputs[0]), name=node.name, source=node.source)
        nodes[node.name] = node
    return with_nodes(graph, nodes.values(), graph.constants)
