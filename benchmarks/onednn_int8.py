"""oneDNN's u8s8 layers through PyTorch, as a compiled quantised model calls them.

Weights are packed once for the image at hand; ReLU and requantisation are fused, codes go in and
out channels last. PyTorch looks the primitive up on every call: :func:`call_ms` says what that
takes, and no time is corrected by it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.coded_layer import CodedCall, CodedLayer, rounded
from benchmarks.onednn import least_seconds

_TRIALS: Final = 20


def convolution(layer: CodedLayer) -> CodedCall:
    """The layer with weights of 7 bits, one scale per filter."""
    call = _call(layer)
    codes = call().contiguous().numpy()
    return CodedCall("onednn", call, codes, {"version": torch.__version__, "call_ms": call_ms()})


def linear(weight: NDArray[np.float32]) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """y = x weight', rows of whole numbers from 0 to 255; weights (K, C) of 7 bits."""
    codes, scale = rounded(weight)
    library, zero = torch.ops.onednn, torch.zeros(len(scale), dtype=torch.int32)
    packed: dict[int, Any] = {}

    def call(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            given = torch.from_numpy(rows).to(torch.uint8)
            if len(rows) not in packed:
                weights = torch.from_numpy(codes)
                packed[len(rows)] = library.qlinear_prepack(weights, list(given.shape))
            layer = (packed[len(rows)], torch.from_numpy(scale), zero, None)
            output: tuple[Any, ...] = (1.0, 0, torch.float32, "none", [], "")
            made: NDArray[np.float32] = library.qlinear_pointwise(
                given, 1.0, 0, *layer, *output
            ).numpy()
        return made

    return call


def call_ms() -> float:
    """The least time of a call that has nothing to compute: 16 channels of one pixel, 1x1."""
    packed = _Packed(np.ones((16, 16, 1, 1), np.int8), np.ones(16, np.float32), (1, 0, 1))
    pixel = torch.ones((1, 16, 1, 1), dtype=torch.uint8).contiguous(
        memory_format=torch.channels_last
    )
    return 1e3 * least_seconds(packed.call(pixel, 1.0, torch.ones(16), 1.0), _TRIALS)


def _call(layer: CodedLayer) -> Any:
    shape, (codes, scale) = layer.shape, rounded(layer.weight)
    packed = _Packed(codes, scale, (shape.stride, shape.padding, shape.groups))
    images = torch.from_numpy(layer.images).contiguous(memory_format=torch.channels_last)
    bias = torch.from_numpy(layer.bias.copy())
    return packed.call(images, layer.input_scale, bias, layer.output_scale)


class _Packed:
    """Weights in oneDNN's layout, made for the first image they are called with."""

    def __init__(
        self, codes: NDArray[np.int8], scale: NDArray[np.float32], window: tuple[int, int, int]
    ) -> None:
        self._codes, self._scale = torch.from_numpy(codes), torch.from_numpy(scale)
        self._zero = torch.zeros(len(scale), dtype=torch.int32)
        stride, padding, groups = window
        self._window = ([stride] * 2, [padding] * 2, [1, 1], groups)

    def call(
        self, images: torch.Tensor, scale: float, bias: torch.Tensor, output_scale: float
    ) -> Any:
        library = torch.ops.onednn
        packed = library.qconv_prepack(
            self._codes, self._scale, scale, 0, *self._window, list(images.shape)
        )
        weights = (packed, self._scale, self._zero, bias, *self._window)
        output: tuple[Any, ...] = (output_scale, 0, torch.uint8, "relu", [], "")

        def call() -> Any:
            with torch.inference_mode():
                return library.qconv2d_pointwise(images, scale, 0, *weights, *output)

        return call
