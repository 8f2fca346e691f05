"""Pass: fold per-channel biases into the constant of whatever comes before them."""

from __future__ import annotations

import dataclasses

from signbin.ir import Graph, Node
from signbin.passes.rewrite import Constants, add_vector, fuse_pairs, is_sum

__all__ = ["fold_channel_bias"]


def fold_channel_bias(graph: Graph) -> Graph:
    """Add a channel_bias to the bias of its producer, where nothing else reads the producer.

    Producers with a bias to add to: channel_bias, batch_norm, and a convolution or linear layer
    that has no activation yet. Runs before batch norms are folded, so that
    convolution -> channel_bias -> batch_norm becomes one node.
    """
    return fuse_pairs(graph, _merge)


def _merge(producer: Node, node: Node, constants: Constants) -> Node | None:
    has_bias = producer.op in ("channel_bias", "batch_norm") or is_sum(producer)
    if node.op != "channel_bias" or not has_bias:
        return None
    merged = add_vector(producer, "bias", constants.vector(node.attributes["bias"]), constants)
    return merged and dataclasses.replace(merged, name=node.name, source=node.source)
