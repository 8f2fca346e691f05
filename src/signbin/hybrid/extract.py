"""A part of an ONNX model as a model of its own."""

from __future__ import annotations

from onnx import ModelProto, ValueInfoProto, helper

from signbin.errors import CaptureError
from signbin.hybrid.cut import Piece
from signbin.hybrid.network import OnnxNetwork

__all__ = ["extract", "node_order"]


def extract(network: OnnxNetwork, piece: Piece) -> ModelProto:
    """The nodes of a piece, the fixed ones they read, and the constants of both.

    Inputs and outputs are the piece's, of the types the network gives them; opsets, IR version and
    names stay. CaptureError where nothing says what type a value has that crosses the cut.
    """
    kept = node_order(network, piece)
    read = {name for node in kept for name in network.reads[node]}
    constants = [tensor for name, tensor in network.constants.items() if name in read]
    inside = {name for node in kept for name in network.writes[node]}
    known = [info for name, info in network.types.items() if name in inside - set(piece.outputs)]
    graph = helper.make_graph(
        [network.nodes[node] for node in kept],
        network.model.graph.name,
        [_type_of(network, name) for name in piece.inputs],
        [_type_of(network, name) for name in piece.outputs],
        constants,
        value_info=known,
    )
    return helper.make_model(
        graph,
        producer_name="signbin",
        ir_version=network.model.ir_version,
        opset_imports=list(network.model.opset_import),
    )


def node_order(network: OnnxNetwork, piece: Piece) -> list[int]:
    """The network's numbers of the nodes of :func:`extract`'s model, in its order."""
    return sorted({*piece.nodes, *_fixed_before(network, piece)})


def _fixed_before(network: OnnxNetwork, piece: Piece) -> set[int]:
    found: set[int] = set()
    waiting = list(piece.nodes)
    while waiting:
        for need in network.needs[waiting.pop()]:
            if need in network.fixed and need not in found:
                found.add(need)
                waiting.append(need)
    return found


def _type_of(network: OnnxNetwork, name: str) -> ValueInfoProto:
    info = network.types.get(name)
    if info is None or not info.type.WhichOneof("value"):
        raise CaptureError(
            f"value {name} of ONNX model {network.model.graph.name}",
            value="no type",
            allowed="a type that ONNX infers, for values that parts hand to one another",
            remedy="run onnx.shape_inference.infer_shapes over the model, or name the types in it",
        )
    return info
