"""Rows of the op table that make pixels of pixels between them, or of channels, and references."""

from __future__ import annotations

from typing import Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from signbin.ir import pixel_rules
from signbin.ir.requantization import Held
from signbin.ir.resampling import blended, blended_codes, linear_tables
from signbin.ir.schema import (
    MAX_WINDOW,
    Arguments,
    Array,
    Attribute,
    AttributeKind,
    Op,
    TypeRule,
)
from signbin.ir.windows import Elements

__all__ = [
    "PIXEL_OPS",
    "depth_to_space",
    "resize_linear",
    "space_to_depth",
]

Codes: TypeAlias = NDArray[np.uint8]


def _block() -> Attribute:
    return Attribute(AttributeKind.PAIR, minimum=1, maximum=MAX_WINDOW)


def _real(default: float) -> Attribute:
    return Attribute(AttributeKind.FLOAT, default)


def resize_linear(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Every pixel between the four around the place it falls on."""
    return blended(linear_tables(arguments), inputs[0])


def depth_to_space(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Channels of a block, row by row, as its pixels; then a border is cut off."""
    return _spread(arguments, inputs[0])


def space_to_depth(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Pixels of a block, row by row, as channels."""
    return _gathered(arguments, inputs[0])


def _spread(arguments: Arguments, x: Elements) -> Elements:
    (down, across), (top, left, bottom, right) = (
        arguments.pair("block"),
        arguments.margins("crop"),
    )
    images, channels, height, width = x.shape
    apart = x.reshape(images, channels // (down * across), down, across, height, width)
    whole = apart.transpose(0, 1, 4, 2, 5, 3).reshape(images, -1, height * down, width * across)
    return whole[:, :, top : height * down - bottom, left : width * across - right]


def _gathered(arguments: Arguments, x: Elements) -> Elements:
    down, across = arguments.pair("block")
    images, channels, height, width = x.shape
    apart = x.reshape(images, channels, height // down, down, width // across, across)
    turned = apart.transpose(0, 1, 3, 5, 2, 4)
    return turned.reshape(images, -1, height // down, width // across)


def _blended_codes(arguments: Arguments, _constants: object, inputs: tuple[Held, ...]) -> Held:
    """The same of codes, in whole numbers."""
    return blended_codes(linear_tables(arguments), inputs[0])


def _spread_codes(arguments: Arguments, _constants: object, inputs: tuple[Held, ...]) -> Held:
    """The same of codes."""
    return _spread(arguments, cast(Codes, inputs[0]))


def _gathered_codes(arguments: Arguments, _constants: object, inputs: tuple[Held, ...]) -> Held:
    """The same of codes."""
    return _gathered(arguments, cast(Codes, inputs[0]))


def _spreads_nothing(arguments: Arguments) -> bool:
    return arguments.pair("block") == (1, 1) and not any(arguments.margins("crop"))


def _gathers_nothing(arguments: Arguments) -> bool:
    return arguments.pair("block") == (1, 1)


PIXEL_OPS: Final = (
    Op(
        "resize_linear",
        "y[i] = (1 - b) x[r] + b x[r + 1] along each axis, r + b = min(max(first + i * step, 0), "
        "size of x - 1), 0 <= b < 1",
        {
            "size": _block(),
            "step_height": _real(1.0),
            "step_width": _real(1.0),
            "first_height": _real(0.0),
            "first_width": _real(0.0),
        },
        pixel_rules.resize_linear,
        resize_linear,
        TypeRule.KEPT,
        _blended_codes,
        on_codes="shares b as whole 2048ths B, half to even: q = floor((sum of q B_row B_column + "
        "2^21) / 2^22); scale and zero point stay",
        keeps_sign=True,
    ),
    Op(
        "depth_to_space",
        "y[c, h * D + i, w * A + j] = x[(c * D + i) * A + j, h, w], block = (D, A), less a border",
        {
            "block": _block(),
            "crop": Attribute(AttributeKind.MARGINS, (0, 0), minimum=0, maximum=MAX_WINDOW),
        },
        pixel_rules.depth_to_space,
        depth_to_space,
        TypeRule.KEPT,
        _spread_codes,
        on_codes="codes stay",
        identity=_spreads_nothing,
        keeps_sign=True,
    ),
    Op(
        "space_to_depth",
        "y[(c * D + i) * A + j, h, w] = x[c, h * D + i, w * A + j], block = (D, A)",
        {"block": _block()},
        pixel_rules.space_to_depth,
        space_to_depth,
        TypeRule.KEPT,
        _gathered_codes,
        on_codes="codes stay",
        identity=_gathers_nothing,
        keeps_sign=True,
    ),
)
"""In the table they stand with the others."""
