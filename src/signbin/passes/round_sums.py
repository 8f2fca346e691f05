"""Pass: let operations on codes end in the codes that their only reader makes of their numbers."""

from __future__ import annotations

import dataclasses

from signbin.errors import VerifyError
from signbin.ir import OPS, Graph, Node, TensorType, resolve
from signbin.ir.schema import Arguments, TypeRule
from signbin.ir.type_rules import verify_types
from signbin.passes.rewrite import Constants, fuse_pairs

__all__ = ["round_sums"]


def round_sums(graph: Graph) -> Graph:
    """Give a node that reads codes and makes numbers the quantize that alone reads those.

    The fused node has the name of the quantize and its own source. Where one of its constants, in
    steps of the output, would leave float32, the two stay apart.
    """
    types = graph.types()

    def merge(producer: Node, node: Node, _constants: Constants) -> Node | None:
        given = tuple(types[name] for name in producer.inputs)
        if node.op != "quantize" or OPS[producer.op].types is not TypeRule.REQUANTIZED:
            return None
        if any(type_.dtype != "u8" for type_ in given):
            return None
        merged = dataclasses.replace(producer, name=node.name, type=node.type)
        return merged if _is_legal(graph, merged, given) else None

    return fuse_pairs(graph, merge)


def _is_legal(graph: Graph, node: Node, given: tuple[TensorType, ...]) -> bool:
    op = OPS[node.op]
    try:
        verify_types(Arguments(node, given, resolve(node), graph.constants), op)
    except VerifyError:
        return False
    return True
