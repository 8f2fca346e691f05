"""An ONNX model from wherever it lies, read without trust in what it claims.

Weights in files of their own (external data) are read from the folder of the model alone. Nothing
is allocated that the bytes at hand do not fill.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, OperatorSetIdProto, TensorProto, numpy_helper

from signbin.errors import FormatError
from signbin.files import expect_regular, read_bytes
from signbin.ir.schema import MAX_ELEMENTS

__all__ = ["OnnxSource", "array_of", "load_onnx"]

OnnxSource: TypeAlias = "str | Path | bytes | ModelProto"

_MOST_BYTES: Final = 2**31 - 1  # of a protocol buffer; larger models keep weights outside
_MOST_WEIGHTS: Final = 2**32  # bytes; one place in a file may be named by many tensors
_MOST_NODES: Final = 100_000
_KINDS_WITH_TEXT: Final = (TensorProto.STRING,)


def load_onnx(source: OnnxSource) -> ModelProto:
    """The model with all its weights inside.

    source: a path, the bytes of a file, or a ModelProto, which is not changed. FormatError where
    it is no ONNX model, is larger than 2 GB, has more than 100,000 nodes, or names weights outside
    its folder, or ones that are not there.
    """
    if isinstance(source, ModelProto):
        model, folder, name = ModelProto(), None, "ModelProto"
        model.CopyFrom(source)
    elif isinstance(source, bytes):
        model, folder, name = _parsed(source, "bytes"), None, "bytes"
    elif isinstance(source, (str, Path)):
        path = Path(source)
        name, folder = str(path), path.parent
        model = _parsed(_content(path), name)
    else:
        raise FormatError(
            "ONNX model", value=type(source).__name__, allowed="a path, bytes or a ModelProto"
        )
    _expect_a_network(model, name)
    total = 0
    for tensor in _tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            _bring_inside(tensor, folder, name)
            total += len(tensor.raw_data)
        if total > _MOST_WEIGHTS:
            raise FormatError(f"weights of {name}", value=total, allowed=f"<= {_MOST_WEIGHTS} B")
    return model


def array_of(tensor: TensorProto) -> NDArray[Any]:
    """The numbers of a tensor; FormatError where its extents and its bytes do not agree."""
    count = math.prod(tensor.dims)
    if tensor.data_type in _KINDS_WITH_TEXT or any(extent < 0 for extent in tensor.dims):
        raise FormatError(f"tensor {tensor.name!r}", value=tensor.data_type, allowed="numbers")
    if count > min(MAX_ELEMENTS, _most_elements(tensor)):
        raise FormatError(
            f"extents of tensor {tensor.name!r}",
            value=tuple(tensor.dims),
            allowed=f"as many numbers as it brings, and {MAX_ELEMENTS} at most",
            remedy="export the model again",
        )
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise FormatError(
            f"tensor {tensor.name!r}", reason=str(error), remedy="export the model again"
        ) from error


def _most_elements(tensor: TensorProto) -> int:
    """How many numbers the bytes of a tensor can be, two bits each at least."""
    fields = (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data)
    return 4 * len(tensor.raw_data) + sum(
        16 * len(field) for field in (*fields, tensor.uint64_data)
    )


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path, _MOST_BYTES)
    except (OSError, ValueError) as error:
        raise FormatError(str(path), reason=str(error), allowed="an ONNX model") from error


def _parsed(content: bytes, name: str) -> ModelProto:
    model = ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # whatever the parser of the day raises
        raise _no_model(name, f"cannot be parsed: {error}") from error
    return model


def _expect_a_network(model: ModelProto, name: str) -> None:
    if not model.HasField("graph") or not model.opset_import:
        raise _no_model(name, "no graph, or no version of its operators")
    if not model.graph.output:
        raise _no_model(name, "a graph without outputs")
    if not all(isinstance(text, str) for text in _texts(model)):
        raise _no_model(name, "names that are not UTF-8")
    if len(model.graph.node) > _MOST_NODES:
        raise FormatError(
            f"nodes of {name}", value=len(model.graph.node), allowed=f"<= {_MOST_NODES}"
        )


def _no_model(name: str, reason: str) -> FormatError:
    return FormatError(
        name, reason=reason, allowed="an ONNX model", remedy="export it again with its own tool"
    )


def _texts(model: ModelProto) -> Iterator[object]:
    """Names, which protocol buffers hand over as bytes where they are none."""
    graph = model.graph
    yield graph.name
    for named in (*graph.input, *graph.output, *graph.initializer, *model.opset_import):
        yield named.domain if isinstance(named, OperatorSetIdProto) else named.name
    for info in graph.input:
        yield from (extent.dim_param for extent in info.type.tensor_type.shape.dim)
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Tensors of the main graph; those of graphs inside nodes are never looked at."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def _bring_inside(tensor: TensorProto, folder: Path | None, name: str) -> None:
    told = {entry.key: entry.value for entry in tensor.external_data}
    what = f"weights {tensor.name!r} of {name}"
    if folder is None:
        raise FormatError(
            what, value="in a file of their own", allowed="inside", remedy="pass the path"
        )
    path = _beside(folder, told.get("location", ""), what)
    size = _size(path, what)
    try:
        offset = int(told.get("offset", 0))
        length = int(told.get("length", size - offset))
    except ValueError as error:
        raise FormatError(what, reason=str(error), allowed="offset and length in bytes") from error
    if not (0 <= offset <= offset + length <= size and length <= _MOST_BYTES):
        raise FormatError(
            what, value=(offset, length), allowed=f"a part of the {size} bytes of {path}"
        )
    with path.open("rb") as file:
        file.seek(offset)
        tensor.raw_data = file.read(length)
    del tensor.external_data[:]
    tensor.data_location = TensorProto.DEFAULT


def _beside(folder: Path, location: str, what: str) -> Path:
    """A file in the folder of the model or below it, and no link that leads out of it."""
    inner = PurePosixPath(location.replace("\\", "/"))
    path = folder / inner
    outside = not location or inner.is_absolute() or ".." in inner.parts
    if outside or not path.resolve().is_relative_to(folder.resolve()):
        raise FormatError(
            what,
            value=location,
            allowed="a file in the folder of the model",
            remedy="copy it there, and save the model with that name",
        )
    return path


def _size(path: Path, what: str) -> int:
    try:
        expect_regular(path)
        return path.stat().st_size
    except (OSError, FormatError) as error:
        raise FormatError(
            what, reason=str(error), remedy=f"put {path.name} beside the model"
        ) from error
