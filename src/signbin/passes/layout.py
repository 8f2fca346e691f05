"""Pass: settle in which form values leave their image axes."""

from __future__ import annotations

import dataclasses

from signbin.ir import Graph, Node, TensorType, resolve

__all__ = ["settle_layout"]


def settle_layout(graph: Graph) -> Graph:
    """Write every average over the whole image as global_avg_pool.

    Every value of a graph is dense, in N,C,H,W order, and that is also the order in which flatten
    numbers the features a linear layer reads; vector layouts are private to the kernels, which
    convert at their own edges. So only one thing is left to decide: an avg_pool2d whose single
    window is the whole image, without padding, is the same number as global_avg_pool, and
    networks are written both ways. One spelling, ``global_avg_pool`` then ``flatten``, lets the
    planner and the runtime know the end of the image axes when they see it.
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
    return attributes["kernel"] == whole_image and attributes["padding"] == (0, 0)
