"""What operators say of windows and padding, as the IR has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from signbin.draft.call import Call, Unsupported, Variable
from signbin.ir import AttributeValue, margins

__all__ = ["bordered", "convolution_padding", "pair", "shortest", "window_of_pool"]


def pair(values: Any) -> tuple[int, int]:
    """PyTorch's int or list of one or two as (vertical, horizontal)."""
    both = [values] if isinstance(values, int) else list(values)
    if len(both) not in (1, 2) or not all(isinstance(value, int) for value in both):
        raise Unsupported(f"{values} is not one or two whole numbers")
    return int(both[0]), int(both[-1])


def convolution_padding(
    padding: Any, kernel: tuple[int, ...], dilation: tuple[int, int]
) -> tuple[int, ...]:
    """Padding of a convolution; "same" pads an odd number of zeros once more below and right.

    Four numbers, which PyTorch never states, are (top, left, bottom, right).
    """
    if not isinstance(padding, str):
        four = not isinstance(padding, int) and len(padding) == 4
        return shortest(tuple(padding)) if four else pair(padding)
    if padding == "valid":
        return 0, 0
    both = [step * (taps - 1) for taps, step in zip(kernel, dilation, strict=True)]
    before = tuple(total // 2 for total in both)
    return shortest((*before, both[0] - before[0], both[1] - before[1]))


def shortest(around: tuple[int, ...]) -> tuple[int, ...]:
    """(top, left, bottom, right) as two numbers where both sides are alike."""
    return around[:2] if around[:2] == around[2:] else around


def bordered(
    call: Call, x: Variable, stated: tuple[int, int], window: Mapping[str, Any]
) -> tuple[Variable, dict[str, AttributeValue]]:
    """The stated padding as pixels of the image, and the window with what is left of its own."""
    height, width = (extent + 2 * pad for extent, pad in zip(x.shape[2:], stated, strict=True))
    shape = (*x.shape[:2], height, width)
    border: dict[str, AttributeValue] = {
        "stride": (1, 1),
        "padding": stated,
        "channels_before": 0,
        "channels_after": 0,
    }
    made = call.emit("subsample_pad", (x,), border, shape, suffix=".pad")
    _, _, bottom, right = margins(window["padding"])
    return made, {**window, "padding": (0, 0, bottom - stated[0], right - stated[1])}


def window_of_pool(call: Call, x: Variable, dilation: tuple[int, int]) -> dict[str, AttributeValue]:
    """Kernel, stride and padding of a pool; ceil_mode is as much padding more as it reads.

    How many windows there are is read from the result: PyTorch leaves out those that begin in the
    padding below or right.
    """
    kernel = pair(call.get("kernel_size"))
    stride = pair(call.get("stride")) if call.get("stride") else kernel
    before = pair(call.get("padding"))
    if not call.get("ceil_mode"):
        return {"kernel": kernel, "stride": stride, "padding": before}
    if call.shape is None:
        raise Unsupported("its result is not one tensor")
    after = [
        max(pad, (windows - 1) * step + (taps - 1) * apart + 1 - extent - pad)
        for windows, step, taps, apart, extent, pad in zip(
            call.shape[2:], stride, kernel, dilation, x.shape[2:], before, strict=True
        )
    ]
    return {"kernel": kernel, "stride": stride, "padding": shortest((*before, *after))}
