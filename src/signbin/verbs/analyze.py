"""Repetition against sparsity in a model: a model to compile, a .sbn file or plain weights.

torch is imported only for a model of its own, onnx for an ONNX file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin import artifact
from signbin.analysis import analyze_layers, pattern_maps
from signbin.arrays import open_array
from signbin.draft import recognize
from signbin.errors import SpecError
from signbin.ir.graph import Constant, Graph
from signbin.plan.layer import Layer, weighted_layers
from signbin.spec import LowBitWeight
from signbin.verbs.graphs import graph_of
from signbin.verbs.recognition import COMPILABLE, READ, SourceKind, kind_of, refusal
from signbin.verbs.source import load_source

__all__ = ["Weights", "analyze_json", "read_layers"]

_TERNARY: Final = (-1, 0, 1)
_MOST_WEIGHTS: Final = 1 << 28


def analyze_json(
    source: Path,
    *,
    seed: int | None = None,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The analysis of all layers with weights as JSON, with the pattern counts of each.

    See :func:`read_layers` for what a source may be and what is refused.
    """
    weights = read_layers(source, seed, input_shapes)
    document = analyze_layers(weights.name, weights.layers, progress).to_json()
    for entry, layer in zip(document["layers"], weights.layers, strict=True):
        entry["module"] = weights.modules.get(layer.name, "")
        entry["pattern_map"] = pattern_maps(layer)
    return document


@dataclasses.dataclass(frozen=True)
class Weights:
    """The conv2d and linear layers of a model, in execution order.

    modules: layer -> the module it came from, where the source says.
    """

    name: str
    layers: tuple[Layer, ...]
    modules: Mapping[str, str]


def read_layers(
    source: Path,
    seed: int | None = None,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Weights:
    """The layers with weights of a model.

    source: what :func:`signbin.verbs.source.load_source` reads (seed: which network of a run; the
    first where None), a ``.sbn`` file, or a ``.npy`` file with the weights of one layer,
    (K, C, R, S) or (K, C). Weights of few values are recognised, whoever trained them; others are
    float. FormatError, SpecError and CaptureError say what is wrong.
    """
    kind = kind_of(str(source))
    if kind is SourceKind.ARRAY:
        return Weights(source.stem, (_one_layer(source),), {})
    if kind is SourceKind.COMPILED:
        return _of_graph(source.stem, artifact.read(source).graph)
    if kind not in COMPILABLE:
        allowed = f"a .sbn file, a .npy file of weights, {READ}"
        raise refusal(str(source), "model to analyse", allowed)
    given = load_source(str(source), seed, input_shapes)
    return _of_graph(given.name, graph_of(given))


def _of_graph(name: str, graph: Graph) -> Weights:
    return Weights(name, weighted_layers(graph, 1), graph.layer_modules())


def _one_layer(path: Path) -> Layer:
    weight = _weight(path)
    return Layer(
        name=path.stem,
        op="conv2d" if len(weight.shape) == 4 else "linear",
        weight=weight,
        groups=1,
        stride=1,
        output=(1, 1),
        images=1,
    )


def _weight(path: Path) -> Constant:
    """Codes where all values are -1, 0 and 1; else what a capture recognises; else float32."""
    array = _read_array(path)
    if np.isin(array, _TERNARY).all():
        return LowBitWeight(array.astype(np.int8), np.ones(len(array), np.float32))
    if not np.issubdtype(array.dtype, np.floating):
        raise SpecError(
            f"whole numbers of {path}",
            value=f"{array.min()}..{array.max()}",
            allowed="-1, 0 and 1; other weights as floating numbers",
        )
    values = np.ascontiguousarray(array, dtype=np.float32)
    return recognize(values) or values


def _read_array(path: Path) -> NDArray[Any]:
    array = open_array(path)
    if array.ndim not in (2, 4) or not 0 < array.size <= _MOST_WEIGHTS:
        raise SpecError(
            f"shape of {path}", value=array.shape, allowed="(K, C, R, S) or (K, C), not empty"
        )
    if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise SpecError(f"dtype of {path}", value=str(array.dtype), allowed="real numbers")
    if not np.isfinite(array).all():
        raise SpecError(f"weights of {path}", value="NaN or infinity", allowed="finite numbers")
    return np.array(array)
