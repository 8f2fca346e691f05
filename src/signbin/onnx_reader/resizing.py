"""Rows that resize: where every pixel of the result falls is computed here, as ONNX says it."""

from __future__ import annotations

import dataclasses
import math
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.draft import Entry, Unsupported, Variable
from signbin.draft.call import expect_modest
from signbin.draft.places import taken_from
from signbin.draft.resizing import along_axis, cubic, resized_linearly, tent, weighing
from signbin.draft.rows import last_axes_affine
from signbin.ir import BATCH
from signbin.ir.resampling import nearest_table
from signbin.onnx_reader.node import OnnxNode, Rows

__all__ = ["RESIZING"]

_IMAGE_AXES: Final = (2, 3)


@dataclasses.dataclass(frozen=True)
class _Axis:
    """One axis: its extents before and after; pixel i falls on first + i * step.

    centre: where a pixel is, in parts of it, before it is divided by the scale. cropped: whether
    places beyond the image hold a number.
    """

    axis: int
    extent: int
    size: int
    scale: float
    step: float
    first: float
    centre: float = 0.0
    cropped: bool = False

    @property
    def beyond(self) -> NDArray[np.bool_]:
        """Pixels that fall beyond the image, where the result has a number there."""
        places = self.places
        return self.cropped & ((places < 0) | (places > self.extent - 1))

    @property
    def places(self) -> NDArray[np.float64]:
        """Where every pixel falls, in float32: (i + centre) / scale, as engines compute it."""
        index = np.arange(self.size, dtype=np.float32)
        if self.step != 1 / self.scale:
            made = (self.first + index.astype(np.float64) * self.step).astype(np.float32)
        else:
            origin = np.float32(self.first - self.centre * self.step)
            made = (index + np.float32(self.centre)) / np.float32(self.scale) + origin
        return made.astype(np.float64)


def _resize(node: OnnxNode) -> Entry:
    x = node.variable()
    axes = [each for each in _axes(node, x) if not _stays(each)]
    if any(each.axis == BATCH for each in axes):
        raise Unsupported("resizes the batch", "keep the images")
    if not axes:
        return x
    mode = node.text("mode", "nearest")
    outside = [each for each in axes if each.beyond.any()]
    if mode == "nearest" and not outside:
        return _nearest(node, x, axes)
    antialiased = bool(node.attribute("antialias", 0))
    inside = bool(node.attribute("exclude_outside", 0))
    if (
        mode == "linear"
        and not antialiased
        and not inside
        and not outside
        and _are_image_axes(x, axes)
    ):
        return _linear(node, x, axes)
    made = x
    for each in axes:
        matrix = _matrix(node, each, mode, antialiased=antialiased, inside=inside)
        suffix = "" if each is axes[-1] and not outside else f".axis{each.axis}"
        made = along_axis(node.call({}), made, each.axis, matrix, suffix)
    return _with_outside(node, made, outside) if outside else made


def _matrix(
    node: OnnxNode, each: _Axis, mode: str, *, antialiased: bool, inside: bool
) -> NDArray[np.float64]:
    """What every pixel weighs; places beyond the image have none where they are a number."""
    kernels = {"linear": tent, "cubic": cubic(float(node.attribute("cubic_coeff_a", -0.75)))}
    if mode == "nearest":
        made = np.eye(each.extent)[_table(node, each)]
    elif mode in kernels:
        spread = max(1 / each.scale, 1.0) if antialiased else 1.0
        places = np.where(each.beyond, 0.0, each.places)
        made = weighing(each.extent, places, kernels[mode], spread=spread, inside=inside)
    else:
        raise Unsupported(f"mode={mode}", f"use one of nearest, {', '.join(kernels)}")
    made[each.beyond] = 0.0
    return made


def _with_outside(node: OnnxNode, made: Variable, outside: list[_Axis]) -> Entry:
    value, shift = float(node.attribute("extrapolation_value", 0.0)), np.zeros(())
    for each in outside:
        shape = [1] * (len(made.shape) - 1)
        shape[each.axis - 1] = each.size
        shift = np.maximum(shift, each.beyond.astype(np.float64).reshape(shape))
    return last_axes_affine(node.call({}), made, None, value * shift)


def _stays(each: _Axis) -> bool:
    return each.extent == each.size and (each.first, each.step) == (0.0, 1.0)


def _are_image_axes(x: Variable, axes: list[_Axis]) -> bool:
    return len(x.shape) == 4 and all(each.axis in _IMAGE_AXES for each in axes)


def _linear(node: OnnxNode, x: Variable, axes: list[_Axis]) -> Entry:
    found = {each.axis: each for each in axes}
    steps = [found[axis].step if axis in found else 1.0 for axis in _IMAGE_AXES]
    firsts = [found[axis].first if axis in found else 0.0 for axis in _IMAGE_AXES]
    x = node.call({"self": x}).variable("self")
    size = (node.shape[2], node.shape[3])
    return resized_linearly(node.call({}), x, size, steps, firsts)


