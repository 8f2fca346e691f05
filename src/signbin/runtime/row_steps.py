"""Steps along axes of values of any rank, from a node to the numbers that a native step takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from signbin.native import _signbin
from signbin.runtime.step import Step

__all__ = ["ROW_STEPS"]

_WALK_AXES: Final = 5
_REDUCED: Final = ("sum", "max", "min")
_HOW: Final = {"sum": "sum", "mean": "sum", "max": "max", "min": "min"}


def _softmax(step: Step) -> None:
    """Over the channels of images lane by lane; else along rows of plain values."""
    shape, axis = step.node.type.shape, step.attributes["axis"]
    if len(shape) == 4 and axis == 1:
        step.add("softmax")
        return
    step.add("softmax_rows", whole=_around(shape, axis))


def _reduce(step: Step) -> None:
    shape = step.graph.type_of(step.node.inputs[0]).shape
    whole = _around(shape, step.attributes["axis"], step.attributes["count"])
    function = step.attributes["function"]
    factor = 1.0 / whole[1] if function == "mean" else 1.0
    step.add("reduce", whole=(_REDUCED.index(_HOW[function]), *whole), real=(factor,))


def _around(shape: tuple[int, ...], axis: int, count: int = 1) -> tuple[int, int, int]:
    """Elements of the axes before, of these, and of those behind, per image."""
    parts = (shape[1:axis], shape[axis : axis + count], shape[axis + count :])
    before, length, behind = (math.prod(extents) for extents in parts)
    return before, length, behind


def _in_rows(step: Step, op: str, length: int, **takes: Any) -> None:
    rows = math.prod(step.node.type.shape[1:]) // length
    epilogue = _signbin.Epilogue(bias=step.vector("bias"))
    step.add(op, scale=step.vector("scale"), epilogue=epilogue, whole=(rows,), **takes)


def _layer_norm(step: Step) -> None:
    length = math.prod(step.node.type.shape[-step.attributes["axes"] :])
    _in_rows(step, "normalize_rows", length, real=(step.attributes["epsilon"],))


def _affine(step: Step) -> None:
    stated = next(vector for name in ("scale", "bias") if (vector := step.vector(name)) is not None)
    _in_rows(step, "scale_rows", len(stated))


def _matmul(step: Step) -> None:
    first, second = (step.graph.type_of(name).shape for name in step.node.inputs)
    whole = (math.prod(first[1:-2]), *first[-2:], second[-1])
    step.add("matmul", whole=whole, epilogue=_signbin.Epilogue(residual=step.residual))


def _constant(step: Step) -> None:
    step.add("fill", scale=step.vector("value"))


def _walked(step: Step, base: int, steps: tuple[int, ...]) -> None:
    """Every element of the result from where ``base`` and so many steps per axis lead."""
    extents = step.node.type.shape[1:]
    missing = _WALK_AXES - len(extents)
    whole = (base, *(1,) * missing, *extents, *(0,) * missing, *steps)
    step.add("strided", whole=whole)


def _steps_of(step: Step) -> tuple[int, ...]:
    """How far apart the neighbours along each axis of the input lie."""
    extents = step.graph.type_of(step.node.inputs[0]).shape[1:]
    return tuple(math.prod(extents[axis + 1 :]) for axis in range(len(extents)))


def _transpose(step: Step) -> None:
    apart = _steps_of(step)
    _walked(step, 0, tuple(apart[axis - 1] for axis in step.attributes["order"]))


def _slice(step: Step) -> None:
    apart, axis = list(_steps_of(step)), step.attributes["axis"] - 1
    base = step.attributes["first"] * apart[axis]
    apart[axis] *= step.attributes["step"]
    _walked(step, base, tuple(apart))


def _take(step: Step) -> None:
    indices = step.vector("indices")
    assert indices is not None
    shape = step.graph.type_of(step.node.inputs[0]).shape
    around = _around(shape, step.attributes["axis"])
    step.add("take", whole=(*around, *(int(index) for index in indices)))


def _expand(step: Step) -> None:
    given = step.graph.type_of(step.node.inputs[0]).shape[1:]
    steps = zip(given, _steps_of(step), strict=True)
    _walked(step, 0, tuple(0 if extent == 1 else apart for extent, apart in steps))


ROW_STEPS: Final[Mapping[str, Callable[[Step], None]]] = MappingProxyType(
    {
        "reshape": lambda step: step.add("flatten"),
        "transpose": _transpose,
        "slice": _slice,
        "take": _take,
        "expand": _expand,
        "softmax": _softmax,
        "reduce": _reduce,
        "layer_norm": _layer_norm,
        "affine": _affine,
        "matmul": _matmul,
        "constant": _constant,
    }
)
"""Operations that go along axes."""
