"""Bodies of the KServe v2 protocol, in JSON, with numbers in it or as bytes behind it.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol, and the binary
tensor extension of Triton: the header Inference-Header-Content-Length says where JSON ends.
"""

from __future__ import annotations

import dataclasses
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import FormatError

__all__ = [
    "DATATYPES",
    "InferRequest",
    "datatype_of",
    "decode_request",
    "encode_response",
    "unpack",
]

HEADER_LENGTH: Final = "inference-header-content-length"
DATATYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "UINT8": np.dtype("u1"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "BOOL": np.dtype("?"),
}
_MOST_DIMENSIONS: Final = 16


@dataclasses.dataclass(frozen=True, eq=False)
class InferRequest:
    """What a client asked for. outputs: names, each with whether it is wanted as bytes.

    None: all outputs, as bytes where ``binary``.
    """

    id: str | None
    inputs: Mapping[str, NDArray[Any]]
    outputs: Mapping[str, bool] | None
    binary: bool


def datatype_of(dtype: str) -> str:
    """The protocol's name of a numpy dtype."""
    names = {str(kind): name for name, kind in DATATYPES.items()}
    return names[str(np.dtype(dtype))]


def unpack(body: bytes, encoding: str, most: int) -> bytes:
    """A body as it was before it was compressed; FormatError for what is none, or unpacks to more.

    encoding: of Content-Encoding: identity, gzip or deflate.
    """
    windows = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
    if encoding in ("", "identity"):
        return body
    if encoding not in windows:
        raise FormatError("content encoding", value=encoding, allowed="identity, gzip, deflate")
    stream = zlib.decompressobj(windows[encoding])
    try:
        unpacked = stream.decompress(body, most + 1)
    except zlib.error as error:
        raise FormatError(f"body packed by {encoding}", reason=str(error)) from error
    if len(unpacked) > most or not stream.eof:
        raise FormatError(
            f"body packed by {encoding}", allowed=f"one that is whole, of at most {most} bytes"
        )
    return unpacked


def decode_request(body: bytes, header_length: str | None) -> InferRequest:
    """The request in a body; FormatError naming what is wrong with it."""
    end = len(body)
    if header_length is not None:
        if not header_length.isdigit() or not 0 < int(header_length) <= len(body):
            raise FormatError(HEADER_LENGTH, value=header_length, allowed=f"1..{len(body)}")
        end = int(header_length)
    try:
        document = json.loads(body[:end])
    except (ValueError, RecursionError) as error:
        raise FormatError("request", reason=str(error), allowed="JSON") from error
    given = _list_of(document, "inputs")
    inputs: dict[str, NDArray[Any]] = {}
    place = end
    for tensor in given:
        name = _text(tensor, "name")
        if name in inputs:
            raise FormatError("input", value=name, allowed="every name once")
        size = _parameters(tensor).get("binary_data_size")
        inputs[name], place = _tensor(tensor, name, size, body, place)
    if place != len(body):
        raise FormatError("bytes behind the request", value=len(body) - place, allowed="none")
    identity = document.get("id")
    if identity is not None and not isinstance(identity, str):
        raise FormatError("id", value=str(identity)[:40], allowed="a text")
    binary = _parameters(document).get("binary_data_output") is True
    return InferRequest(identity, inputs, _outputs(document, binary), binary)


def _outputs(document: Mapping[str, Any], binary: bool) -> dict[str, bool] | None:
    if document.get("outputs") is None:
        return None
    wanted = {}
    for each in _list_of(document, "outputs"):
        parameters = _parameters(each)
        if parameters.get("classification"):
            raise FormatError(
                "classification of an output",
                allowed="the scores themselves",
                remedy="leave class_count out and rank the scores",
            )
        wanted[_text(each, "name")] = parameters.get("binary_data", binary) is True
    return wanted


