"""Shape rules of operations that make pixels of pixels between them, or of channels."""

from __future__ import annotations

import math

from signbin.ir.graph import BATCH
from signbin.ir.schema import MAX_ELEMENTS, Arguments, Shape

__all__ = ["depth_to_space", "resize_linear", "space_to_depth"]


def resize_linear(arguments: Arguments) -> Shape:
    """[N, C, size]."""
    _, channels, _, _ = _image(arguments)
    size = arguments.pair("size")
    if channels * math.prod(size) > MAX_ELEMENTS:
        raise arguments.refusal("size", value=size, allowed=f"<= {MAX_ELEMENTS} elements")
    return (BATCH, channels, *size)


def depth_to_space(arguments: Arguments) -> Shape:
    """[N, C / block, H * down - top - bottom, W * across - left - right]."""
    _, channels, height, width = _image(arguments)
    block, crop = arguments.pair("block"), arguments.margins("crop")
    if channels % math.prod(block):
        raise arguments.refusal("block", value=block, allowed=f"a divisor of {channels} channels")
    size = (
        height * block[0] - crop[0] - crop[2],
        width * block[1] - crop[1] - crop[3],
    )
    if min(size) < 1:
        raise arguments.refusal("crop", value=crop, allowed="less than the image")
    return (BATCH, channels // math.prod(block), *size)


def space_to_depth(arguments: Arguments) -> Shape:
    """[N, C * block, H / down, W / across]."""
    _, channels, height, width = _image(arguments)
    down, across = arguments.pair("block")
    if height % down or width % across:
        raise arguments.refusal(
            "block", value=(down, across), allowed=f"divisors of {height} x {width} pixels"
        )
    return (BATCH, channels * down * across, height // down, width // across)


def _image(arguments: Arguments) -> Shape:
    shape = arguments.inputs[0].shape
    if len(shape) != 4:
        raise arguments.refusal(
            "input", value=str(arguments.inputs[0]), allowed="[N,C,H,W]", remedy="reshape it first"
        )
    return shape
