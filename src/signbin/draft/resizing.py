"""Rows of the operator table that resize images to numbers between pixels.

Between two pixels a resize is an op of its own. Whatever else weighs pixels along an axis, bicubic
and antialiased resizing or averages of uneven windows, is a product with a constant matrix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.draft.call import Call, Entry, NodeBuilder, Unsupported, Variable, expect_modest
from signbin.draft.rows import as_image, as_line, transposed
from signbin.ir import AttributeValue

__all__ = [
    "RESIZING_ROWS",
    "along_axis",
    "cubic",
    "resized_linearly",
    "tent",
    "weighing",
]

Matrix = NDArray[np.float64]
Kernel = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_TORCH_CUBIC: Final = -0.75
_TORCH_CUBIC_ANTIALIASED: Final = -0.5


def tent(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a pixel x away weighs between two: 1 - |x|, or nothing."""
    return np.asarray(np.maximum(1 - np.abs(x), 0), np.float64)


def cubic(a: float) -> Kernel:
    """The same among four (Keys 1981), with its free number a."""

    def weight(x: NDArray[np.float64]) -> NDArray[np.float64]:
        x = np.abs(x)
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
        return np.where(x <= 1, near, np.where(x < 2, far, 0.0))

    return weight


def weighing(
    extent: int,
    places: NDArray[np.float64],
    kernel: Kernel,
    *,
    spread: float = 1.0,
    inside: bool = False,
) -> Matrix:
    """What every pixel weighs at every place: (places, extent), rows that sum to 1.

    kernel: weight by distance, none from 2 on. spread: how many times wider it is. inside: pixels
    beyond the image are left out; else those at its edge stand for them.
    """
    expect_modest(len(places) * extent, "a matrix")
    made = np.zeros((len(places), extent))
    reach = math.ceil(2 * spread) + 1
    expect_modest(len(places) * reach, "weights")
    for row, place in enumerate(places):
        pixels = math.floor(place) + np.arange(-reach, reach + 1)
        weights = kernel((pixels - place) / spread)
        if inside:
            weights = np.where((pixels < 0) | (pixels >= extent), 0.0, weights)
        total = weights.sum()
        if not total:
            raise Unsupported("a place without pixels around it", "resize within the image")
        np.add.at(made[row], np.clip(pixels, 0, extent - 1), weights / total)
    return made


def along_axis(call: Call, x: Variable, axis: int, matrix: Matrix, suffix: str = "") -> Variable:
    """y[..., i, ...] = sum over j of matrix[i, j] x[..., j, ...]."""
    last = len(x.shape) - 1
    order = list(range(len(x.shape)))
    order[axis], order[last] = last, axis
    turned = transposed(call, x, tuple(order), f"{suffix}.turned")
    name = f"along_{axis}"
    attributes: dict[str, AttributeValue] = {
        "weight": call.weight(f"weight_{name}", np.ascontiguousarray(matrix, np.float32))
    }
    shape = (*turned.shape[:-1], len(matrix))
    if axis == last:
        return call.emit("linear", (turned,), attributes, shape, suffix)
    made = call.emit("linear", (turned,), attributes, shape, f"{suffix}.weighed")
    return transposed(call, made, tuple(order), suffix)


def resized_linearly(
    call: Call,
    x: Variable,
    size: tuple[int, int],
    steps: Sequence[float],
    firsts: Sequence[float],
    suffix: str = "",
) -> Variable:
    """Pixel i of an axis lies at first + i * step of the image, or at its edge."""
    row: dict[str, AttributeValue] = {"size": size}
    for axis, step, first in zip(("height", "width"), steps, firsts, strict=True):
        row[f"step_{axis}"], row[f"first_{axis}"] = float(step), float(first)
    return call.emit("resize_linear", (x,), row, (*x.shape[:2], *size), suffix)


def _places(call: Call, x: Variable, axes: int) -> tuple[list[float], list[float]]:
    """Steps and first places of the last axes, as PyTorch has them."""
    assert call.shape is not None
    steps, firsts = [], []
    aligned = bool(call.get("align_corners"))
    for extent, size, scale in zip(
        x.shape[-axes:], call.shape[-axes:], _scales(call, axes), strict=True
    ):
        if aligned:
            steps.append((extent - 1) / (size - 1) if size > 1 else 0.0)
            firsts.append(0.0)
        else:
            steps.append(1 / scale if scale else extent / size)
            firsts.append(0.5 * steps[-1] - 0.5)
    return steps, firsts


def _scales(call: Call, axes: int) -> Sequence[Any]:
    if "scale_factors" in call.arguments:
        return call.get("scale_factors") or (None,) * axes
    if axes == 1:
        return (call.arguments.get("scales"),)
    return call.get("scales_h"), call.get("scales_w")


def _argument(call: Call) -> str:
    return "input" if "input" in call.arguments else "self"


def _bilinear(call: Call) -> Entry:
    x = call.variable(_argument(call), rank=4)
    assert call.shape is not None
    steps, firsts = _places(call, x, 2)
    return resized_linearly(call, x, (call.shape[2], call.shape[3]), steps, firsts)


def _linear1d(call: Call) -> Entry:
    x = as_image(call, _argument(call))
    assert call.shape is not None
    steps, firsts = _places(call, x, 1)
    size = (1, call.shape[2])
    return as_line(resized_linearly(call, x, size, (0.0, *steps), (0.0, *firsts)))


def _weighed(kernel: Kernel, *, antialiased: bool = False) -> NodeBuilder:
    def build(call: Call) -> Entry:
        made = x = call.variable(_argument(call), rank=4)
        assert call.shape is not None
        steps, firsts = _places(call, x, 2)
        for axis, step, first in zip((2, 3), steps, firsts, strict=True):
            spread = max(step, 1.0) if antialiased else 1.0
            places = first + np.arange(call.shape[axis], dtype=np.float64) * step
            matrix = weighing(x.shape[axis], places, kernel, spread=spread, inside=antialiased)
            made = along_axis(call, made, axis, matrix, "" if axis == 3 else ".rows")
        return made

    return build


RESIZING_ROWS: Final[tuple[tuple[NodeBuilder, tuple[str, ...]], ...]] = (
    (_bilinear, ("upsample_bilinear2d.vec", "upsample_bilinear2d.default")),
    (_linear1d, ("upsample_linear1d.vec", "upsample_linear1d.default")),
    (
        _weighed(cubic(_TORCH_CUBIC)),
        ("upsample_bicubic2d.vec", "upsample_bicubic2d.default"),
    ),
    (
        _weighed(tent, antialiased=True),
        ("_upsample_bilinear2d_aa.vec", "_upsample_bilinear2d_aa.default"),
    ),
    (
        _weighed(cubic(_TORCH_CUBIC_ANTIALIASED), antialiased=True),
        ("_upsample_bicubic2d_aa.vec", "_upsample_bicubic2d_aa.default"),
    ),
)
