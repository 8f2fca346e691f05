"""Operators and constants of an ONNX model while the nodes of a graph are written, one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from signbin.ir import ConstRef, Graph, Node

__all__ = ["OnnxCollector", "OnnxStep"]


@dataclasses.dataclass
class OnnxCollector:
    """What is written of one graph so far."""

    graph: Graph
    opset: int = 17
    nodes: list[NodeProto] = dataclasses.field(default_factory=list)
    constants: dict[str, TensorProto] = dataclasses.field(default_factory=dict)
    made: set[str] = dataclasses.field(default_factory=set)
    modules: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Operators are called by the modules that users know the nodes by."""
        self.modules = self.graph.modules()

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """Add an initialiser; its name in the model: its own, where no value may have that."""
        taken = "/" in name or name in self.graph.types()
        full = f"constant/{name}" if taken else name
        self.constants[full] = numpy_helper.from_array(np.asarray(array, order="C"), full)
        return full

    def stored(self, name: str) -> str:
        """Add a constant of the graph, as float32; its name in the model."""
        return self.constant(name, self.graph.array(ConstRef(name)))

    def append(
        self, node: Node | None, operator: str, inputs: list[str], result: str, **attributes: Any
    ) -> str:
        """Append an operator of one result, called by the module of the node it is part of.

        Of layers with weights that is the weight's, whatever was fused into them: viewers as Netron
        then show a network as its author named it.
        """
        module = "" if node is None else self._module(node)
        name = self._free_name(f"/{module.replace('.', '/')}/{operator}") if module else result
        self.nodes.append(helper.make_node(operator, inputs, [result], name=name, **attributes))
        return result

    def _module(self, node: Node) -> str:
        """Also of a node that a flavour made of one: its name is the other's and a part."""
        return self.modules.get(node.name.partition("/")[0], node.source)

    def _free_name(self, name: str) -> str:
        free, number = name, 0
        while free in self.made:
            number += 1
            free = f"{name}_{number}"
        self.made.add(free)
        return free


@dataclasses.dataclass(frozen=True)
class OnnxStep:
    """One node on its way: its resolved attributes, and how to add operators for it."""

    writer: OnnxCollector
    node: Node
    attributes: Mapping[str, Any]

    @property
    def source(self) -> str:
        """The node's first input."""
        return self.node.inputs[0]

    @property
    def rank(self) -> int:
        """Axes of the node's value."""
        return len(self.node.type.shape)

    def add(self, operator: str, inputs: list[str], part: str = "", **attributes: Any) -> str:
        """Append an operator; ``part`` names a result that is not the node's own."""
        result = f"{self.node.name}/{part}" if part else self.node.name
        return self.writer.append(self.node, operator, inputs, result, **attributes)

    def array(self, attribute: str) -> NDArray[np.float32]:
        """The numbers of a constant that an attribute names."""
        return self.writer.graph.array(self.attributes[attribute])

    def has(self, attribute: str) -> bool:
        """Whether an attribute names a constant."""
        return isinstance(self.attributes.get(attribute), ConstRef)

    def stored(self, attribute: str) -> str:
        """The constant of an attribute, as it is."""
        return self.writer.stored(self.attributes[attribute].name)

    def per_channel(self, attribute: str) -> str:
        """A vector (C,) as (C, 1, 1), or (C,) beside [N, C] and rows: it broadcasts along C."""
        behind = 0 if self.node.op == "linear" else self.rank - 2
        column = self.array(attribute).reshape((-1,) + (1,) * behind)
        name = self.attributes[attribute].name
        return self.writer.constant(f"{name}/{column.ndim}d", column)

    def scalar(self, name: str, value: float) -> str:
        """A number as a constant of the node's own."""
        return self.writer.constant(f"{self.node.name}/{name}", np.array(value, np.float32))

    def whole_numbers(self, name: str, *numbers: int) -> str:
        """Whole numbers as a constant of the node's own."""
        return self.writer.constant(f"{self.node.name}/{name}", np.array(numbers, np.int64))

    def clip(self, value: str, part: str = "") -> str:
        """Infinite bounds are left out."""
        low, high = (self.attributes[name] for name in ("low", "high"))
        bounds = [
            self.scalar("low", low) if np.isfinite(low) else "",
            self.scalar("high", high) if np.isfinite(high) else "",
        ]
        while bounds and not bounds[-1]:
            bounds.pop()
        return self.add("Clip" if bounds else "Identity", [value, *bounds], part)
