"""The intermediate representation: graphs, the op table, verifier, text form and interpreter."""

from signbin.ir.extents import (
    differing_nodes,
    with_extents,
    with_following_extents,
    with_free_axes,
)
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
from signbin.ir.interpret import interpret, interpret_node, real_values
from signbin.ir.ops import OPS, arguments_of, resolve
from signbin.ir.parse import parse_graph
from signbin.ir.ranges import never_negative
from signbin.ir.requantization import Requantization
from signbin.ir.requantize import requantization
from signbin.ir.schema import Margins, margins
from signbin.ir.text import describe_constant, print_graph
from signbin.ir.verify import verify

__all__ = [
    "BATCH",
    "OPS",
    "AttributeValue",
    "ConstRef",
    "Constant",
    "Graph",
    "Margins",
    "Node",
    "Requantization",
    "TensorType",
    "Value",
    "arguments_of",
    "describe_constant",
    "differing_nodes",
    "interpret",
    "interpret_node",
    "is_name",
    "margins",
    "never_negative",
    "parse_graph",
    "print_graph",
    "real_values",
    "requantization",
    "resolve",
    "verify",
    "with_extents",
    "with_following_extents",
    "with_free_axes",
]
