"""export: a model in the format of others, held to our own interpreter before it is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin import artifact
from signbin.errors import ExecutionError, SignbinError, SpecError
from signbin.files import write_whole
from signbin.interop import Flavour, OnnxValues, to_onnx
from signbin.ir import Graph, interpret
from signbin.passes import dequantize_activations, lower
from signbin.spec import LowBitWeight
from signbin.verbs.compile_graph import Watcher, silent
from signbin.verbs.graphs import graph_of
from signbin.verbs.recognition import COMPILABLE, READ, SourceKind, kind_of, refusal
from signbin.verbs.source import load_source

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["READERS", "OnnxExport", "expect_format", "export_onnx", "graph_to_export"]

_TWO_BITS_OPSET: Final = 25
_OPSET: Final = 17
_TOLERANCE: Final = 1e-4
# A float in the middle between two codes may turn one, as for programs on codes.
_CODES_TOLERANCE: Final = 0.05
_SAMPLES: Final = 4
_UNNAMED: Final = "model"  # what a network is called that came without a name

READERS: Final[Mapping[Flavour, str]] = MappingProxyType(
    {
        Flavour.FLOAT: "ONNX Runtime, OpenVINO, TensorRT, MNN and any other reader of opset 17",
        Flavour.QDQ: "ONNX Runtime, OpenVINO and TensorRT, which fuse codes into 8-bit kernels",
        Flavour.QONNX: "the package qonnx, FINN and hls4ml; ONNX Runtime does not",
    }
)


@dataclasses.dataclass(frozen=True)
class OnnxExport:
    """What was written. error: largest difference from our interpreter, relative to its largest
    number; checked_by: who computed it. low_bit_layers: those whose weights have two or three
    values, of all layers; weight_bits: they take in the file.
    """

    file: str
    flavour: str
    opset: int
    size_bytes: int
    operators: int
    low_bit_layers: int
    weight_bits: int
    error: float
    checked_by: str
    read_by: str


def expect_format(name: str, output: Path) -> None:
    """Asked before any work: SpecError for a format that is none, or a folder that is not there."""
    if name != "onnx":
        raise SpecError("--format", value=name, allowed="onnx, c")
    if not output.parent.is_dir():
        raise SpecError("--output", value=str(output), allowed="a file in a folder that is there")


def graph_to_export(source: str, seed: int | None = None, watch: Watcher = silent) -> Graph:
    """The lowered graph of a .sbn file, or of what can be compiled; SpecError for anything else."""
    kind = kind_of(source)
    if kind is SourceKind.COMPILED:
        return artifact.read(Path(source)).graph
    if kind not in COMPILABLE:
        raise refusal(source, "model to export", f"a .sbn file, {READ}")
    watch("tracing the model")
    return lower(graph_of(load_source(source, seed)))


def export_onnx(
    graph: Graph, path: Path, flavour: Flavour, *, opset: int | None = None, watch: Watcher = silent
) -> OnnxExport:
    """Write a lowered graph as ONNX, once another engine has computed the same from it.

    flavour: float dequantises codes; see :class:`signbin.interop.Flavour`. opset: None takes 25
    for qdq with low-bit weights, which then take two bits, where the installed onnx and ONNX
    Runtime know it; else 17. The engine is ONNX Runtime; for qonnx, our own reader of QONNX.

    VerifyError where ONNX cannot say it; ExecutionError where the engine is not installed, or
    computes something else: nothing is written then. SpecError for another opset. A network that
    nobody named is called by the file.
    """
    if flavour is Flavour.FLOAT and graph.has_codes:
        graph = dequantize_activations(graph)
    expected = _interpreted(graph)
    failure: SignbinError | None = None
    for tried in _opsets(graph, flavour, opset):
        watch(f"writing opset {tried}")
        try:
            model = to_onnx(graph, flavour, opset=tried)
            watch("checking it with another engine")
            error = _error(graph, model, flavour, expected)
        except SignbinError as raised:
            failure = raised
            continue
        if graph.name == _UNNAMED:  # viewers show it above the graph
            model.graph.name = path.stem
        write_whole({path: model.SerializeToString(deterministic=True)})
        return _exported(graph, model, path, flavour, tried, error)
    assert failure is not None  # there is always an opset to try
    raise failure


def _opsets(graph: Graph, flavour: Flavour, asked: int | None) -> tuple[int, ...]:
    if asked is not None:
        return (asked,)
    low_bit = any(isinstance(each, LowBitWeight) for each in graph.constants.values())
    wanted = flavour is Flavour.QDQ and low_bit and _knows(_TWO_BITS_OPSET)
    return (_TWO_BITS_OPSET, _OPSET) if wanted else (_OPSET,)


def _knows(opset: int) -> bool:
    from onnx import TensorProto, defs  # noqa: PLC0415 - an extra

    return hasattr(TensorProto, "INT2") and defs.onnx_opset_version() >= opset


def _samples(graph: Graph) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(0)
    return {
        value.name: random.standard_normal((_SAMPLES, *value.type.shape[1:]), dtype=np.float32)
        for value in graph.inputs
    }


def _interpreted(graph: Graph) -> list[NDArray[np.float32]]:
    found = interpret(graph, _samples(graph))
    return [found[name] for name in graph.outputs]


def _error(
    graph: Graph, model: ModelProto, flavour: Flavour, expected: list[NDArray[np.float32]]
) -> float:
    found = _of_reader(graph, model) if flavour is Flavour.QONNX else _of_runtime(graph, model)
    error = max(
        float(np.abs(ours - theirs).max() / (np.abs(ours).max() or 1.0))
        for ours, theirs in zip(expected, found, strict=True)
    )
    tolerance = _CODES_TOLERANCE if graph.has_codes else _TOLERANCE
    if not error <= tolerance:
        raise ExecutionError(
            f"export of {graph.name} as {flavour.value}",
            value=f"relative error {error:.1e}",
            allowed=f"at most {tolerance:g}",
            remedy="nothing was written; report it, or export the flavour float",
        )
    return error


def _of_reader(graph: Graph, model: ModelProto) -> list[NDArray[Any]]:
    """Our own reader of QONNX, and the interpreter."""
    from signbin.onnx_reader import read_onnx  # noqa: PLC0415 - an extra

    again = read_onnx(model)
    given = dict(zip((value.name for value in again.inputs), _samples(graph).values(), strict=True))
    found = interpret(again, given)
    return [found[name] for name in again.outputs]


def _of_runtime(graph: Graph, model: ModelProto) -> list[NDArray[Any]]:
    if not OnnxValues.installed():
        raise ExecutionError(
            "checking an export",
            value="onnxruntime is not installed",
            remedy="pip install 'signbin[onnxruntime]'",
        )
    from signbin.hybrid.session import RuntimePart  # noqa: PLC0415 - an extra

    return RuntimePart(model.SerializeToString())(_samples(graph))


def _exported(
    graph: Graph, model: ModelProto, path: Path, flavour: Flavour, opset: int, error: float
) -> OnnxExport:
    low_bit = sum(isinstance(each, LowBitWeight) for each in graph.constants.values())
    bits = {Flavour.FLOAT: 32, Flavour.QONNX: 32, Flavour.QDQ: 2 if opset == _TWO_BITS_OPSET else 8}
    return OnnxExport(
        file=str(path),
        flavour=flavour.value,
        opset=opset,
        size_bytes=path.stat().st_size,
        operators=len(model.graph.node),
        low_bit_layers=low_bit,
        weight_bits=bits[flavour],
        error=error,
        checked_by="signbin's reader of QONNX" if flavour is Flavour.QONNX else "ONNX Runtime",
        read_by=READERS[flavour],
    )