def _tensor(
    tensor: Mapping[str, Any], name: str, size: object, body: bytes, place: int
) -> tuple[NDArray[Any], int]:
    """One input, and where the next one's bytes begin."""
    datatype = _text(tensor, "datatype")
    if datatype not in DATATYPES:
        raise FormatError(f"datatype of {name}", value=datatype, allowed=", ".join(DATATYPES))
    dtype, shape = DATATYPES[datatype], _shape(tensor, name)
    count = math.prod(shape)
    if size is None:
        return _from_numbers(tensor, name, dtype, shape), place
    if type(size) is not int or size != count * dtype.itemsize or place + size > len(body):
        raise FormatError(
            f"binary_data_size of {name}",
            value=str(size)[:40],
            allowed=f"{count * dtype.itemsize}, and as many bytes",
        )
    flat: NDArray[Any] = np.frombuffer(body, dtype, count, place)
    return flat.reshape(shape), place + size


def _from_numbers(
    tensor: Mapping[str, Any], name: str, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    data = tensor.get("data")
    try:
        if not isinstance(data, list):
            raise TypeError("it has none")
        array = np.asarray(data)
        if array.dtype.kind not in "iufb" or array.size != math.prod(shape):
            raise ValueError(f"{array.size} of {array.dtype} do not fill {shape}")
        if dtype.kind in "iu" and (array.dtype.kind == "f" or _outside(array, dtype)):
            raise ValueError(f"they are no {dtype}")
        with np.errstate(over="ignore"):
            return array.astype(dtype).reshape(shape)
    except (TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"data of {name}", reason=str(error), allowed="numbers") from error


def _outside(array: NDArray[Any], dtype: np.dtype[Any]) -> bool:
    bounds = np.iinfo(dtype)
    return bool(array.size and (array.min() < bounds.min or array.max() > bounds.max))


def _shape(tensor: Mapping[str, Any], name: str) -> tuple[int, ...]:
    shape = tensor.get("shape")
    legal = isinstance(shape, list) and 0 < len(shape) <= _MOST_DIMENSIONS
    if not legal or any(
        type(extent) is not int or not 0 < extent < 2**31 for extent in shape or ()
    ):
        raise FormatError(f"shape of {name}", value=str(shape)[:80], allowed="whole numbers from 1")
    return tuple(shape or ())


def _list_of(document: object, key: str) -> list[Mapping[str, Any]]:
    found = document.get(key) if isinstance(document, dict) else None
    if not isinstance(found, list) or not found or not all(isinstance(e, dict) for e in found):
        raise FormatError(f"'{key}' of the request", allowed="a list of objects, one or more")
    return found


def _text(tensor: Mapping[str, Any], key: str) -> str:
    found = tensor.get(key)
    if not isinstance(found, str) or not found:
        raise FormatError(f"'{key}' of a tensor", value=str(found)[:40], allowed="a text")
    return found


def _parameters(found: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = found.get("parameters")
    return parameters if isinstance(parameters, dict) else {}


def encode_response(
    head: Mapping[str, Any], outputs: Sequence[tuple[str, NDArray[Any], bool]]
) -> tuple[bytes, int | None]:
    """The body of an answer, and the length of its JSON where bytes follow.

    outputs: name, numbers, whether as bytes. FormatError for NaN and infinities as JSON.
    """
    described, blobs = [], []
    for name, array, binary in outputs:
        tensor: dict[str, Any] = {"name": name, "datatype": datatype_of(str(array.dtype))}
        tensor["shape"] = list(array.shape)
        if binary:
            blobs.append(np.ascontiguousarray(array, DATATYPES[tensor["datatype"]]).tobytes())
            tensor["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            tensor["data"] = array.reshape(-1).tolist()
        described.append(tensor)
    try:
        text = json.dumps({**head, "outputs": described}, allow_nan=False).encode()
    except ValueError as error:
        raise FormatError(
            "outputs as JSON", value="NaN or infinity", remedy="ask for binary data"
        ) from error
    return (b"".join([text, *blobs]), len(text)) if blobs else (text, None)
