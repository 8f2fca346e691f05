"""Pass: one name for the average over a whole image."""

from __future__ import annotations

import dataclasses

from signbin.ir import Graph, Node, TensorType, margins, resolve

__all__ = ["name_global_average"]


def name_global_average(graph: Graph) -> Graph:
    """Write every avg_pool2d whose single window is the whole image as global_avg_pool.

    Without padding both are the same number, the mean of each channel, and networks are written
    both ways. With one spelling, rules and kernels of global_avg_pool serve them all.
    """
    types: dict[str, TensorType] = {value.name: value.type for value in graph.inputs}
    nodes = []
    for node in graph.nodes:
        types[node.name] = node.type
        if _averages_whole_image(node, types):
            nodes.append(dataclasses.replace(node, op="global_avg_pool", attributes={}))
        else:
            nodes.append(node)
    return dataclasses.replace(graph, nodes=tuple(nodes))


def _averages_whole_image(node: Node, types: dict[str, TensorType]) -> bool:
    if node.op != "avg_pool2d":
        return False
    attributes = resolve(node)
    whole_image = types[node.inputs[0]].shape[2:]
    return attributes["kernel"] == whole_image and not any(margins(attributes["padding"]))
