"""Pass: let layers multiply the codes that their input was trained to be."""

from __future__ import annotations

import dataclasses
import math

from signbin.errors import VerifyError
from signbin.ir import OPS, Graph, Node, TensorType, never_negative, resolve
from signbin.ir.schema import Arguments
from signbin.ir.type_rules import verify_types
from signbin.passes.dead_code import remove_dead_code
from signbin.passes.rewrite import WEIGHTED_OPS, with_nodes
from signbin.spec import ActivationSpec

__all__ = ["multiply_codes"]


def multiply_codes(graph: Graph) -> Graph:
    """Convolutions and linear layers with low-bit weights read codes instead of their numbers.

    Where the only input of such a layer is a dequantize, it reads what that reads, and its sums are
    whole numbers. Float weights stay float32 numbers times float32 numbers: to round them would
    change what was trained. So do layers whose sums could leave int32.

    A quantize around the middle of whose input nothing is below zero takes codes from 0, and any
    bound below zero before it goes.
    """
    graph = _unsigned(graph)
    types = graph.types()
    made = {node.name: node for node in graph.nodes}
    nodes = []
    for node in graph.nodes:
        source = made.get(node.inputs[0])
        if source is None or source.op != "dequantize" or len(node.inputs) > 1:
            nodes.append(node)
            continue
        changed = dataclasses.replace(node, inputs=source.inputs)
        nodes.append(changed if _takes(graph, changed, types[source.inputs[0]]) else node)
    return remove_dead_code(with_nodes(graph, nodes, graph.constants))


def _takes(graph: Graph, node: Node, given: TensorType) -> bool:
    """Whether a layer may read codes and keep its weights: all rules of types hold."""
    if node.op not in WEIGHTED_OPS:
        return False
    arguments = Arguments(node, (given,), resolve(node), graph.constants)
    try:
        verify_types(arguments, OPS[node.op])
    except VerifyError:
        return False
    return True


def _unsigned(graph: Graph) -> Graph:
    positive = never_negative(graph)
    made = {node.name: node for node in graph.nodes}
    nodes = []
    for node in graph.nodes:
        spec = node.type.quantization
        if node.op == "quantize" and spec is not None and spec.signed:
            name = _before_bound(made, node.inputs[0])
            readers = {reader.op for reader in graph.consumers(node.name)}
            if name in positive and readers == {"dequantize"}:
                upper = ActivationSpec(spec.scale, 0, spec.bits - 1)
                type_ = TensorType("u8", node.type.shape, upper)
                nodes.append(dataclasses.replace(node, inputs=(name,), type=type_))
                continue
        nodes.append(node)
    return with_nodes(graph, nodes, graph.constants)


def _before_bound(made: dict[str, Node], name: str) -> str:
    """The value before a clamp that only bounds what is below zero."""
    node = made.get(name)
    if node is None or node.op != "clamp":
        return name
    attributes = resolve(node)
    bounds = attributes["low"], attributes["high"]
    assert isinstance(bounds[0], float)
    return node.inputs[0] if bounds[0] <= 0 and bounds[1] == math.inf else name
