"""oneDNN through PyTorch, as fast as PyTorch can be made to call it.

Weights are reordered once into the layout oneDNN prefers and ReLU is fused, as in a frozen and
compiled model. The image is given in both memory formats, and the faster one is the peer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.layers import Shape, bias_of

_TRIALS: Final = 5


def fastest_convolution(
    shape: Shape, weight: NDArray[np.float32], images: NDArray[np.float32]
) -> tuple[Callable[[], Any], str, NDArray[np.float32]]:
    """relu(conv2d(relu(images)) + bias): the call, its memory format, and its output."""
    bias = torch.from_numpy(bias_of(shape).copy())
    given = torch.from_numpy(np.maximum(images, 0))
    candidates: dict[str, Callable[[], Any]] = {}
    for name, memory_format in (
        ("channels last", torch.channels_last),
        ("contiguous", torch.contiguous_format),
    ):
        image = given.contiguous(memory_format=memory_format)
        candidates[name] = _call(shape, torch.from_numpy(weight.copy()), bias, image)
    best = {name: least_seconds(call, _TRIALS) for name, call in candidates.items()}
    name = min(best, key=lambda candidate: best[candidate])
    return candidates[name], name, candidates[name]().contiguous().numpy()


def call_ms() -> float:
    """What a call takes that has nothing to compute: 8 channels of one pixel, 1x1.

    It is PyTorch's part of every time, and is not subtracted.
    """
    shape = Shape("nothing", 8, 8, 1, 1, 1, 1, 1, 0, 1)
    image = torch.ones((1, 8, 1, 1)).contiguous(memory_format=torch.channels_last)
    call = _call(shape, torch.ones((8, 8, 1, 1)), torch.ones(8), image)
    return 1e3 * least_seconds(call, 20 * _TRIALS)


def _call(
    shape: Shape, weight: torch.Tensor, bias: torch.Tensor, image: torch.Tensor
) -> Callable[[], Any]:
    stride, padding, dilation = [shape.stride] * 2, [shape.padding] * 2, [1, 1]
    reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight  # its stub lacks the image's extents
    packed = reorder(weight.to_mkldnn(), padding, stride, dilation, shape.groups, list(image.shape))
    convolve = torch.ops.mkldnn._convolution_pointwise

    def call() -> Any:
        with torch.inference_mode():
            return convolve(
                image, packed, bias, padding, stride, dilation, shape.groups, "relu", [], ""
            )

    return call


def least_seconds(call: Callable[[], Any], trials: int) -> float:
    """The least time of ``trials`` calls, after one that is not timed."""
    call()
    seconds = []
    for _ in range(trials):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
