"""The text form of a graph: printing. Reading it back is in parse.py.

    graph digits
    input %x : f32[N,1,8,8]
    const @stem.weight : f32[16,1,3,3]
    const @block.weight : signed_binary[16,16,3,3] density 0.354 centred
    %conv = conv2d(%x) {weight=@stem.weight, padding=(1,1)} : f32[N,16,8,8] from "stem"
    %conv_1 = conv2d(%conv) {weight=@block.weight} : f32[N,16,6,6] from "block"
    output %conv_1

A quantised value says how its codes are meant, after its shape:

    %q = quantize(%x) : u8[N,1,8,8] scale 0.03125 zero 128 bits 8

An input that may have other extents than these along some axes says which:

    input %x : f32[N,3,224,224] free (2,3)

Where a network hands back more than an array or a tuple of them, a last line says so:

    form {"dict":{"logits":0,"features":1}}

One line per input, constant and node, in that order; constants in the order of their first use;
attributes in the order of the op table, only those the node states; floats as repr prints them,
so that the text reads back to exactly the same graph. The numbers inside constants are not part
of the text. Lines that start with ``#`` are comments.
"""

from __future__ import annotations

import json

from signbin.ir.form import form_to_json
from signbin.ir.graph import AttributeValue, Constant, ConstRef, Graph, Node, Value
from signbin.ir.ops import OPS
from signbin.spec import IntegerWeight, LowBitWeight

__all__ = ["describe_constant", "print_graph"]


def print_graph(graph: Graph) -> str:
    """The graph as text, one line per input, constant, node, one for the outputs and their form."""
    lines = [f"graph {graph.name}"]
    lines += [_input_line(value) for value in graph.inputs]
    for name in _constants_by_first_use(graph):
        lines.append(f"const @{name} : {describe_constant(graph.constants[name])}")
    lines += [_node_line(node) for node in graph.nodes]
    lines.append("output " + ", ".join(f"%{name}" for name in graph.outputs))
    if graph.form is not None:
        lines.append("form " + json.dumps(form_to_json(graph.form), separators=(",", ":")))
    return "\n".join(lines) + "\n"


def _input_line(value: Value) -> str:
    free = f" free {_value_text(value.free)}" if value.free else ""
    return f"input %{value.name} : {value.type}{free}"


def describe_constant(constant: Constant) -> str:
    """Type of a constant: ``f32[16]``, ``ternary[16,16,3,3] density 0.571``; offsets: centred.

    An IntegerWeight is ``integer[16,3,3,3]``.
    """
    shape = ",".join(str(extent) for extent in constant.shape)
    if not isinstance(constant, LowBitWeight):
        return f"{'integer' if isinstance(constant, IntegerWeight) else 'f32'}[{shape}]"
    centred = "" if constant.offset is None else " centred"
    return f"{constant.value_set.value}[{shape}] density {constant.density:.3f}{centred}"


def _constants_by_first_use(graph: Graph) -> list[str]:
    """Names in order of first use in a line of text; unused ones last, sorted."""
    order: dict[str, None] = {}
    for node in graph.nodes:
        for _, value in _ordered_attributes(node):
            if isinstance(value, ConstRef) and value.name in graph.constants:
                order[value.name] = None
    rest = sorted(set(graph.constants) - set(order))
    return [*order, *rest]


def _ordered_attributes(node: Node) -> list[tuple[str, AttributeValue]]:
    """Attributes in table order; those of an unknown op, or unknown to it, last and sorted."""
    known = list(OPS[node.op].attributes) if node.op in OPS else []
    rest = sorted(set(node.attributes) - set(known))
    return [(name, node.attributes[name]) for name in [*known, *rest] if name in node.attributes]


def _node_line(node: Node) -> str:
    inputs = ", ".join(f"%{name}" for name in node.inputs)
    stated = [f"{name}={_value_text(value)}" for name, value in _ordered_attributes(node)]
    attributes = " {" + ", ".join(stated) + "}" if stated else ""
    source = f" from {json.dumps(node.source)}" if node.source else ""
    return f"%{node.name} = {node.op}({inputs}){attributes} : {node.type}{source}"


def _value_text(value: AttributeValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float.__repr__(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, tuple):
        return "(" + ",".join(str(member) for member in value) + ")"
    return str(value)
