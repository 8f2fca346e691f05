"""Rows of the operator table for transposed convolutions, and for pixels made of channels.

With stride s, output pixel q s + i sees filter taps r with r d = i + t s alone, at input pixel q -
t. So the s phases of the output are filters of one convolution, of T + 1 taps for T = floor((R - 1)
d / s), whose channels are then spread over the image: the network has layers of the usual kind.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.draft.call import Call, Entry, NodeBuilder, Unsupported, Variable, expect_modest
from signbin.draft.rows import as_image, as_line
from signbin.draft.windows import pair, shortest
from signbin.ir import AttributeValue

__all__ = ["TRANSPOSED_ROWS", "TransposedWindow", "spread", "transposed_convolution"]


@dataclasses.dataclass(frozen=True)
class TransposedWindow:
    """Of a transposed convolution: (vertical, horizontal); before: what is cut above and left."""

    stride: tuple[int, int]
    before: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    size: tuple[int, int]


def transposed_convolution(
    call: Call,
    x: Variable,
    weight: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    window: TransposedWindow,
) -> Variable:
    """weight: (C, K/groups, R, S), as every framework stores it; the result has window.size."""
    taps = [
        (extent - 1) * dilation // stride
        for extent, dilation, stride in zip(
            weight.shape[2:], window.dilation, window.stride, strict=True
        )
    ]
    filters = _phases(weight, window, (taps[0], taps[1]))
    whole = [extent + more for extent, more in zip(x.shape[2:], taps, strict=True)]
    wanted = [
        -(-(before + size) // stride)
        for before, size, stride in zip(window.before, window.size, window.stride, strict=True)
    ]
    after = [tap + max(0, more - rows) for tap, more, rows in zip(taps, wanted, whole, strict=True)]
    attributes: dict[str, AttributeValue] = {
        "weight": call.weight("weight", filters),
        "padding": shortest((*taps, *after)),
        "groups": window.groups,
    }
    if bias is not None:
        attributes["bias"] = call.constant("bias", np.repeat(bias, math.prod(window.stride)))
    rows = (x.shape[2] + after[0], x.shape[3] + after[1])
    shape = (x.shape[0], len(filters), *rows)
    size = [extent * stride for extent, stride in zip(rows, window.stride, strict=True)]
    crop = (
        *window.before,
        size[0] - window.before[0] - window.size[0],
        size[1] - window.before[1] - window.size[1],
    )
    alone = window.stride == (1, 1) and not any(crop)
    made = call.emit("conv2d", (x,), attributes, shape, "" if alone else ".phases")
    return made if alone else spread(call, made, window.stride, crop)


def _phases(
    weight: NDArray[np.float32], window: TransposedWindow, taps: tuple[int, int]
) -> NDArray[np.float32]:
    """The filters of all phases, (K sh sw, C/groups, T + 1, T + 1), phases of a filter together."""
    channels, filters, rows, columns = weight.shape
    whole = math.prod(window.stride) * (taps[0] + 1) * (taps[1] + 1)
    expect_modest(filters * channels * whole, "filters")
    groups, (down, across) = window.groups, window.stride
    given = weight.reshape(groups, channels // groups, filters, rows, columns)
    made = np.zeros(
        (groups, filters, down, across, channels // groups, taps[0] + 1, taps[1] + 1), np.float32
    )
    for row in range(rows):
        below, i = divmod(row * window.dilation[0], down)
        for column in range(columns):
            beside, j = divmod(column * window.dilation[1], across)
            made[:, :, i, j, :, taps[0] - below, taps[1] - beside] = given[
                :, :, :, row, column
            ].swapaxes(1, 2)
    return made.reshape(-1, *made.shape[-3:])


def spread(
    call: Call,
    x: Variable,
    block: tuple[int, int],
    crop: tuple[int, int, int, int] = (0, 0, 0, 0),
    suffix: str = "",
) -> Variable:
    """Channels of a block as its pixels, less a border."""
    attributes: dict[str, AttributeValue] = {"block": block}
    if any(crop):
        attributes["crop"] = shortest(crop)
    shape = (
        *(x.shape[0], x.shape[1] // math.prod(block)),
        x.shape[2] * block[0] - crop[0] - crop[2],
        x.shape[3] * block[1] - crop[1] - crop[3],
    )
    return call.emit("depth_to_space", (x,), attributes, shape, suffix)


def _conv_transpose2d(call: Call) -> Entry:
    x, weight = call.variable("input", rank=4), call.array("weight")
    assert call.shape is not None
    window = TransposedWindow(
        pair(call.get("stride")),
        pair(call.get("padding")),
        pair(call.get("dilation")),
        int(call.get("groups")),
        (call.shape[2], call.shape[3]),
    )
    return transposed_convolution(call, x, weight, _bias(call), window)


def _conv_transpose1d(call: Call) -> Entry:
    x, weight = as_image(call, "input"), call.array("weight")
    assert call.shape is not None

    def along(name: str, unset: int) -> tuple[int, int]:
        stated: Any = call.get(name)
        return unset, int(stated[0] if isinstance(stated, (list, tuple)) else stated)

    window = TransposedWindow(
        along("stride", 1),
        along("padding", 0),
        along("dilation", 1),
        int(call.get("groups")),
        (1, call.shape[2]),
    )
    return as_line(transposed_convolution(call, x, weight[:, :, None], _bias(call), window))


def _bias(call: Call) -> NDArray[np.float32] | None:
    return None if call.get("bias") is None else call.array("bias")


def _pixel_shuffle(call: Call) -> Entry:
    factor = int(call.get("upscale_factor"))
    return spread(call, call.variable("self", rank=4), (factor, factor))


def _pixel_unshuffle(call: Call) -> Entry:
    factor, x = int(call.get("downscale_factor")), call.variable("self", rank=4)
    if factor < 1:
        raise Unsupported(f"downscale_factor={factor}", "use 1 or more")
    return call.emit("space_to_depth", (x,), {"block": (factor, factor)})


TRANSPOSED_ROWS: Final[tuple[tuple[NodeBuilder, tuple[str, ...]], ...]] = (
    (_conv_transpose2d, ("conv_transpose2d.input",)),
    (_conv_transpose1d, ("conv_transpose1d.default",)),
    (_pixel_shuffle, ("pixel_shuffle.default",)),
    (_pixel_unshuffle, ("pixel_unshuffle.default",)),
)
