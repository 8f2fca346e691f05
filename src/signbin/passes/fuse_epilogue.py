"""Pass: fuse shortcut, activation and biases into the layer that produces their operand."""

from __future__ import annotations

import dataclasses

from signbin.ir import AttributeValue, Graph, Node
from signbin.passes.rewrite import WEIGHTED_OPS, Constants, add_vector, fuse_pairs, is_sum

__all__ = ["fuse_epilogue"]


def fuse_epilogue(graph: Graph) -> Graph:
    """Give convolutions and linear layers the elementwise operations that follow them.

    y = activation(sum + bias [+ residual]) + post_bias

    - add(layer, other): other becomes the residual input. Of two layers that could take it, the
      later in execution order does; the fused layer runs where the add ran, so the residual is
      always available. Not where the layer reads codes and the shortcut is f32.
    - relu, leaky_relu, prelu, clamp: the activation, if the layer has none yet.
    - channel_bias: into bias before the activation, into post_bias after it.

    Only where nothing else reads the layer's result. The fused node has the name and source of
    the last node that went into it.
    """
    types = graph.types()

    def merge(producer: Node, node: Node, constants: Constants) -> Node | None:
        kinds = {types[name].dtype for name in (*producer.inputs, *node.inputs)}
        if node.op == "add" and len(kinds) > 1:
            return None
        return _merge(producer, node, constants)

    return fuse_pairs(graph, merge)


def _has_rows(producer: Node) -> bool:
    """Whether the filters of a layer are not the channels of its result."""
    return producer.op == "linear" and len(producer.type.shape) > 2


def _merge(producer: Node, node: Node, constants: Constants) -> Node | None:
    if producer.op not in WEIGHTED_OPS:
        return None
    if node.op in ("channel_bias", "prelu") and _has_rows(producer):
        return None
    if node.op == "channel_bias":
        attribute = "bias" if is_sum(producer) else "post_bias"
        bias = constants.vector(node.attributes["bias"])
        merged = add_vector(producer, attribute, bias, constants)
        return merged and dataclasses.replace(merged, name=node.name, source=node.source)
    if not is_sum(producer):
        return None
    inputs = producer.inputs
    if node.op == "add" and len(inputs) == 1:
        inputs = (*inputs, *(name for name in node.inputs if name != producer.name))
        fused: dict[str, AttributeValue] = {}
    elif node.op in ("relu", "leaky_relu", "clamp"):
        fused = {"activation": node.op, **node.attributes}
    elif node.op == "prelu":
        fused = {"activation": node.op, "prelu": node.attributes["slope"]}
    else:
        return None
    return dataclasses.replace(
        producer,
        name=node.name,
        source=node.source,
        inputs=inputs,
        attributes={**producer.attributes, **fused},
    )
