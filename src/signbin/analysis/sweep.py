"""Sweeps: kinds of weights and densities, on arrays of several sizes and bandwidths."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from signbin.analysis.accelerators import ACCELERATORS, accelerator
from signbin.analysis.energy import Estimate, ProcessingArray, estimate
from signbin.analysis.request import EnergyRequest
from signbin.errors import SpecError
from signbin.spec import ValueSet

__all__ = ["Axes", "Point", "parse_axes", "sweep"]

_REMEDY: Final = "write --sweep density=0.2,0.36 --sweep multipliers=64,256"


@dataclasses.dataclass(frozen=True)
class Axes:
    """What varies; an empty axis stays at what the request says.

    arrays: configurations by name, of any accelerator. fields: values of the numbers in the name
    of the request's accelerator (sigma: multipliers, bandwidth).
    """

    densities: tuple[float, ...] = ()
    arrays: tuple[str, ...] = ()
    fields: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)

    def resolved(self, request: EnergyRequest) -> tuple[ProcessingArray, ...]:
        """Every array to visit, its configuration loaded.

        Pairs with more bandwidth than multipliers are left out; SpecError if none is left, for
        unknown arrays and fields, and for arrays together with fields.
        """
        if self.arrays and self.fields:
            raise SpecError("sweep", value="array and sizes", allowed="one or the other")
        if self.arrays:
            return tuple(_array(name, request.dram) for name in self.arrays)
        found = tuple(_sized(request, sizes) for sizes in self._sizes(request))
        if not found:
            raise SpecError("sweep", value=dict(self.fields), allowed="bandwidth <= multipliers")
        return found

    def _sizes(self, request: EnergyRequest) -> list[dict[str, int]]:
        if not self.fields:
            return [{}]
        numbers = accelerator(request.accelerator).numbers
        for field in self.fields:
            if field not in numbers:
                allowed = ", ".join(("density", "array", *numbers))
                raise SpecError(f"sweep of {request.accelerator}", value=field, allowed=allowed)
        base = request.array.configuration
        values = [self.fields.get(field, (getattr(base, field),)) for field in numbers]
        sizes = [dict(zip(numbers, chosen, strict=True)) for chosen in itertools.product(*values)]
        return [one for one in sizes if one.get("bandwidth", 0) <= one.get("multipliers", 1 << 40)]


def _array(name: str, dram: bool) -> ProcessingArray:
    models = [model.name for model in ACCELERATORS if name.startswith(f"{model.name}-")]
    if not models:
        allowed = ", ".join(model.default for model in ACCELERATORS)
        raise SpecError("array", value=name, allowed=f"{allowed} and others")
    return ProcessingArray(max(models, key=len), name, dram).resolved()


def _sized(request: EnergyRequest, sizes: Mapping[str, int]) -> ProcessingArray:
    array = request.array
    if not sizes:
        return array
    model = accelerator(request.accelerator)
    base = array.configuration
    kept = {
        field.name: getattr(base, field.name)
        for field in dataclasses.fields(base)
        if field.name not in model.mirrored
    }
    name = "-".join([model.name, *(str(sizes[field]) for field in model.numbers)])
    return dataclasses.replace(array, configuration=model.configured(name, {**kept, **sizes}))


@dataclasses.dataclass(frozen=True)
class Point:
    """One entry of a sweep. density: asked for; the drawn one is in the estimate's workload."""

    kind: str
    density: float
    estimate: Estimate

    def to_json(self) -> dict[str, Any]:
        """The numbers of the point, without the layers."""
        return {
            "kind": self.kind,
            "density": self.density,
            "drawn_density": self.estimate.workload["density"],
            "zeros": self.estimate.workload["zeros"],
            "model": self.estimate.array.model,
            "configuration": self.estimate.array.configuration.name,
            "table": self.estimate.table.name,
            "cycles": self.estimate.cycles,
            "energy": self.estimate.energy,
            "unit": self.estimate.unit,
            "label": self.estimate.label,
        }


def sweep(
    request: EnergyRequest, axes: Axes, progress: Callable[[int, int], None] | None = None
) -> tuple[Point, ...]:
    """Binary, ternary and signed-binary of every density on every array.

    Binary has no zeros: its one result stands at density 1, once per array. progress(done,
    of) is called after every point. SpecError where the arrays have no table in common.
    """
    arrays = axes.resolved(request)
    table = request.table or _common_table(arrays)
    densities = axes.densities or (request.subject.usual_density(ValueSet.SIGNED_BINARY),)
    kinds = [(ValueSet.BINARY, 1.0)]
    for density in densities:
        kinds += [(kind, density) for kind in (ValueSet.TERNARY, ValueSet.SIGNED_BINARY)]
    points: list[Point] = []
    for done, (value_set, density) in enumerate(kinds):
        layers = request.drawn(value_set, density)  # drawn once for all arrays
        for number, array in enumerate(arrays, start=1):
            found = estimate(layers, array, table)
            points.append(Point(value_set.value, density, found))
            if progress is not None:
                progress(done * len(arrays) + number, len(kinds) * len(arrays))
    return tuple(sorted(points, key=lambda point: _place(point, arrays)))


def _place(point: Point, arrays: Sequence[ProcessingArray]) -> int:
    """Points of an array stand together, in the order of the kinds (sorting is stable)."""
    names = [array.configuration.name for array in arrays]
    return names.index(point.estimate.array.configuration.name)


def _common_table(arrays: Sequence[ProcessingArray]) -> str:
    tables = {accelerator(array.model).table for array in arrays}
    if len(tables) > 1:
        raise SpecError(
            "energy table of the sweep",
            value=", ".join(sorted(tables)),
            allowed="one for all arrays",
            remedy="name one with --table; horowitz-45nm prices every model",
        )
    return tables.pop()


def parse_axes(texts: Sequence[str]) -> Axes:
    """``density=0.2,0.36``, ``array=sigma-256-128,ucnn-32-2``, ``multipliers=64,256`` ...

    SpecError names what is malformed or given twice.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        for part in text.split():
            axis, equals, values = part.partition("=")
            if not (axis and equals and all(values.split(","))) or axis in found:
                allowed = "AXIS=VALUE,VALUE..., each axis once"
                raise SpecError("sweep", value=text, allowed=allowed, remedy=_REMEDY)
            found[axis] = tuple(values.split(","))
    try:
        densities = tuple(map(float, found.pop("density", ())))
        arrays = found.pop("array", ())
        fields = {axis: tuple(map(int, values)) for axis, values in found.items()}
    except ValueError as error:
        raise SpecError("sweep", value=str(error), allowed="numbers", remedy=_REMEDY) from error
    return Axes(densities, arrays, fields)