def _nearest(node: OnnxNode, x: Variable, axes: list[_Axis]) -> Entry:
    tables = {each.axis: _table(node, each) for each in axes}
    if _are_image_axes(x, axes):
        for centred in (False, True):
            same = [_is_usual(tables.get(axis), x, node, axis, centred) for axis in _IMAGE_AXES]
            if all(same):
                call = "_upsample_nearest_exact2d" if centred else "upsample_nearest2d"
                none: dict[str, Any] = {"scales_h": None, "scales_w": None}
                return node.say(f"{call}.default", self=x, **none)
    made = node.call({"self": x}).variable("self")
    for axis, table in tables.items():
        suffix = "" if axis == axes[-1].axis else f".axis{axis}"
        made = taken_from(node.call({}, suffix=suffix), made, axis, table)
    return made


def _is_usual(
    table: list[int] | None, x: Variable, node: OnnxNode, axis: int, centred: bool
) -> bool:
    usual = nearest_table(x.shape[axis], node.shape[axis], 0.0, centred=centred)
    return (list(range(x.shape[axis])) if table is None else table) == list(usual)


def _table(node: OnnxNode, each: _Axis) -> list[int]:
    default = "floor" if node.version < 11 else "round_prefer_floor"
    mode, places = node.text("nearest_mode", default), each.places
    rounded = {
        "floor": np.floor(places),
        "ceil": np.ceil(places),
        "round_prefer_floor": np.ceil(places - 0.5),
        "round_prefer_ceil": np.floor(places + 0.5),
    }
    if mode not in rounded:
        raise Unsupported(f"nearest_mode={mode}", f"use one of {', '.join(rounded)}")
    return [int(place) for place in np.clip(rounded[mode], 0, each.extent - 1)]


def _axes(node: OnnxNode, x: Variable) -> list[_Axis]:
    rank = len(x.shape) - node.lead
    stated = node.attribute("axes") or list(range(rank))
    axes = [node.axis(axis, x) for axis in stated]
    given = [node.batch if axis == BATCH else x.shape[axis] for axis in axes]
    made = [node.batch if axis == BATCH else node.shape[axis] for axis in axes]
    corners = _corners(node, len(axes))
    return [
        _placed(node, axis, extent, size, scale, corner)
        for axis, extent, size, scale, corner in zip(
            axes, given, made, _scales(node, given, made), corners, strict=True
        )
    ]


def _scales(node: OnnxNode, given: list[int], made: list[int]) -> list[float]:
    position = 1 if node.version < 11 else 2
    if node.has(position) and node.known(position).size:
        return [float(scale) for scale in node.known(position).reshape(-1)]
    if node.attribute("scales"):  # of Upsample before opset 9
        return [float(scale) for scale in node.attribute("scales")]
    ratios = [size / extent for size, extent in zip(made, given, strict=True)]
    policy = node.text("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch" or not node.has(3):
        return ratios
    wanted = [size / extent for size, extent in zip(node.known(3).tolist(), given, strict=True)]
    return [min(wanted) if policy == "not_larger" else max(wanted)] * len(given)


def _corners(node: OnnxNode, count: int) -> list[tuple[float, float]]:
    """Begin and end of every axis, in parts of it."""
    if _transformation(node) != "tf_crop_and_resize":
        return [(0.0, 1.0)] * count
    region = [float(number) for number in node.known(1).reshape(-1)]
    return list(zip(region[:count], region[count:], strict=True))


def _transformation(node: OnnxNode) -> str:
    if node.operator == "Upsample" or node.version < 11:
        return "asymmetric"
    return node.text("coordinate_transformation_mode", "half_pixel")


def _placed(
    node: OnnxNode,
    axis: int,
    extent: int,
    size: int,
    scale: float,
    corner: tuple[float, float],
) -> _Axis:
    """Every transformation of coordinates is linear in the pixel."""
    if not scale > 0:
        raise Unsupported(f"scale {scale}", "use positive scales")
    how, step, whole, centre = _transformation(node), 1 / scale, scale * extent, 0.0
    if how == "asymmetric":
        first = 0.0
    elif how in ("half_pixel", "pytorch_half_pixel"):
        centre = 0.0 if how == "pytorch_half_pixel" and size == 1 else 0.5
        first = centre * step - centre
    elif how == "half_pixel_symmetric":
        centre = 0.5
        first = extent / 2 * (1 - size / whole) + 0.5 * step - 0.5
    elif how == "align_corners":
        first, step = 0.0, (extent - 1) / (whole - 1) if whole != 1 else 0.0
    elif how == "tf_crop_and_resize":
        begin, end = corner
        one = size == 1
        first = (0.5 * (begin + end) if one else begin) * (extent - 1)
        step = 0.0 if one else (end - begin) * (extent - 1) / (size - 1)
    else:
        raise Unsupported(f"coordinate_transformation_mode={how}", "use half_pixel")
    expect_modest(size + extent, "a list")
    if not math.isfinite(first + (size - 1) * step):
        raise Unsupported(f"scale {scale}", "use sensible scales")
    cropped = how == "tf_crop_and_resize"
    return _Axis(axis, extent, size, scale, step, first, centre, cropped)


RESIZING: Final[Rows] = MappingProxyType({"Resize": _resize, "Upsample": _resize})
"""Operator of ONNX -> its row."""
