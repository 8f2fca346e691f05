"""The peers of the grid: every engine's layer with weights of a byte or of floats, ready to run.

What weights they have does not change their times, so they are opened once for all of our kinds of
weights. Rows of linear layers are floats for everyone; convolutions on codes get codes and give
codes, but for OpenVINO's, which get and give floats, since it computes with codes only between its
own quantisations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.coded_layer import CodedCall, CodedLayer, coded_layer
from benchmarks.grid_layers import GridLayer
from benchmarks.int8_layers import ENGINES
from benchmarks.layers import LAYER, Shape, bias_of, images_for, one_layer, random_weight
from benchmarks.linear_layers import random_weight as random_linear_weight
from benchmarks.linear_peers import PEERS, dense_of
from benchmarks.onnx_layers import coded_convolution, float_convolution
from benchmarks.sessions import BoundSession, open_request, open_session
from signbin.ir import interpret
from signbin.measure import Agreement, agreement

__all__ = ["GridPeer", "openers_of", "rows_for"]

_FLOAT_LINEAR: Final = ("onnxruntime-fp32", "openvino-fp32", "pytorch-fp32")
_CODED_LINEAR: Final = ("onnxruntime-int8", "openvino-int8", "onednn-int8")
_TOP: Final = 255


@dataclasses.dataclass(frozen=True)
class GridPeer:
    """An engine's layer: its call, how its output agrees, and whether it rounds to codes."""

    name: str
    call: Callable[[], object]
    found: Agreement
    coded: bool


def openers_of(layer: GridLayer, activations: str) -> Mapping[str, Callable[[], GridPeer]]:
    """By name, what opens an engine that runs the layer on ``f32`` or ``u8`` activations.

    Each is apart from the others: one whose package fails on a layer leaves the others.
    """
    coded = activations == "u8"
    if layer.op == "linear":
        return _linear(layer, _CODED_LINEAR if coded else _FLOAT_LINEAR)
    return _coded_convolutions(layer.shape) if coded else _float_convolutions(layer.shape)


def rows_for(layer: GridLayer) -> NDArray[np.float32]:
    """Whole numbers from 0 to 255, (rows, inputs): exact as codes."""
    extents = (layer.rows, layer.shape.channels)
    return np.random.default_rng(layer.rows).integers(0, _TOP + 1, extents).astype(np.float32)


def _linear(layer: GridLayer, names: tuple[str, ...]) -> Mapping[str, Callable[[], GridPeer]]:
    weight = random_linear_weight("binary", layer.shape.filters, layer.shape.channels)
    rows = rows_for(layer)
    expected = rows @ dense_of(weight).T

    def opened(name: str) -> GridPeer:
        peer = PEERS[name](weight)
        found = agreement(peer.call(rows), expected)
        return GridPeer(name, _bound(peer.call, rows), found, peer.coded)

    return {name: partial(opened, name) for name in names}


def _float_convolutions(shape: Shape) -> Mapping[str, Callable[[], GridPeer]]:
    weight = random_weight(shape, "float", 1.0)
    assert isinstance(weight, np.ndarray)
    images = np.maximum(images_for(shape), 0)
    expected = interpret(one_layer(shape, weight), {"x": images})[LAYER]
    model = float_convolution(shape, weight, bias_of(shape))

    def onednn(name: str) -> GridPeer:
        from benchmarks.onednn import fastest_convolution  # noqa: PLC0415 - PyTorch is slow to load

        call, _, made = fastest_convolution(shape, weight, images)
        return GridPeer(name, call, agreement(made, expected), False)

    def onnxruntime(name: str) -> GridPeer:
        session = BoundSession(open_session(model), images, np.zeros_like(expected))
        session()
        return GridPeer(name, session, agreement(session.output, expected), False)

    def openvino(name: str) -> GridPeer:
        request = open_request(model)
        found = agreement(request(images), expected)
        return GridPeer(name, _bound(request, images), found, False)

    return {
        f"{one.__name__}-fp32": partial(one, f"{one.__name__}-fp32")
        for one in (onednn, onnxruntime, openvino)
    }


def _coded_convolutions(shape: Shape) -> Mapping[str, Callable[[], GridPeer]]:
    layer = coded_layer(shape, "float", 1.0)

    def opened(name: str, make: Callable[[CodedLayer], CodedCall]) -> GridPeer:
        made = make(layer)
        return GridPeer(name, made.call, layer.agreement(made.output), True)

    def openvino(name: str) -> GridPeer:
        request, numbers = open_request(coded_convolution(layer)), layer.numbers
        found = agreement(request(numbers), layer.expected)
        return GridPeer(name, _bound(request, numbers), found, True)

    openers = {
        f"{name}-int8": partial(opened, f"{name}-int8", make) for name, make in ENGINES.items()
    }
    return {**openers, "openvino-int8": partial(openvino, "openvino-int8")}


def _bound(call: Callable[[NDArray[np.float32]], Any], given: NDArray[np.float32]) -> Any:
    return lambda: call(given)
