"""A trained network in one small file: safetensors with about one bit per quantised weight.

Of a quantised weight with n codes in C order, little-endian bits (bit i of byte j is code 8j + i):

    NAME.nonzero   uint8 (ceil(n / 8),)   1 = the code is not zero; absent where none is (binary)
    NAME.negative  uint8 (ceil(m / 8),)   1 = negative; m = K, one bit per filter, for signed-binary
                                          weights, else m = n, and 0 where the code is zero
    NAME.scale     float32 (K,)           w = scale * code + offset
    NAME.offset    float32 (K,)           absent where it is zero

NAME is the weight's key in the state dict. All other entries of the state dict are stored as they
are. The metadata entry ``signbin`` is a JSON object: format, version, model, task, preprocessing,
class_names, provenance, layers (by NAME: value_set and shape).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from signbin.documents import from_document, to_document
from signbin.errors import FormatError, SpecError
from signbin.quant import QuantizedLayer, quantized_layers
from signbin.spec import LowBitWeight, Preprocessing, ValueSet
from signbin.train.config import ModelConfig
from signbin.train.load import Run
from signbin.train.models import ImageTask, build_network
from signbin.train.summary import describe_layers, describe_parameters

__all__ = ["PackedNetwork", "describe_packed", "load_packed", "pack_run"]

_FORMAT: Final = "signbin-packed"
_VERSION: Final = 1
_MOST_BLOCKS: Final = 1000


@dataclasses.dataclass(frozen=True, eq=False)
class PackedNetwork:
    """What :func:`load_packed` returns.

    model: in evaluation mode, its quantised weights in float layers as w = scale * code + offset:
    compiled, they are recognised for what they are. example: zeros (2, C, H, W), float32.
    """

    model: nn.Module
    example: Tensor
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    provenance: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class _Layer:
    """One quantised weight, as the metadata describes it."""

    value_set: ValueSet
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class _Description:
    """The metadata, apart from what is not of this room."""

    format: str
    version: int
    model: ModelConfig
    task: ImageTask
    class_names: tuple[str, ...]


def pack_run(run: Run) -> bytes:
    """The file of a run's network; equal networks give equal bytes.

    SpecError for weights that are sums of several terms, and for quantised activations: the float
    layers the file is loaded into have neither.
    """
    layers = quantized_layers(run.model)
    for name, layer in layers.items():
        if layer.config.activation is not None:
            raise SpecError(f"{name}: quantised input", allowed="layers with a float input")
    weights = {f"{name}.weight": layer.low_bit() for name, layer in layers.items()}
    extra = {f"{name}.{state}" for name, layer in layers.items() for state in _states(layer)}
    tensors = {
        name: tensor.contiguous()
        for name, tensor in run.model.state_dict().items()
        if name not in weights and name not in extra
    }
    for name, weight in weights.items():
        tensors |= {f"{name}.{part}": torch.from_numpy(t) for part, t in _packed(weight).items()}
    task = ImageTask(*run.dataset.shape, classes=len(run.class_names))
    description = {
        "format": _FORMAT,
        "version": _VERSION,
        "model": to_document(run.config.model),
        "task": to_document(task),
        "class_names": list(run.class_names),
        "preprocessing": run.preprocessing.to_json(),
        "provenance": run.provenance,
        "layers": {
            name: {"value_set": weight.value_set.value, "shape": list(weight.shape)}
            for name, weight in weights.items()
        },
    }
    return to_safetensors(tensors, metadata={"signbin": json.dumps(description)})


def load_packed(path: Path) -> PackedNetwork:
    """Read what :func:`pack_run` made; FormatError for anything else.

    No more memory is taken than the file's own tensors unpack to.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="pt") as file:
            document = json.loads((file.metadata() or {}).get("signbin", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        return _network(document, tensors)
    except (OSError, SafetensorError, ValueError, RecursionError, SpecError) as error:
        raise FormatError(
            "not a packed network",
            value=str(path),
            reason=str(error)[:300],
            allowed="a file that signbin pack wrote",
        ) from error


def describe_packed(run: Run, content: bytes) -> dict[str, Any]:
    """What a card says of a packed network, plain values.

    Keys: weights, value_set, model, provenance, bytes, sha256 (of the file), parameters and
    layers of this seed's network (see :mod:`signbin.train.summary`), config (of the run, without
    folders).
    """
    config = to_document(run.config)
    for key in ("folder", "cache"):
        config["data"].pop(key)
    if config["budget"] is not None:
        config["budget"].pop("costs")
    return {
        "weights": run.config.weights.value,
        "value_set": run.config.weights.values,
        "model": to_document(run.config.model),
        "provenance": run.provenance,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "parameters": describe_parameters(run.model),
        "layers": describe_layers(run.model),
        "environment": run.summary["environment"],
        "config": config,
    }


def _states(layer: QuantizedLayer) -> list[str]:
    """What a quantised layer keeps besides weight and bias."""
    return [name for name in layer.state_dict() if name not in {"weight", "bias"}]


def _packed(weight: LowBitWeight) -> dict[str, NDArray[Any]]:
    codes, kind = weight.codes.reshape(weight.shape[0], -1), weight.value_set
    parts: dict[str, NDArray[Any]] = {"scale": weight.scale.copy()}
    negative = codes < 0
    if kind is not ValueSet.BINARY:
        parts["nonzero"] = _bits(codes != 0)
    # Signed-binary filters have one sign.
    per_filter = kind is ValueSet.SIGNED_BINARY
    parts["negative"] = _bits(np.logical_or.reduce(negative, axis=1) if per_filter else negative)
    if weight.offset is not None:
        parts["offset"] = weight.offset.copy()
    return parts


def _bits(flags: NDArray[Any]) -> NDArray[np.uint8]:
    return np.packbits(flags.reshape(-1), bitorder="little")


def _network(document: Any, tensors: dict[str, Tensor]) -> PackedNetwork:
    if not isinstance(document, dict):
        raise SpecError("metadata signbin", allowed="a JSON object")
    layers = document.pop("layers", None)
    preprocessing = Preprocessing.from_json(document.pop("preprocessing", {}))
    provenance = document.pop("provenance", None)
    described = from_document(_Description, document)
    if (described.format, described.version) != (_FORMAT, _VERSION):
        found = (described.format, described.version)
        raise SpecError("format and version", value=found, allowed=str((_FORMAT, _VERSION)))
    _check_description(described, preprocessing, layers, provenance)
    for name, layer in layers.items():
        found_layer = from_document(_Layer, layer, f"layers.{name}")
        tensors[name] = torch.from_numpy(_unpacked(name, found_layer, tensors))
    return PackedNetwork(
        model=_model(described, tensors),
        example=torch.zeros(2, *described.task.shape),
        preprocessing=preprocessing,
        class_names=described.class_names,
        provenance=provenance,
    )


def _check_description(
    described: _Description, preprocessing: Preprocessing, layers: object, provenance: object
) -> None:
    seen = (preprocessing.channels, preprocessing.height, preprocessing.width)
    if seen != described.task.shape:
        raise SpecError("preprocessing", value=seen, allowed=str(described.task.shape))
    if len(described.class_names) != described.task.classes:
        raise SpecError("class_names", allowed=f"{described.task.classes} names")
    if not isinstance(layers, dict):
        raise SpecError("layers", value=layers, allowed="a mapping of names to layers")
    if not isinstance(provenance, dict) or not all(
        isinstance(text, str) for text in provenance.values()
    ):
        raise SpecError("provenance", value=provenance, allowed="texts by name")
    if (described.model.blocks or 1) > _MOST_BLOCKS:
        raise SpecError("model.blocks", value=described.model.blocks, allowed=f"<= {_MOST_BLOCKS}")


def _unpacked(name: str, layer: _Layer, tensors: dict[str, Tensor]) -> NDArray[np.float32]:
    """The weight; its parts are taken out of ``tensors``."""
    if len(layer.shape) not in (2, 4) or min(layer.shape) < 1:
        raise SpecError(f"shape of {name}", value=layer.shape, allowed="(K, C) or (K, C, R, S)")
    if layer.value_set not in (ValueSet.SIGNED_BINARY, ValueSet.BINARY, ValueSet.TERNARY):
        raise SpecError(f"value set of {name}", value=layer.value_set.value)
    if name in tensors:
        raise SpecError(f"tensor {name}", allowed="its packed parts alone")
    filters, count = layer.shape[0], math.prod(layer.shape)
    scale = _vector(tensors, f"{name}.scale", filters)
    offset = _vector(tensors, f"{name}.offset", filters) if f"{name}.offset" in tensors else None
    # Checked against the file before anything of that size is made.
    codes: Any = np.int8(1)
    if layer.value_set is not ValueSet.BINARY:
        codes = _flags(tensors, f"{name}.nonzero", count).astype(np.int8)
    per_filter = layer.value_set is ValueSet.SIGNED_BINARY
    signs: Any = _flags(tensors, f"{name}.negative", filters if per_filter else count)
    negative = np.repeat(signs, count // filters if per_filter else 1)
    codes = np.where(negative, -codes, codes).reshape(layer.shape)
    return LowBitWeight(codes, scale, offset).dequantized()


def _flags(tensors: dict[str, Tensor], name: str, count: int) -> NDArray[np.bool_]:
    packed = _taken(tensors, name, torch.uint8, -(-count // 8))
    return np.unpackbits(packed, count=count, bitorder="little").astype(bool)


def _vector(tensors: dict[str, Tensor], name: str, count: int) -> NDArray[np.float32]:
    return _taken(tensors, name, torch.float32, count)


def _taken(tensors: dict[str, Tensor], name: str, dtype: torch.dtype, count: int) -> NDArray[Any]:
    tensor = tensors.pop(name, None)
    if tensor is None or tensor.dtype != dtype or tuple(tensor.shape) != (count,):
        found = None if tensor is None else (str(tensor.dtype), tuple(tensor.shape))
        raise SpecError(f"tensor {name}", value=found, allowed=f"{dtype} of shape ({count},)")
    return tensor.numpy()


def _model(described: _Description, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The float network with these tensors; built without memory of its own."""
    try:
        with torch.device("meta"):
            model = build_network(described.model, described.task)
        expected = {name: (t.dtype, t.shape) for name, t in model.state_dict().items()}
    except (RuntimeError, OverflowError, MemoryError) as error:
        raise SpecError("model", reason=str(error)[:200]) from error
    found = {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}
    if found != expected:
        wrong = sorted(
            name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)
        )
        raise SpecError("tensors", value=wrong[:5], allowed="those of the network, and no other")
    model.load_state_dict(dict(tensors), strict=True, assign=True)
    return model.eval().requires_grad_(False)
