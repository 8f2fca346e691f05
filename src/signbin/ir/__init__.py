"""The intermediate representation: graphs, the op table, verifier, text form and interpreter."""

from signbin.ir.graph import (
    BATCH,
    AttributeValue,
    Constant,
    ConstRef,
    Graph,
    Node,
    TensorType,
    Value,
    is_name,
)
from signbin.ir.interpret import interpret
from signbin.ir.ops import OPS, resolve
from signbin.ir.parse import parse_graph
from signbin.ir.text import describe_constant, print_graph
from signbin.ir.verify import verify

__all__ = [
    "BATCH",
    "OPS",
    "AttributeValue",
    "ConstRef",
    "Constant",
    "Graph",
    "Node",
    "TensorType",
    "Value",
    "describe_constant",
    "interpret",
    "is_name",
    "parse_graph",
    "print_graph",
    "resolve",
    "verify",
]
