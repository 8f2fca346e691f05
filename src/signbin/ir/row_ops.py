"""Rows of the op table whose operations go along, or move, the axes of values of any rank."""

from __future__ import annotations

from typing import Final

from signbin.ir import integer, properties, reference, row_reference, row_rules, shape_rules
from signbin.ir.schema import MAX_AXIS, MAX_ELEMENTS, Attribute, AttributeKind, Op, TypeRule

__all__ = ["ROW_OPS"]


def _axis(default: int | None = None) -> Attribute:
    return Attribute(AttributeKind.INT, default, minimum=1, maximum=MAX_AXIS)


def _extent(minimum: int, default: int | None = None) -> Attribute:
    return Attribute(AttributeKind.INT, default, minimum=minimum, maximum=MAX_ELEMENTS)


_LAST_AXES: Final = Attribute(AttributeKind.CONSTANT, optional=True, shape=row_rules.last_axes)
_ANY_LAST_AXES: Final = Attribute(
    AttributeKind.CONSTANT, optional=True, shape=row_rules.any_last_axes
)
_MOVED: Final = "codes stay"

ROW_OPS: Final = (
    Op(
        "softmax",
        "y = e^x / sum of e^x along an axis, by default over all channels",
        {"axis": _axis(1)},
        row_rules.softmax,
        row_reference.softmax,
        rectifies=properties.always,
    ),
    Op(
        "reduce",
        "y = sum, mean, largest or least along `count` axes from `axis` on, which keep one element",
        {
            "function": Attribute(AttributeKind.WORD, words=tuple(row_reference.REDUCTIONS)),
            "axis": _axis(),
            "count": _axis(1),
        },
        row_rules.reduce,
        row_reference.reduce,
        keeps_sign=True,
    ),
    Op(
        "layer_norm",
        "y = (x - mean) / sqrt(variance + epsilon) * scale + bias, over the last `axes` axes",
        {
            "axes": _axis(1),
            "scale": _LAST_AXES,
            "bias": _LAST_AXES,
            "epsilon": Attribute(AttributeKind.FLOAT, minimum=0.0),
        },
        row_rules.layer_norm,
        row_reference.layer_norm,
    ),
    Op(
        "affine",
        "y = scale * x + bias, constants of the shape of the last axes of x",
        {"scale": _ANY_LAST_AXES, "bias": _ANY_LAST_AXES},
        shape_rules.elementwise,
        row_reference.affine,
    ),
    Op(
        "matmul",
        "z = x y of the last two axes, for every index of the others",
        {},
        row_rules.matmul,
        row_reference.matmul,
        least_inputs=2,
        most_inputs=2,
        keeps_sign=True,
    ),
    Op(
        "constant",
        "y = value, the same for every image of x",
        {"value": Attribute(AttributeKind.CONSTANT, shape=row_rules.any_shape)},
        row_rules.constant,
        row_reference.constant,
    ),
    Op(
        "reshape",
        "y = x as [N, *shape], elements in the same order; one extent may be -1: it follows",
        {"shape": Attribute(AttributeKind.NUMBERS, minimum=-1, maximum=MAX_ELEMENTS)},
        shape_rules.reshape,
        reference.reshape,
        TypeRule.KEPT,
        integer.reshape,
        on_codes=_MOVED,
        identity=properties.keeps_shape,
        keeps_sign=True,
    ),
    Op(
        "transpose",
        "y[n, i, j, ...] = x[n, ...], axis a of y being axis order[a] of x",
        {"order": Attribute(AttributeKind.NUMBERS, minimum=1, maximum=MAX_AXIS)},
        row_rules.transpose,
        row_reference.transpose,
        TypeRule.KEPT,
        row_reference.transpose_codes,
        on_codes="codes stay",
        identity=properties.keeps_order,
        keeps_sign=True,
    ),
    Op(
        "slice",
        "y = x[..., first : first + count * step : step, ...] along an axis",
        {
            "axis": _axis(),
            "first": _extent(0, 0),
            "count": _extent(1),
            "step": _extent(1, 1),
        },
        row_rules.slice_,
        row_reference.slice_,
        TypeRule.KEPT,
        row_reference.slice_codes,
        on_codes="codes stay",
        identity=properties.keeps_shape,
        keeps_sign=True,
    ),
    Op(
        "take",
        "y[..., n, ...] = x[..., indices[n], ...] along an axis",
        {
            "axis": _axis(),
            "indices": Attribute(AttributeKind.CONSTANT, shape=row_rules.any_vector),
        },
        row_rules.take,
        row_reference.take,
        TypeRule.KEPT,
        row_reference.take_codes,
        on_codes="codes stay",
        identity=properties.takes_all,
        keeps_sign=True,
    ),
    Op(
        "expand",
        "y = x, axes of one element repeated to [N, *shape]",
        {"shape": Attribute(AttributeKind.NUMBERS, minimum=1, maximum=MAX_ELEMENTS)},
        row_rules.expand,
        row_reference.expand,
        TypeRule.KEPT,
        row_reference.expand_codes,
        on_codes="codes stay",
        identity=properties.keeps_shape,
        keeps_sign=True,
    ),
)
"""In the table they stand with the others."""
