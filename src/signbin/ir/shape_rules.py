"""Shape rules of the op table: what a node's inputs must look like and what comes out.

Alphabet: N images, C channels, H x W pixels in, K filters of R x S taps. Values are [N,C],
[N,C,H,W] or of any other rank. Arithmetic is on Python integers, so that no size can overflow.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Final

import numpy as np

from signbin.ir.functions import FUNCTIONS
from signbin.ir.graph import BATCH
from signbin.ir.schema import MAX_ELEMENTS, Arguments, Shape

__all__ = [
    "FOLLOWS",
    "add",
    "avg_pool2d",
    "batch_norm",
    "channel_shuffle",
    "clamp",
    "concat",
    "conv2d",
    "elementwise",
    "flatten",
    "global_avg_pool",
    "linear",
    "max_pool2d",
    "multiply",
    "pad",
    "per_channel",
    "per_filter",
    "reshape",
    "resize_nearest",
    "slice_channels",
    "subsample_pad",
    "subtract",
    "unary",
    "weight_of_conv2d",
    "weight_of_linear",
]


FOLLOWS: Final = -1
"""An extent of a reshape that is whatever the others leave."""


def per_channel(arguments: Arguments) -> tuple[int | None, ...]:
    """Shape of a constant with one number per input channel: (C,)."""
    return (arguments.channels,)


def per_filter(arguments: Arguments) -> tuple[int | None, ...]:
    """Shape of a constant with one number per filter: (K,)."""
    return (arguments.constant_shape("weight")[0],)


def weight_of_conv2d(arguments: Arguments) -> tuple[int | None, ...]:
    """Shape of a convolution's weight: (K, C/groups, R, S) with K, R, S free."""
    _expect_image(arguments)
    groups = arguments.integer("groups")
    if arguments.channels % groups:
        raise arguments.refusal(
            "groups", value=groups, allowed=f"a divisor of the {arguments.channels} input channels"
        )
    return (None, arguments.channels // groups, None, None)


def weight_of_linear(arguments: Arguments) -> tuple[int | None, ...]:
    """Shape of a linear layer's weight: (K, C) with K free, C the last extent of the input."""
    return (None, arguments.inputs[0].shape[-1])


def elementwise(arguments: Arguments) -> Shape:
    """The shape of the first input."""
    return arguments.inputs[0].shape


def batch_norm(arguments: Arguments) -> Shape:
    """The shape of the input; variance >= 0 and variance + epsilon > 0."""
    variance = arguments.array("variance")
    if variance.min() < 0 or variance.min() + arguments.real("epsilon") <= 0:
        raise arguments.refusal(
            "variance + epsilon",
            value=float(variance.min()) + arguments.real("epsilon"),
            allowed="positive, and no negative variance",
            remedy="re-estimate the statistics or set epsilon",
        )
    return arguments.inputs[0].shape


def clamp(arguments: Arguments) -> Shape:
    """The shape of the input; low <= high."""
    _expect_ordered_bounds(arguments)
    return arguments.inputs[0].shape


def add(arguments: Arguments) -> Shape:
    """The shape of both inputs, which must be equal: no broadcasting."""
    first, second = arguments.inputs
    if first.shape != second.shape:
        raise arguments.refusal(
            "second input", value=str(second), allowed=f"{first}, the shape of the first"
        )
    return first.shape


def subtract(arguments: Arguments) -> Shape:
    """The shape of both inputs, which must be equal: no broadcasting."""
    return add(arguments)


def multiply(arguments: Arguments) -> Shape:
    """The shape of the larger input; the other has as many channels or one, as many pixels or one.

    Either may be the larger one; [N,C] values have one pixel.
    """
    first, second = (type_.shape for type_ in arguments.inputs)
    for large, small in ((first, second), (second, first)):
        if len(large) == len(small):
            channels = small[1] in (1, large[1])
            pixels = small[2:] in (large[2:], (1,) * len(large[2:]))
            if channels and pixels:
                return large
    raise arguments.refusal(
        "inputs",
        value=f"{arguments.inputs[0]}, {arguments.inputs[1]}",
        allowed="equal shapes, or one of them [N,C,1,1], [N,1,H,W] or [N,1,1,1] beside [N,C,H,W]",
    )


def conv2d(arguments: Arguments) -> Shape:
    """[N,K,P,Q] with P = (H + top + bottom - dilation*(R-1) - 1) // stride + 1, Q alike."""
    filters, _, rows, columns = arguments.constant_shape("weight")
    groups = arguments.integer("groups")
    if filters % groups:
        raise arguments.refusal(
            "groups", value=groups, allowed=f"a divisor of the {filters} filters"
        )
    height, width = _windows(arguments, (rows, columns), arguments.pair("dilation"))
    result = (BATCH, filters, height, width)
    _expect_epilogue(arguments, result)
    return result


def linear(arguments: Arguments) -> Shape:
    """[N,...,K]: the input with its last extent replaced."""
    result = (*arguments.inputs[0].shape[:-1], arguments.constant_shape("weight")[0])
    _expect_epilogue(arguments, result)
    return result


def max_pool2d(arguments: Arguments) -> Shape:
    """[N,C,P,Q], extents as conv2d; padding less than the dilated kernel."""
    return _pooled(arguments, arguments.pair("dilation"))


def avg_pool2d(arguments: Arguments) -> Shape:
    """[N,C,P,Q], extents as conv2d; padding less than the kernel."""
    return _pooled(arguments, (1, 1))


def global_avg_pool(arguments: Arguments) -> Shape:
    """[N,C,1,1]."""
    _expect_image(arguments)
    return (BATCH, arguments.channels, 1, 1)


def flatten(arguments: Arguments) -> Shape:
    """[N, C*H*W]."""
    return (BATCH, math.prod(arguments.inputs[0].shape[1:]))


def reshape(arguments: Arguments) -> Shape:
    """[N, *shape], as many elements as the input; an extent that is stated as -1 follows."""
    stated = arguments.numbers("shape")
    count = math.prod(arguments.inputs[0].shape[1:])
    others = math.prod(extent for extent in stated if extent != FOLLOWS)
    follows = count // others if others else 0
    shape = tuple(follows if extent == FOLLOWS else extent for extent in stated)
    if stated.count(FOLLOWS) > 1 or not all(shape) or math.prod(shape) != count:
        raise arguments.refusal(
            "shape",
            value=stated,
            allowed=f"{count} elements, as the input has, one extent -1 or none",
        )
    return (BATCH, *shape)


def subsample_pad(arguments: Arguments) -> Shape:
    """[N, before + C + after channels, ceil((H + top + bottom) / stride), width alike]."""
    _expect_image(arguments)
    channels = (
        arguments.integer("channels_before")
        + arguments.channels
        + arguments.integer("channels_after")
    )
    return (BATCH, channels, *_windows(arguments, (1, 1), (1, 1)))


def unary(arguments: Arguments) -> Shape:
    """The shape of the input; alpha is stated only where the function takes it."""
    function = arguments.word("function")
    if "alpha" in arguments.node.attributes and not FUNCTIONS[function].takes_alpha:
        takers = ", ".join(name for name, row in FUNCTIONS.items() if row.takes_alpha)
        raise arguments.refusal(
            "attribute alpha", value=function, allowed=f"only with function {takers}"
        )
    return arguments.inputs[0].shape


def pad(arguments: Arguments) -> Shape:
    """[N, C, top + H + bottom, left + W + right]; negative ones cut off less than there is.

    Only a constant border may be negative. A mirror shows less than the image, its other side all
    of it at most.
    """
    _expect_image(arguments)
    padding, mode = arguments.margins("padding"), arguments.word("mode")
    extents = arguments.inputs[0].shape[2:]
    for extent, both in zip(extents, (padding[0::2], padding[1::2]), strict=True):
        most = {"reflect": extent - 1, "circular": extent}.get(mode, max(both))
        least = 1 - extent if mode == "constant" else 0
        if max(both) > most or min(both) < least or extent + sum(both) < 1:
            raise arguments.refusal(
                "padding",
                value=padding,
                allowed=f"{least}..{most} around {extent} pixels, of which some stay, with {mode}",
            )
    if mode != "constant" and "value" in arguments.node.attributes:
        raise arguments.refusal("attribute value", value=mode, allowed='only with mode="constant"')
    return (
        BATCH,
        arguments.channels,
        *(extent + sum(padding[axis::2]) for axis, extent in enumerate(extents)),
    )


def resize_nearest(arguments: Arguments) -> Shape:
    """[N, C, size]; a scale that is stated makes the extents that size, rounded down."""
    _expect_image(arguments)
    for axis, name in enumerate(("scale_height", "scale_width")):
        scale, extent = arguments.real(name), arguments.inputs[0].shape[2 + axis]
        if scale and math.floor(extent * scale) != arguments.pair("size")[axis]:
            raise arguments.refusal(
                name, value=scale, allowed=f"0, or what makes {extent} {arguments.pair('size')}"
            )
    return (BATCH, arguments.channels, *arguments.pair("size"))


def concat(arguments: Arguments) -> Shape:
    """[N, sum of C, ...]: inputs differ in their channels alone."""
    first, *others = arguments.inputs
    for other in others:
        if other.shape[2:] != first.shape[2:] or len(other.shape) != len(first.shape):
            raise arguments.refusal(
                "input", value=str(other), allowed=f"{first}, but for the channels"
            )
    return (BATCH, sum(part.shape[1] for part in arguments.inputs), *first.shape[2:])


def slice_channels(arguments: Arguments) -> Shape:
    """[N, count, ...] with first + count <= C."""
    first, count = arguments.integer("first"), arguments.integer("count")
    if first + count > arguments.channels:
        raise arguments.refusal(
            "first + count", value=first + count, allowed=f"<= {arguments.channels} channels"
        )
    return (BATCH, count, *arguments.inputs[0].shape[2:])


def channel_shuffle(arguments: Arguments) -> Shape:
    """The shape of the input; groups divide its channels."""
    groups = arguments.integer("groups")
    if arguments.channels % groups:
        raise arguments.refusal(
            "groups", value=groups, allowed=f"a divisor of {arguments.channels} channels"
        )
    return arguments.inputs[0].shape


def _pooled(arguments: Arguments, dilation: tuple[int, int]) -> Shape:
    _expect_image(arguments)
    kernel, padding = arguments.pair("kernel"), arguments.margins("padding")
    for axis, (taps, step) in enumerate(zip(kernel, dilation, strict=True)):
        reach = (taps - 1) * step + 1
        if max(padding[axis::2]) >= reach:
            raise arguments.refusal(
                "padding", value=padding, allowed=f"less than the window: {reach - 1} at most"
            )
    height, width = _windows(arguments, kernel, dilation)
    return (BATCH, arguments.channels, height, width)


def _windows(
    arguments: Arguments, kernel: tuple[int, int], dilation: tuple[int, int]
) -> tuple[int, int]:
    """How many windows fit vertically and horizontally."""
    counts = []
    padded_elements = arguments.channels
    for axis in range(2):
        extent = arguments.inputs[0].shape[2 + axis]
        padded = extent + sum(arguments.margins("padding")[axis::2])
        reach = (kernel[axis] - 1) * dilation[axis] + 1
        if reach > padded:
            raise arguments.refusal(
                f"{'height' if axis == 0 else 'width'} of the dilated kernel",
                value=reach,
                allowed=f"at most the padded input, {padded}",
            )
        padded_elements *= padded
        counts.append((padded - reach) // arguments.pair("stride")[axis] + 1)
    if padded_elements > MAX_ELEMENTS:
        raise arguments.refusal(
            "elements of the padded input", value=padded_elements, allowed=f"<= {MAX_ELEMENTS}"
        )
    return counts[0], counts[1]


def _expect_image(arguments: Arguments) -> None:
    if len(arguments.inputs[0].shape) != 4:
        raise arguments.refusal(
            "first input",
            value=str(arguments.inputs[0]),
            allowed="[N,C,H,W]",
            remedy="reshape it first",
        )


def _expect_epilogue(arguments: Arguments, result: Shape) -> None:
    """Parameters of the activation are stated exactly where it uses them; residual fits."""
    activation = arguments.word("activation")
    users = {"slope": "leaky_relu", "low": "clamp", "high": "clamp", "prelu": "prelu"}
    for name, user in users.items():
        if name in arguments.node.attributes and activation != user:
            raise arguments.refusal(
                f"attribute {name}", value=activation, allowed=f'only with activation="{user}"'
            )
    if activation == "prelu" and not arguments.has("prelu"):
        raise arguments.refusal("attribute prelu", value=None, allowed="a constant of slopes (K,)")
    _expect_ordered_bounds(arguments)
    if len(arguments.inputs) == 2 and arguments.inputs[1].shape != result:
        raise arguments.refusal(
            "residual input",
            value=str(arguments.inputs[1]),
            allowed=f"{dataclasses.replace(arguments.node.type, shape=result)}, the result's shape",
        )


def _expect_ordered_bounds(arguments: Arguments) -> None:
    low, high = arguments.real("low"), arguments.real("high")
    if not low <= high or low == np.inf or high == -np.inf:
        raise arguments.refusal("bounds low, high", value=(low, high), allowed="low <= high")
