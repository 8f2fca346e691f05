"""A graph as an ONNX model that any runtime runs: flavour ``float``.

Weights are dequantised to float32, operators are standard ones of opset 17, values keep the
names they have in the graph, and the batch is free (dimension ``N``). Every model is checked
by ONNX's checker and by its shape inference, whose shapes must be the graph's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from signbin.errors import VerifyError
from signbin.files import write_whole
from signbin.ir import BATCH, Graph, TensorType, verify

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

__all__ = ["to_onnx", "write_onnx"]

_OPSET: Final = 17
_IR_VERSION: Final = 8  # the one that came with opset 17: older runtimes refuse later ones
_BATCH_NAME: Final = "N"


def to_onnx(graph: Graph) -> ModelProto:
    """The graph, captured or lowered, as a checked ModelProto; the same bytes every time.

    Raises VerifyError for a graph that breaks the rules of the IR, one whose output is an input,
    one with u8 values, or one that ONNX understands differently. Needs the package onnx.
    """
    from onnx import checker, helper  # noqa: PLC0415 - an extra

    from signbin.interop.onnx_nodes import OnnxWriter  # noqa: PLC0415

    verify(graph)
    _require_computed_outputs(graph)
    _require_numbers(graph)
    writer = OnnxWriter(graph)
    for node in graph.nodes:
        writer.write(node)
    body = helper.make_graph(
        writer.nodes,
        graph.name,
        [_value_info(value.name, value.type) for value in graph.inputs],
        [_value_info(name, graph.type_of(name)) for name in graph.outputs],
        list(writer.constants.values()),
    )
    model = helper.make_model(
        body,
        producer_name="signbin",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )
    checker.check_model(model, full_check=True)
    _require_same_shapes(graph, model)
    return model


def write_onnx(graph: Graph, path: Path) -> None:
    """Write :func:`to_onnx` of a graph to a file, whole or not at all; replaces what is there.

    OSError where the folder cannot be written.
    """
    write_whole({path: to_onnx(graph).SerializeToString(deterministic=True)})


def _value_info(name: str, type_: TensorType) -> ValueInfoProto:
    from onnx import TensorProto, helper  # noqa: PLC0415

    shape = [_BATCH_NAME if extent == BATCH else extent for extent in type_.shape]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _require_numbers(graph: Graph) -> None:
    for node in graph.nodes:
        if node.type.dtype != "f32":
            raise VerifyError(
                f"type of %{node.name} in ONNX",
                value=str(node.type),
                allowed="f32: the flavour float has no codes",
                remedy="export the model compiled with float activations",
            )


def _require_computed_outputs(graph: Graph) -> None:
    computed = {node.name for node in graph.nodes}
    for name in graph.outputs:
        if name not in computed:
            raise VerifyError(f"output of graph {graph.name}", value=name, allowed="a node's value")


def _require_same_shapes(graph: Graph, model: ModelProto) -> None:
    """ONNX must infer for every node the extents the graph states (the batch aside)."""
    from onnx import shape_inference  # noqa: PLC0415

    inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    for info in [*inferred.value_info, *inferred.output]:
        extents = tuple(dimension.dim_value for dimension in info.type.tensor_type.shape.dim)
        if "/" not in info.name and extents[1:] != graph.type_of(info.name).shape[1:]:
            raise VerifyError(
                f"shape of %{info.name} in ONNX",
                value=extents,
                allowed=str(graph.type_of(info.name)),
                remedy="this is an error of the export",
            )
