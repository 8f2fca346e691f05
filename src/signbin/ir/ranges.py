"""What can be said about the numbers of a graph without running it."""

from __future__ import annotations

from signbin.ir.graph import Graph
from signbin.ir.ops import OPS, arguments_of
from signbin.ir.schema import Arguments

__all__ = ["never_negative"]


def never_negative(graph: Graph) -> frozenset[str]:
    """Names of the values that hold no number below zero, whatever the input.

    A relu, a clamp from zero up, a layer that ends in one and adds nothing after it; what pools,
    sums, flattens or subsamples such values; a u8 value without sign.
    """
    types = graph.types()
    found: set[str] = set()
    for node in graph.nodes:
        spec = node.type.quantization
        unsigned = spec is not None and not spec.signed
        if unsigned or _is_never_negative(arguments_of(graph, node, types), found):
            found.add(node.name)
    return frozenset(found)


def _is_never_negative(arguments: Arguments, known: set[str]) -> bool:
    op = OPS[arguments.node.op]
    lowers = op.lowers is not None and op.lowers(arguments)
    if op.keeps_sign and not lowers and known.issuperset(arguments.node.inputs):
        return True
    return op.rectifies is not None and op.rectifies(arguments)
