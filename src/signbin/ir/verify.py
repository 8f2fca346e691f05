"""The rules every graph obeys, checked wherever a graph crosses a door.

All arithmetic on sizes is on Python integers and every size is capped, so that whatever reads a
verified graph cannot overflow.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Container, Iterable, Mapping
from typing import Final

import numpy as np

from signbin.errors import VerifyError
from signbin.ir.form import numbers_of
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
from signbin.ir.ops import OPS
from signbin.ir.schema import (
    MAX_AXIS,
    MAX_ELEMENTS,
    Arguments,
    Attribute,
    AttributeKind,
    Op,
)
from signbin.ir.type_rules import verify_types
from signbin.spec import ActivationSpec, IntegerWeight, LowBitWeight

__all__ = ["MAX_NODES", "MAX_RANK", "MAX_SOURCE", "verify"]

MAX_NODES: Final = 4096
"""Most nodes, most inputs and most constants of one graph."""
MAX_RANK: Final = MAX_AXIS + 1
"""Most axes of a value, the batch included."""
MAX_SOURCE: Final = 255
"""Longest module name a node may carry."""

_COUNTS: Final[Mapping[AttributeKind, Container[int]]] = {
    AttributeKind.INT: (1,),
    AttributeKind.PAIR: (2,),
    AttributeKind.MARGINS: (2, 4),
    AttributeKind.NUMBERS: range(1, 9),
}
_NAME_RULE: Final = "1 to 255 letters, digits, '_' and '.', not starting with a digit or '.'"


def verify(graph: Graph) -> None:
    """Check that the graph obeys every rule; VerifyError names the node, the value and a remedy.

    Names are legal and unique; values are defined before they are read; ops, attributes and
    their types and ranges are those of the op table; constants exist, are finite, have the
    right shape and are all used; shapes and types follow the rules; inputs and outputs of the
    graph are f32; outputs exist.
    """
    _verify_sizes(graph)
    _verify_name("graph", graph.name)
    for name, constant in graph.constants.items():
        _verify_constant(name, constant)
    types: dict[str, TensorType] = {}
    for value in graph.inputs:
        _verify_new_name("input", value.name, types)
        _verify_type(f"input %{value.name}", value.type)
        _verify_real("input", value.name, value.type)
        _verify_free(value)
        types[value.name] = value.type
    for node in graph.nodes:
        _verify_new_name("node", node.name, types)
        _verify_node(graph, node, types)
        types[node.name] = node.type
    _verify_outputs(graph.outputs, types)
    _verify_form(graph)
    used = {name for node in graph.nodes for name in node.constant_names()}
    for name in graph.constants:
        if name not in used:
            raise VerifyError(f"constant @{name}: no node uses it", remedy="remove the constant")


def _verify_sizes(graph: Graph) -> None:
    for what, count in (
        ("inputs", len(graph.inputs)),
        ("nodes", len(graph.nodes)),
        ("constants", len(graph.constants)),
    ):
        if count > MAX_NODES:
            raise VerifyError(f"number of {what}", value=count, allowed=f"<= {MAX_NODES}")
    if not graph.inputs:
        raise VerifyError("number of inputs", value=0, allowed="at least 1")


def _verify_name(what: str, name: object) -> None:
    if not isinstance(name, str) or not is_name(name):
        raise VerifyError(f"name of a {what}", value=name, allowed=_NAME_RULE, remedy="rename it")


def _verify_new_name(what: str, name: str, types: dict[str, TensorType]) -> None:
    _verify_name(what, name)
    if name in types:
        raise VerifyError(
            f"{what} %{name}: the name is taken",
            value=name,
            allowed="one value per name",
            remedy="rename it",
        )


def _verify_constant(name: str, constant: Constant) -> None:
    _verify_name("constant", name)
    if isinstance(constant, LowBitWeight | IntegerWeight):
        elements = constant.codes.size
    elif isinstance(constant, np.ndarray) and constant.dtype == np.float32 and constant.size:
        elements = constant.size
    else:
        raise VerifyError(
            f"constant @{name}",
            value=(type(constant).__name__, getattr(constant, "dtype", None)),
            allowed="a float32 array with elements, a LowBitWeight or an IntegerWeight",
            remedy="convert it",
        )
    if elements > MAX_ELEMENTS:
        raise VerifyError(
            f"elements of constant @{name}", value=elements, allowed=f"<= {MAX_ELEMENTS}"
        )
    if isinstance(constant, np.ndarray) and not np.isfinite(constant).all():
        raise VerifyError(
            f"constant @{name}",
            value=constant[~np.isfinite(constant)][0].item(),
            allowed="finite numbers",
            remedy="look for a training run that diverged",
        )


def _verify_type(what: str, tensor: TensorType) -> None:
    shape = tensor.shape
    if tensor.dtype not in ("f32", "u8"):
        raise VerifyError(f"type of {what}", value=tensor.dtype, allowed="f32 or u8")
    wanted = type(None) if tensor.dtype == "f32" else ActivationSpec
    if not isinstance(tensor.quantization, wanted):
        raise VerifyError(
            f"quantization of {what}",
            value=tensor.quantization,
            allowed="scale, zero point and bits for u8, none for f32",
        )
    legal = (
        isinstance(shape, tuple)
        and 2 <= len(shape) <= MAX_RANK
        and all(type(extent) is int for extent in shape)
        and shape[0] == BATCH
        and all(1 <= extent <= MAX_ELEMENTS for extent in shape[1:])
    )
    if not legal:
        raise VerifyError(
            f"shape of {what}",
            value=shape,
            allowed=f"[N,C,...] of 2 to {MAX_RANK} axes, extents 1..{MAX_ELEMENTS}",
        )
    if math.prod(shape[1:]) > MAX_ELEMENTS:
        raise VerifyError(
            f"elements per image of {what}",
            value=math.prod(shape[1:]),
            allowed=f"<= {MAX_ELEMENTS}",
        )


def _verify_free(value: Value) -> None:
    axes = value.free
    legal = isinstance(axes, tuple) and all(type(axis) is int for axis in axes)
    ascending = legal and list(axes) == sorted(set(axes))
    if not ascending or any(not 1 <= axis < len(value.type.shape) for axis in axes):
        raise VerifyError(
            f"free axes of input %{value.name}",
            value=axes,
            allowed=f"some of 1..{len(value.type.shape) - 1}, ascending, each once",
        )


def _verify_real(what: str, name: str, type_: TensorType) -> None:
    if type_.dtype != "f32":
        raise VerifyError(
            f"type of {what} %{name}",
            value=str(type_),
            allowed="f32 at the edges of a graph",
            remedy="insert quantize or dequantize",
        )


def _verify_node(graph: Graph, node: Node, types: dict[str, TensorType]) -> None:
    label = f"node %{node.name}"
    op = OPS.get(node.op)
    if op is None:
        raise VerifyError(f"op of {label}", value=node.op, allowed=", ".join(OPS))
    if not isinstance(node.source, str) or not _is_source(node.source):
        raise VerifyError(
            f"source of {label}",
            value=node.source,
            allowed=f"up to {MAX_SOURCE} printable characters",
        )
    _verify_type(label, node.type)
    inputs = _verify_inputs(node, op, types)
    arguments = Arguments(node, inputs, _resolved(node, op), graph.constants)
    for name, attribute in op.attributes.items():
        if attribute.kind is not AttributeKind.CONSTANT:
            _verify_scalar(arguments, name, attribute)
    for name, attribute in op.attributes.items():
        if attribute.kind is AttributeKind.CONSTANT:
            _verify_reference(arguments, name, attribute)
    shape = op.shape_rule(arguments)
    if node.type.shape != shape:
        expected = dataclasses.replace(node.type, shape=shape)
        raise arguments.refusal(
            "type", value=str(node.type), allowed=f"{expected}, by the shape rule"
        )
    verify_types(arguments, op)


def _is_source(text: str) -> bool:
    return len(text) <= MAX_SOURCE and text.isprintable()


def _verify_inputs(node: Node, op: Op, types: dict[str, TensorType]) -> tuple[TensorType, ...]:
    label = f"node %{node.name} ({node.op})"
    if not op.least_inputs <= len(node.inputs) <= op.most_inputs:
        least, most = op.least_inputs, op.most_inputs
        raise VerifyError(
            f"{label}: number of inputs",
            value=len(node.inputs),
            allowed=str(least) if least == most else f"{least} to {most}",
        )
    for name in node.inputs:
        if name not in types:
            raise VerifyError(
                f"{label}: input %{name} is not defined before it is read",
                value=name,
                allowed="a graph input or an earlier node",
                remedy="reorder the nodes or correct the name",
            )
    return tuple(types[name] for name in node.inputs)


def _resolved(node: Node, op: Op) -> dict[str, AttributeValue | None]:
    """The attributes with defaults; refuses unknown and missing ones."""
    label = f"node %{node.name} ({node.op})"
    for name in node.attributes:
        if name not in op.attributes:
            raise VerifyError(
                f"{label}: attribute {name!s}",
                value=node.attributes[name],
                allowed=", ".join(op.attributes) or "no attributes",
                remedy="remove it",
            )
    for name, attribute in op.attributes.items():
        if attribute.required and name not in node.attributes:
            raise VerifyError(
                f"{label}: attribute {name} is missing",
                allowed=attribute.kind.value,
                remedy="state it",
            )
    return op.resolve(node)


def _verify_scalar(arguments: Arguments, name: str, attribute: Attribute) -> None:
    value = arguments.attributes[name]
    if attribute.kind is AttributeKind.WORD:
        legal, allowed = type(value) is str and value in attribute.words, ", ".join(attribute.words)
    elif attribute.kind is AttributeKind.BOOL:
        legal, allowed = type(value) is bool, attribute.kind.value
    elif attribute.kind is AttributeKind.FLOAT:
        legal = type(value) is float and _is_real(value, attribute)
        allowed = "a float, " + ("not nan" if attribute.infinite else "finite in float32")
        allowed += f", >= {attribute.minimum}" if attribute.minimum > -np.inf else ""
    else:
        counts = _COUNTS[attribute.kind]
        members = (value,) if attribute.kind is AttributeKind.INT else value
        legal = _are_integers(members, attribute, counts)
        allowed = f"{attribute.kind.value}, {attribute.minimum:g}..{attribute.maximum:g}"
    if not legal:
        raise arguments.refusal(f"attribute {name}", value=value, allowed=allowed)


def _is_real(value: float, attribute: Attribute) -> bool:
    if math.isinf(value):
        return attribute.infinite
    largest = float(np.finfo(np.float32).max)
    return attribute.minimum <= value <= attribute.maximum and abs(value) <= largest


def _are_integers(members: object, attribute: Attribute, counts: Container[int]) -> bool:
    return (
        isinstance(members, tuple)
        and len(members) in counts
        and all(type(member) is int for member in members)
        and all(attribute.minimum <= member <= attribute.maximum for member in members)
    )


def _verify_reference(arguments: Arguments, name: str, attribute: Attribute) -> None:
    reference = arguments.attributes[name]
    if reference is None:
        if name in arguments.node.attributes:
            raise arguments.refusal(
                f"attribute {name}", value=None, allowed="a reference", remedy="remove it"
            )
        return
    if not isinstance(reference, ConstRef):
        raise arguments.refusal(f"attribute {name}", value=reference, allowed=attribute.kind.value)
    constant = arguments.constants.get(reference.name)
    if constant is None:
        raise arguments.refusal(
            f"attribute {name}: no constant {reference}",
            value=reference.name,
            allowed="the name of a constant of the graph",
            remedy="add the constant",
        )
    if not isinstance(constant, np.ndarray) and not attribute.weight:
        raise arguments.refusal(
            f"attribute {name}", value=type(constant).__name__, allowed="a float32 array"
        )
    assert attribute.shape is not None
    expected = attribute.shape(arguments)
    if not _fits(constant.shape, expected):
        raise arguments.refusal(
            f"shape of {name}={reference}",
            value=tuple(constant.shape),
            allowed="(" + ", ".join("any" if e is None else str(e) for e in expected) + ")",
            remedy="correct the constant",
        )


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        want in (None, extent) for extent, want in zip(shape, expected, strict=True)
    )


def _verify_form(graph: Graph) -> None:
    """Every output stands somewhere in the form, and nothing else does."""
    if graph.form is None:
        return
    numbers = numbers_of(graph.form)
    if set(numbers) != set(range(len(graph.outputs))):
        raise VerifyError(
            "form of the outputs",
            value=numbers,
            allowed=f"every number below {len(graph.outputs)}, and no other",
        )


def _verify_outputs(outputs: Iterable[str], types: dict[str, TensorType]) -> None:
    seen: set[str] = set()
    for name in outputs:
        if name not in types or name in seen:
            raise VerifyError(
                "output",
                value=name,
                allowed="an input or node of the graph, named once",
                remedy="correct the list of outputs",
            )
        _verify_real("output", name, types[name])
        seen.add(name)
    if not seen:
        raise VerifyError("number of outputs", value=0, allowed="at least 1")
