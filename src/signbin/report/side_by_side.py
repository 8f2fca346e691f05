"""Two or more compiled models beside each other: as wholes, and layer by layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final

from signbin.report import words
from signbin.report.schema import Model

__all__ = ["Cell", "Column", "Measure", "per_layer", "whole"]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One number: as it is written, itself for sorting, and as a share of the largest beside it.

    ratio: of the number to that of the first model, "" for the first and where one is unknown.
    """

    text: str
    value: float | None
    share: float = 0.0
    ratio: str = ""


@dataclasses.dataclass(frozen=True)
class Column:
    """What is compared of whole models, a cell each."""

    title: str
    cells: tuple[Cell, ...]


@dataclasses.dataclass(frozen=True)
class Measure:
    """What is compared of every layer: rows are (layer, a cell per model)."""

    title: str
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def _milliseconds(value: float) -> str:
    return f"{words.milliseconds(value)} ms"


def _whole_number(value: float) -> str:
    return words.count(round(value))


def _bytes(value: float) -> str:
    return words.size(round(value))


_OF_MODELS: Final[tuple[tuple[str, str, Callable[[float], str]], ...]] = (
    ("held-out accuracy", "accuracy", words.percent),
    ("time per image", "ms", _milliseconds),
    ("file size", "size_bytes", _bytes),
    ("energy per image", "energy_uj", words.energy),
    ("bits per weight", "bits_per_weight", words.ratio),
)
_OF_LAYERS: Final[tuple[tuple[str, str, Callable[[float], str]], ...]] = (
    ("time", "ms", _milliseconds),
    ("energy", "energy_uj", words.energy),
    ("additions", "additions", _whole_number),
    ("size", "size_bytes", _bytes),
    ("density", "density", words.ratio),
)


def whole(models: Sequence[Model]) -> tuple[Column, ...]:
    """What at least one of the models says of itself."""
    found = (
        Column(title, _cells([getattr(model, name) for model in models], write))
        for title, name, write in _OF_MODELS
    )
    return tuple(column for column in found if _known(column.cells))


def per_layer(models: Sequence[Model]) -> tuple[Measure, ...]:
    """What at least one layer has; layers are matched by the module they were trained in."""
    return tuple(measure for measure in map(_measure(models), _OF_LAYERS) if measure.rows)


def _measure(models: Sequence[Model]) -> Callable[[tuple[str, str, Any]], Measure]:
    layers = [{layer.module or layer.name: layer for layer in model.layers} for model in models]
    names = list(dict.fromkeys(name for found in layers for name in found))

    def measure(asked: tuple[str, str, Callable[[float], str]]) -> Measure:
        title, attribute, write = asked
        columns = [
            [getattr(found.get(name), attribute, None) for name in names] for found in layers
        ]
        largest = max((value for column in columns for value in column if value), default=0.0)
        rows = zip(names, zip(*columns, strict=True), strict=True)
        made = ((name, _cells(values, write, largest)) for name, values in rows)
        return Measure(title, tuple(row for row in made if _known(row[1])))

    return measure


def _known(cells: Sequence[Cell]) -> bool:
    return any(cell.value is not None for cell in cells)


def _cells(
    values: Sequence[float | None], write: Callable[[float], str], largest: float | None = None
) -> tuple[Cell, ...]:
    most = max((value for value in values if value), default=0.0) if largest is None else largest
    return tuple(_cell(value, values[0], write, most, place) for place, value in enumerate(values))


def _cell(
    value: float | None,
    first: float | None,
    write: Callable[[float], str],
    most: float,
    place: int,
) -> Cell:
    if value is None:
        return Cell("-", None)
    ratio = f"{value / first:.2f} x" if place and first else ""
    return Cell(write(value), value, value / most if most else 0.0, ratio)
