"""The intermediate representation: an immutable graph of named tensor operations.

A Graph is a tuple of nodes in execution order. A node reads values by name, holds its
parameters in ``attributes`` and refers to constants (weights, biases) by name through
ConstRef. Nothing is mutated: passes build new graphs with :func:`dataclasses.replace`.

Shapes are per image batch: the first extent is always the batch, written ``N`` and held as 0,
because every program accepts any batch.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.ir.form import Form
from signbin.spec import ActivationSpec, IntegerWeight, LowBitWeight

__all__ = [
    "BATCH",
    "AttributeValue",
    "ConstRef",
    "Constant",
    "Graph",
    "Node",
    "TensorType",
    "Value",
    "is_name",
]

BATCH: Final = 0
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,254}\Z")
_OF_A_WEIGHT: Final = re.compile(r"\.weight(\.group_\d+)?\Z")


def is_name(text: str) -> bool:
    """Whether text may name a value, a constant or a graph: letters, digits, '_' and '.'."""
    return bool(_NAME.match(text))


@dataclasses.dataclass(frozen=True)
class TensorType:
    """dtype, shape (shape[0] is BATCH), and how the codes of a quantised value are meant.

    dtype: ``f32``, without quantization, or ``u8``, with it.

    >>> print(TensorType("f32", (BATCH, 3, 32, 32)))
    f32[N,3,32,32]
    >>> print(TensorType("u8", (BATCH, 3, 32, 32), ActivationSpec(0.5, 128, 8)))
    u8[N,3,32,32] scale 0.5 zero 128 bits 8
    """

    dtype: str
    shape: tuple[int, ...]
    quantization: ActivationSpec | None = None

    def __str__(self) -> str:
        extents = ",".join("N" if extent == BATCH else str(extent) for extent in self.shape)
        text = f"{self.dtype}[{extents}]"
        if self.quantization is None:
            return text
        spec = self.quantization
        return f"{text} scale {spec.scale!r} zero {spec.zero_point} bits {spec.bits}"


@dataclasses.dataclass(frozen=True)
class Value:
    """A named graph input.

    free: axes along which a program takes other extents than those of the type, in ascending
    order; the batch, axis 0, is free anyway. The graph is a rule for all of them, see extents.py.
    """

    name: str
    type: TensorType
    free: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class ConstRef:
    """A reference to an entry of Graph.constants; printed ``@name``."""

    name: str

    def __str__(self) -> str:
        return f"@{self.name}"


AttributeValue: TypeAlias = bool | int | float | str | tuple[int, ...] | ConstRef
Constant: TypeAlias = NDArray[np.float32] | LowBitWeight | IntegerWeight


@dataclasses.dataclass(frozen=True)
class Node:
    """One operation: ``%name = op(%inputs...) {attributes} : type``.

    name: also the name of its only result. source: the fully qualified name of the module it
    came from ("" where there is none); passes that fuse keep the last module's.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, AttributeValue]
    type: TensorType
    source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "attributes", MappingProxyType(dict(self.attributes)))

    def constant_names(self) -> Iterator[str]:
        """Names of the constants this node refers to."""
        for value in self.attributes.values():
            if isinstance(value, ConstRef):
                yield value.name


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """Inputs, nodes in execution order, outputs by name, and the constants they refer to.

    form: how the outputs are handed back, see form.py; None: the only one as it is, or a tuple.
    """

    name: str
    inputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, Constant]
    form: Form | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "constants", MappingProxyType(dict(self.constants)))

    def type_of(self, name: str) -> TensorType:
        """Type of a value by name; KeyError where there is none."""
        for value in self.inputs:
            if value.name == name:
                return value.type
        return self.node(name).type

    @property
    def has_codes(self) -> bool:
        """Whether some activations are 8-bit codes."""
        return any(node.type.dtype == "u8" for node in self.nodes)

    def types(self) -> dict[str, TensorType]:
        """Types of all values by name: inputs, then nodes in execution order."""
        types = {value.name: value.type for value in self.inputs}
        types.update({node.name: node.type for node in self.nodes})
        return types

    def node(self, name: str) -> Node:
        """The node that produces the value ``name``; KeyError where there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def consumers(self, name: str) -> tuple[Node, ...]:
        """Nodes that read the value ``name``, in execution order."""
        return tuple(node for node in self.nodes if name in node.inputs)

    def layer_modules(self) -> dict[str, str]:
        """Node name -> module of every layer with weights, in execution order.

        The module is that of the weight: ``layer1.0.conv1`` for ``@layer1.0.conv1.weight``, and for
        ``@layer1.0.conv1.weight.group_2``, a part of it.
        """
        references = {node.name: node.attributes.get("weight") for node in self.nodes}
        return {
            name: _OF_A_WEIGHT.sub("", reference.name)
            for name, reference in references.items()
            if isinstance(reference, ConstRef)
        }

    def modules(self) -> dict[str, str]:
        """Node name -> module of every node, the name users know it by, in execution order.

        Of a layer with weights the weight's, as :meth:`layer_modules`, whatever was fused into it;
        of others the module they came from, "" where there is none.
        """
        return {node.name: node.source for node in self.nodes} | self.layer_modules()

    def array(self, reference: AttributeValue) -> NDArray[np.float32]:
        """The float32 array a ConstRef names, dequantised where it is a weight with codes."""
        if not isinstance(reference, ConstRef):
            raise KeyError(f"not a constant reference: {reference!r}")
        constant = self.constants[reference.name]
        return constant if isinstance(constant, np.ndarray) else constant.dequantized()
