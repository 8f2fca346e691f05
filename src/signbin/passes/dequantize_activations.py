"""Pass: the float network that a graph with 8-bit activations stands for.

Not one of PASSES: it runs where another engine is to be given the same network.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from signbin.ir import ConstRef, Graph, Node, TensorType, verify
from signbin.passes.remove_identities import remove_identities
from signbin.passes.rewrite import Constants, with_nodes
from signbin.spec import IntegerWeight

__all__ = ["dequantize_activations"]

_CONVERSIONS: Final = ("quantize", "dequantize")
_UNBOUNDED: Final = {"low": -np.inf, "high": np.inf}


def dequantize_activations(graph: Graph) -> Graph:
    """The graph with f32 values throughout, and no conversions to and from codes.

    Low-bit weights stay as they are, exactly. IntegerWeight, rounded to 7 bits when it was made,
    becomes the float32 numbers that its codes stand for, not those it was made from. What is
    between layers is no longer rounded. Values keep their names, less those of conversions.
    """
    constants = Constants(graph)
    nodes = [_float_node(node, constants) for node in graph.nodes]
    made = remove_identities(with_nodes(graph, nodes, constants.table))
    verify(made)
    return made


def _float_node(node: Node, constants: Constants) -> Node:
    attributes = dict(node.attributes)
    weight = attributes.get("weight")
    if isinstance(weight, ConstRef):
        constant = constants[weight]
        if isinstance(constant, IntegerWeight):
            attributes["weight"] = constants.replace(weight, constant.dequantized())
    operation = node.op
    if operation in _CONVERSIONS:  # a clamp that does nothing, which is then removed
        operation, attributes = "clamp", dict(_UNBOUNDED)
    type_ = TensorType("f32", node.type.shape)
    return dataclasses.replace(node, op=operation, attributes=attributes, type=type_)
