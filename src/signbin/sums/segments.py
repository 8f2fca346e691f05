"""From programs of single tiles to the add-graph of a layer."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError
from signbin.sums.graph import TEMPORARY, AddGraph

__all__ = ["Tile", "TileProgram", "assemble", "cut"]


@dataclasses.dataclass(frozen=True)
class Tile:
    """Filters [first_filter, end_filter) over inputs [first_input, end_input)."""

    first_filter: int
    end_filter: int
    first_input: int
    end_input: int

    def of(self, digits: NDArray[np.int8]) -> NDArray[np.int8]:
        """The tile's part of a layer's digits (K, M)."""
        rows = digits[self.first_filter : self.end_filter]
        return rows[:, self.first_input : self.end_input]


@dataclasses.dataclass(frozen=True, eq=False)
class TileProgram:
    """starts, operands and roles as in AddGraph, inputs and filters counted within the tile.

    Temporaries come first; unlike them, a filter's sum may be empty.
    """

    starts: NDArray[np.int32]
    operands: NDArray[np.int32]
    roles: NDArray[np.int32]


def cut(shape: tuple[int, int], filters: int, inputs: int) -> Iterator[Tile]:
    """Tiles of at most ``filters`` x ``inputs`` over (K, M), shared out evenly.

    Ranges of inputs outside, filters inside: a range stays in cache for all filters.
    SpecError for a tile that is no positive number.
    """
    for name, extent in (("filters", filters), ("inputs", inputs)):
        if isinstance(extent, bool) or not isinstance(extent, int) or extent < 1:
            raise SpecError(f"{name} of a tile", value=extent, allowed="a positive whole number")
    rows, columns = _edges(shape[0], filters), _edges(shape[1], inputs)
    for left, right in itertools.pairwise(columns):
        for top, bottom in itertools.pairwise(rows):
            yield Tile(top, bottom, left, right)


def assemble(shape: tuple[int, int], programs: Iterable[tuple[Tile, TileProgram]]) -> AddGraph:
    """The add-graph of (K, M) whose segments are the tiles' programs; empty sums are left out."""
    filters, inputs = shape
    arities, operands, roles, sizes = [], [], [], []
    done = 0
    for tile, program in programs:
        program = _without_empty(program)  # noqa: PLW2901 - the same program, tidied
        width = tile.end_input - tile.first_input
        index = program.operands >> 1
        index = np.where(index < width, index + tile.first_input, index - width + inputs + done)
        operands.append(2 * index + (program.operands & 1))
        arities.append(np.diff(program.starts))
        roles.append(np.where(program.roles >= 0, program.roles + tile.first_filter, program.roles))
        sizes.append(len(program.roles))
        done += len(program.roles)
    kept = [size for size in sizes if size]
    return AddGraph(
        inputs=inputs,
        filters=filters,
        starts=_joined([np.zeros(1), np.cumsum(_joined(arities))]),
        operands=_joined(operands),
        roles=_joined(roles),
        segments=_joined([np.zeros(1), np.cumsum(kept)]),
    )


def _without_empty(program: TileProgram) -> TileProgram:
    """The program without sums of nothing, which no node uses."""
    arities = np.diff(program.starts)
    filled = arities > 0
    if filled.all():
        return program
    temporaries = np.count_nonzero(program.roles == TEMPORARY)
    if np.any(program.roles[:temporaries] != TEMPORARY) or not filled[:temporaries].all():
        raise SpecError("tile program", allowed="temporaries first, none of them empty")
    starts = np.concatenate([[0], np.cumsum(arities[filled])]).astype(np.int32)
    return TileProgram(starts, program.operands, program.roles[filled])


def _joined(arrays: list[NDArray[np.generic]]) -> NDArray[np.int32]:
    return np.concatenate(arrays).astype(np.int32) if arrays else np.zeros(0, np.int32)


def _edges(extent: int, size: int) -> list[int]:
    parts = -(-extent // size)
    return [extent * part // parts for part in range(parts + 1)]
