"""Pass: hold the values between layers as 8-bit codes, from a quantize at the start to f32 outputs.

Not one of PASSES, which change no numbers: it runs after them, on a lowered graph, where a caller
wants it and has calibrated specs.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final

import numpy as np

from signbin.errors import SpecError, VerifyError
from signbin.ir import OPS, Graph, Node, TensorType, verify
from signbin.ir.schema import Arguments, TypeRule
from signbin.ir.type_rules import verify_types
from signbin.passes.rewrite import WEIGHTED_OPS, Constants, with_nodes
from signbin.spec import ActivationSpec, IntegerWeight

__all__ = ["quantize_activations"]

_SHOWN: Final = 12


def quantize_activations(
    graph: Graph, specs: Mapping[str, ActivationSpec], float_layers: Collection[str] = ()
) -> Graph:
    """The lowered graph with u8 values wherever only nodes that compute on codes read them.

    specs: by value name, for every value of the graph. float_layers: layers to leave in float32, by
    the name of a node or of a module, see :meth:`Graph.layer_modules`.

    Convolutions and linear layers compute on codes unless they are left out, or a sum could leave
    int32 or a constant float32; their float weights become IntegerWeight. Other operations do
    where they get codes anyway. A value is u8 where all its readers compute on codes; what a
    float node or an output reads is f32, straight from the sums, and is quantised beside that for
    readers on codes. Names stay: value ``v`` of the result stands for the number ``v`` was; new
    ones are ``v.codes``.

    SpecError for a layer that does not exist or a spec that is missing.
    """
    left_float = _nodes_of(graph, float_layers)
    while True:
        rewriting = _Rewriting(graph, specs, _on_codes(graph, left_float))
        made, refused = rewriting.run()
        if not refused:
            verify(made)
            return made
        left_float |= refused


def _nodes_of(graph: Graph, layers: Collection[str]) -> set[str]:
    modules = graph.layer_modules()
    found: set[str] = set()
    for layer in layers:
        # A module called "0" has constants called "_0.weight": names start with no digit.
        as_module = {layer, f"_{layer}"}
        named = {
            node.name
            for node in graph.nodes
            if layer in (node.name, node.source) or modules.get(node.name) in as_module
        }
        if not named:
            shown = list(modules.values())
            more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
            raise SpecError(
                "layer to leave in float",
                value=layer,
                allowed=", ".join(shown[:_SHOWN]) + more,
            )
        found |= named
    return found


def _on_codes(graph: Graph, left_float: set[str]) -> set[str]:
    """Names of the nodes that compute on codes: all that can, less those that do not get any."""
    chosen = {
        node.name
        for node in graph.nodes
        if OPS[node.op].types in (TypeRule.REQUANTIZED, TypeRule.KEPT, TypeRule.JOINED)
        and node.name not in left_float
    }
    while True:
        codes = _held_as_codes(graph, chosen)
        kept = {node.name for node in graph.nodes if node.name in chosen and _stays(node, codes)}
        if kept == chosen:
            return chosen
        chosen = kept


def _stays(node: Node, codes: set[str]) -> bool:
    if node.op in WEIGHTED_OPS:
        return True
    if OPS[node.op].types is TypeRule.KEPT:
        return node.inputs[0] in codes and node.name in codes
    return not codes.isdisjoint(node.inputs)


def _held_as_codes(graph: Graph, on_codes: set[str]) -> set[str]:
    """Names of the values that a node on codes makes and that nodes on codes alone read."""
    readers: dict[str, list[str]] = defaultdict(list)
    for node in graph.nodes:
        for name in node.inputs:
            readers[name].append(node.name)
    return {
        name
        for name in on_codes
        if name not in graph.outputs and readers[name] and on_codes.issuperset(readers[name])
    }


class _Rewriting:
    """One attempt: the graph with the given nodes on codes."""

    def __init__(
        self, graph: Graph, specs: Mapping[str, ActivationSpec], on_codes: set[str]
    ) -> None:
        self._graph, self._specs, self._on_codes = graph, specs, on_codes
        self._codes = _held_as_codes(graph, on_codes)
        self._constants = Constants(graph)
        self._types = {value.name: value.type for value in graph.inputs}
        self._taken = {*self._types, *(node.name for node in graph.nodes)}
        self._quantized: dict[str, str] = {}
        self._nodes: list[Node] = []

    def run(self) -> tuple[Graph, set[str]]:
        """The new graph, and the nodes that must not compute on codes after all."""
        refused = set()
        for original in self._graph.nodes:
            node = original
            if original.name in self._on_codes:
                node = self._on_codes_node(original)
                refused |= {original.name} if self._is_refused(node) else set()
            self._types[node.name] = node.type
            self._nodes.append(node)
        return with_nodes(self._graph, self._nodes, self._constants.table), refused

    def _on_codes_node(self, node: Node) -> Node:
        inputs = tuple(
            name if self._types[name].dtype == "u8" else self._quantize(name)
            for name in node.inputs
        )
        type_ = node.type
        if node.name in self._codes:
            kept = OPS[node.op].types is TypeRule.KEPT
            spec = self._types[inputs[0]].quantization if kept else self._spec(node.name)
            type_ = TensorType("u8", node.type.shape, spec)
        attributes = dict(node.attributes)
        if node.op in WEIGHTED_OPS:
            weight = self._constants[attributes["weight"]]
            if isinstance(weight, np.ndarray):
                integer = IntegerWeight.from_float(weight)
                attributes["weight"] = self._constants.replace(attributes["weight"], integer)
        return dataclasses.replace(node, inputs=inputs, attributes=attributes, type=type_)

    def _quantize(self, name: str) -> str:
        """The name of the codes of an f32 value, quantised once for all its readers."""
        if name not in self._quantized:
            codes = self._fresh(name)
            type_ = TensorType("u8", self._types[name].shape, self._spec(name))
            self._nodes.append(Node(codes, "quantize", (name,), {}, type_))
            self._types[codes] = type_
            self._quantized[name] = codes
        return self._quantized[name]

    def _fresh(self, value: str) -> str:
        name, number = f"{value[:240]}.codes", 1
        while name in self._taken:
            number += 1
            name = f"{value[:240]}.codes_{number}"
        self._taken.add(name)
        return name

    def _spec(self, value: str) -> ActivationSpec:
        if value not in self._specs:
            raise SpecError("spec of a value", value=value, allowed="one for every value")
        return self._specs[value]

    def _is_refused(self, node: Node) -> bool:
        """Whether a sum could leave int32, or a constant of the chain float32."""
        op = OPS[node.op]
        types = tuple(self._types[name] for name in node.inputs)
        arguments = Arguments(node, types, op.resolve(node), self._constants.table)
        try:
            verify_types(arguments, op)
        except VerifyError:
            return True
        return False
