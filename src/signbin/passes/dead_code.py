"""Pass: remove nodes and constants that no output depends on."""

from __future__ import annotations

from signbin.ir import Graph
from signbin.passes.rewrite import with_nodes

__all__ = ["remove_dead_code"]


def remove_dead_code(graph: Graph) -> Graph:
    """Keep the nodes that an output depends on and their constants; inputs always stay."""
    needed = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
            kept.append(node)
    return with_nodes(graph, reversed(kept), graph.constants)
