"""What can be said about the numbers of a graph without running it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from signbin.ir.graph import Graph, Node
from signbin.ir.ops import resolve

__all__ = ["never_negative"]

_FOLLOWS: Final = (
    *("add", "max_pool2d", "avg_pool2d", "global_avg_pool", "flatten", "subsample_pad"),
    *("quantize", "dequantize"),
)


def never_negative(graph: Graph) -> frozenset[str]:
    """Names of the values that hold no number below zero, whatever the input.

    A relu, a clamp from zero up, a layer that ends in one and adds nothing after it; what pools,
    sums, flattens or subsamples such values; a u8 value without sign.
    """
    found: set[str] = set()
    for node in graph.nodes:
        spec = node.type.quantization
        if (spec is not None and not spec.signed) or _is_never_negative(node, found):
            found.add(node.name)
    return frozenset(found)


def _is_never_negative(node: Node, known: set[str]) -> bool:
    if node.op in _FOLLOWS:
        return known.issuperset(node.inputs)
    attributes: Mapping[str, Any] = resolve(node)
    ends_in = attributes.get("activation", node.op)
    rectified = ends_in == "relu" or (ends_in == "clamp" and attributes["low"] >= 0)
    return rectified and attributes.get("post_bias") is None
