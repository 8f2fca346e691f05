"""What rows of the op table say of their numbers, so that nobody needs lists of ops.

Every function reads the arguments of one node. Three questions: does the node return its input as
it is (``identity``), is nothing below zero in its result whatever it reads (``rectifies``), and
how many codes can one of its sums add (``terms``).
"""

from __future__ import annotations

import math

import numpy as np

from signbin.ir.functions import FUNCTIONS
from signbin.ir.resampling import nearest_tables
from signbin.ir.schema import Arguments
from signbin.spec import IntegerWeight, LowBitWeight

__all__ = [
    "adds_nothing",
    "always",
    "bounded_by_zero",
    "ends_rectified",
    "function_lowers",
    "function_rectifies",
    "interleaves_nothing",
    "keeps_every_pixel",
    "keeps_order",
    "keeps_shape",
    "pads_nothing",
    "pixels_of_image",
    "pools_single_pixels",
    "repeats_no_pixel",
    "slope_is_one",
    "slopes_are_one",
    "takes_all",
    "taps_of_window",
    "unbounded",
    "weights_of_filter",
]


def always(arguments: Arguments) -> bool:
    """Whatever the node says."""
    del arguments
    return True


def adds_nothing(arguments: Arguments) -> bool:
    """A bias of zeros."""
    return not np.any(arguments.array("bias"))


def unbounded(arguments: Arguments) -> bool:
    """Bounds that hold every number."""
    return (arguments.real("low"), arguments.real("high")) == (-np.inf, np.inf)


def slope_is_one(arguments: Arguments) -> bool:
    """The same slope on both sides of zero."""
    return arguments.real("slope") == 1.0


def slopes_are_one(arguments: Arguments) -> bool:
    """The same slope on both sides of zero, in every channel."""
    return bool(np.all(arguments.array("slope") == 1.0))


def keeps_shape(arguments: Arguments) -> bool:
    """A result of the type of the input."""
    return arguments.node.type == arguments.inputs[0]


def keeps_order(arguments: Arguments) -> bool:
    """Every axis in its place."""
    order = arguments.numbers("order")
    return order == tuple(range(1, len(order) + 1))


def interleaves_nothing(arguments: Arguments) -> bool:
    """One group, or groups of one channel."""
    return arguments.integer("groups") in (1, arguments.channels)


def takes_all(arguments: Arguments) -> bool:
    """Every element of the axis in its place."""
    extent = arguments.inputs[0].shape[arguments.integer("axis")]
    return np.array_equal(arguments.array("indices"), np.arange(extent))


def pads_nothing(arguments: Arguments) -> bool:
    """A border of nothing, on every side."""
    return not any(arguments.margins("padding"))


def repeats_no_pixel(arguments: Arguments) -> bool:
    """A resize to every pixel of the image, once."""
    tables = zip(nearest_tables(arguments), arguments.inputs[0].shape[2:], strict=True)
    return all(np.array_equal(table, np.arange(extent)) for table, extent in tables)


def pools_single_pixels(arguments: Arguments) -> bool:
    """Windows of one pixel, next to one another; they have no padding."""
    return arguments.pair("kernel") == arguments.pair("stride") == (1, 1)


def keeps_every_pixel(arguments: Arguments) -> bool:
    """No pixel left out, no channel added."""
    return arguments.pair("stride") == (1, 1) and keeps_shape(arguments)


def bounded_by_zero(arguments: Arguments) -> bool:
    """A lower bound of zero or above."""
    return arguments.real("low") >= 0


def function_rectifies(arguments: Arguments) -> bool:
    """A function without values below zero."""
    return FUNCTIONS[arguments.word("function")].never_negative


def function_lowers(arguments: Arguments) -> bool:
    """A function with values below zero of numbers from zero up."""
    return FUNCTIONS[arguments.word("function")].negative_of_positive


def ends_rectified(arguments: Arguments) -> bool:
    """An epilogue that ends in a relu, or a clamp from zero up, and adds nothing after it."""
    activation = arguments.word("activation")
    raised = activation == "relu" or (activation == "clamp" and bounded_by_zero(arguments))
    return raised and not arguments.has("post_bias")


def taps_of_window(arguments: Arguments) -> int:
    """R * S of a pooling window."""
    return math.prod(arguments.pair("kernel"))


def pixels_of_image(arguments: Arguments) -> int:
    """H * W of the input."""
    return math.prod(arguments.inputs[0].shape[2:])


def weights_of_filter(arguments: Arguments) -> int:
    """The largest sum of magnitudes of a filter's codes; all its inputs where it has an offset."""
    weight = arguments.constant("weight")
    assert isinstance(weight, LowBitWeight | IntegerWeight)
    if isinstance(weight, LowBitWeight) and weight.offset is not None:
        return math.prod(weight.shape[1:])
    magnitudes = np.abs(weight.codes).reshape(weight.shape[0], -1)
    return int(magnitudes.sum(axis=1, dtype=np.int64).max())
