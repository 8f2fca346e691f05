"""The network with float weights and activations that a model stands for: what peers are given."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from signbin import artifact
from signbin.artifact import Artifact
from signbin.errors import SpecError
from signbin.ir import Graph, TensorType
from signbin.passes import dequantize_activations

__all__ = ["FloatNetwork", "float_network"]


@dataclasses.dataclass(frozen=True, eq=False)
class FloatNetwork:
    """A graph in float32, and where it came from, in words. is_the_model: it is the model's."""

    graph: Graph
    source: str
    is_the_model: bool = False


def float_network(opened: Artifact, given: Path | None = None) -> FloatNetwork:
    """The float network of a model: itself, where its activations are float.

    Else the graph of ``given``, the .sbn file that the model was made from; without it the model
    with its activations dequantised, whose dense weights keep their rounding to 7 bits. Speed
    does not depend on which it is; how far apart model and float network are does.

    SpecError where the model needs no file, or where the file holds 8-bit activations, or another
    input or output.
    """
    if not opened.graph.has_codes:
        if given is not None:
            raise SpecError(
                "--float",
                value=str(given),
                allowed="only for a model with 8-bit activations",
                remedy="this one has float activations: it is its own float network",
            )
        return FloatNetwork(opened.graph, "the model itself", is_the_model=True)
    if given is None:
        return FloatNetwork(
            dequantize_activations(opened.graph), "the model, its activations dequantised"
        )
    graph = artifact.read(given).graph
    wanted, found = _interface(opened.graph), _interface(graph)
    if graph.has_codes or wanted != found:
        raise SpecError(
            "--float",
            value=f"{given}: {'8-bit activations' if graph.has_codes else found}",
            allowed=f"float activations, {wanted}",
            remedy="name the .sbn file that the model was made from",
        )
    return FloatNetwork(graph, "the float model it was made from")


def _interface(graph: Graph) -> str:
    """The types of all inputs and outputs, in words."""
    types: tuple[list[TensorType], list[TensorType]] = (
        [value.type for value in graph.inputs],
        [graph.type_of(name) for name in graph.outputs],
    )
    return " -> ".join(", ".join(map(str, each)) for each in types)
