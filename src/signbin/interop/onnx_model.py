"""A graph as an ONNX model: for any runtime, or with its codes.

Values and weights keep the names they have in the graph, operators have the module's, and the batch
is free (dimension ``N``). Every model is checked by ONNX's checker; where all its operators are
ONNX's own, by its shape inference, whose shapes must be the graph's own.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from signbin.errors import SpecError, VerifyError
from signbin.files import write_whole
from signbin.ir import BATCH, Graph, TensorType, verify

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

    from signbin.interop.onnx_nodes import OnnxWriter

__all__ = ["Flavour", "to_onnx", "write_onnx"]

_OPSET: Final = 17
_IR_VERSIONS: Final = {17: 8, 25: 13}  # those that came with them: older runtimes refuse later ones
_BATCH_NAME: Final = "N"


class Flavour(enum.Enum):
    """How weights and activations with codes are written.

    float: as float32 numbers, for any runtime; of float activations alone. qdq: as codes, with
    QuantizeLinear and DequantizeLinear, for ONNX Runtime, OpenVINO, TensorRT and others. qonnx:
    with Quant and BipolarQuant, for QONNX's tools, FINN and hls4ml.
    """

    FLOAT = "float"
    QDQ = "qdq"
    QONNX = "qonnx"


def to_onnx(graph: Graph, flavour: Flavour = Flavour.FLOAT, *, opset: int = _OPSET) -> ModelProto:
    """The graph, captured or lowered, as a checked ModelProto; the same bytes every time.

    opset: 17; or 25, in which weights of the flavour qdq take two bits.

    Raises VerifyError for a graph that breaks the rules of the IR, one whose output is an input,
    one with u8 values in the flavour float, or one that ONNX understands differently; SpecError for
    another opset. Needs the package onnx.
    """
    from onnx import checker, helper  # noqa: PLC0415 - an extra

    if opset not in _IR_VERSIONS:
        raise SpecError("opset", value=opset, allowed=", ".join(map(str, _IR_VERSIONS)))
    verify(graph)
    _require_computed_outputs(graph)
    if flavour is Flavour.FLOAT:
        _require_numbers(graph)
    writer = _writer(graph, flavour, opset)
    for node in graph.nodes:
        writer.write(node)
    own = flavour is not Flavour.QONNX
    known = [] if own else [_value_info(node.name, node.type) for node in graph.nodes]
    body = helper.make_graph(
        writer.nodes,
        graph.name,
        [_value_info(value.name, value.type) for value in graph.inputs],
        [_value_info(name, graph.type_of(name)) for name in graph.outputs],
        list(writer.constants.values()),
        value_info=[info for info in known if info.name not in graph.outputs],
    )
    model = helper.make_model(
        body,
        producer_name="signbin",
        ir_version=_IR_VERSIONS[opset],
        opset_imports=[helper.make_opsetid(*each) for each in _domains(flavour, opset)],
    )
    checker.check_model(model, full_check=own)
    if own:
        _require_same_shapes(graph, model)
    return model


def write_onnx(graph: Graph, path: Path) -> None:
    """Write :func:`to_onnx` of a graph to a file, whole or not at all; replaces what is there.

    OSError where the folder cannot be written.
    """
    write_whole({path: to_onnx(graph).SerializeToString(deterministic=True)})


def _writer(graph: Graph, flavour: Flavour, opset: int) -> OnnxWriter:
    from signbin.interop.flavours import QdqWriter, QonnxWriter  # noqa: PLC0415 - an extra
    from signbin.interop.onnx_nodes import OnnxWriter  # noqa: PLC0415

    kinds = {Flavour.FLOAT: OnnxWriter, Flavour.QDQ: QdqWriter, Flavour.QONNX: QonnxWriter}
    return kinds[flavour](graph, opset)


def _domains(flavour: Flavour, opset: int) -> list[tuple[str, int]]:
    from signbin.interop.flavours import QONNX_DOMAIN  # noqa: PLC0415 - an extra

    return [("", opset), *([(QONNX_DOMAIN, 1)] if flavour is Flavour.QONNX else [])]


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
