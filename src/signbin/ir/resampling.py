"""Which pixels of an image every pixel of another one is made of: tables of rows and of columns.

A table has an entry for every row (or column) of the result: the row of the image it repeats, or -1
where it repeats none and holds a fill. What is true of rows here is true of columns.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.ir.requantization import Held
from signbin.ir.schema import Arguments, Array
from signbin.spec import ActivationSpec

__all__ = [
    "CODE_SHARES",
    "PAD_MODES",
    "Between",
    "Table",
    "blended",
    "blended_codes",
    "fill_code",
    "linear_table",
    "linear_tables",
    "nearest_table",
    "nearest_tables",
    "pad_table",
    "pad_tables",
]

Table: TypeAlias = NDArray[np.int32]

CODE_SHARES: Final = 2**11
"""Parts of a pixel that shares of codes are whole numbers of."""

PAD_MODES: Final = ("constant", "reflect", "replicate", "circular")
"""What a border holds: a number, or pixels of the image mirrored, those of its edge, or of its
other side."""


def pad_table(mode: str, extent: int, before: int, after: int) -> Table:
    """Rows of an image of ``extent`` rows in a border; rows are cut off where it is negative.

    >>> pad_table("reflect", 4, 2, 1).tolist(), pad_table("constant", 4, -1, 1).tolist()
    ([2, 1, 0, 1, 2, 3, 2], [1, 2, 3, -1])
    """
    rows = np.arange(-before, extent + after)
    if mode == "replicate":
        rows = np.clip(rows, 0, extent - 1)
    elif mode == "circular":
        rows = rows % extent
    elif mode == "reflect":
        rows = np.where(rows < 0, -rows, rows)
        rows = np.where(rows >= extent, 2 * (extent - 1) - rows, rows)
    else:
        rows = np.where((rows < 0) | (rows >= extent), -1, rows)
    return rows.astype(np.int32)


def nearest_table(extent: int, size: int, scale: float, *, centred: bool) -> Table:
    """Rows of an image resized to ``size`` rows, each the row it falls on.

    Row i is row min(floor(i * step), extent - 1), or of centred ones floor((i + 0.5) * step), with
    step = 1 / scale, or extent / size where scale is 0; all of it in float32, as PyTorch does it.

    >>> nearest_table(3, 7, 0.0, centred=False).tolist()
    [0, 0, 0, 1, 1, 2, 2]
    """
    step = np.float32(1.0 / scale) if scale else np.float32(extent) / np.float32(size)
    rows = np.arange(size, dtype=np.float32)
    if centred:
        rows = rows + np.float32(0.5)
    if not centred and size in (extent, 2 * extent):
        return np.asarray(np.arange(size) // (size // extent), np.int32)
    return np.asarray(np.minimum(np.floor(rows * step), extent - 1), np.int32)


def pad_tables(arguments: Arguments) -> tuple[Table, Table]:
    """Rows and columns that a node ``pad`` reads."""
    _, _, height, width = arguments.inputs[0].shape
    top, left, bottom, right = arguments.margins("padding")
    mode = arguments.word("mode")
    return pad_table(mode, height, top, bottom), pad_table(mode, width, left, right)


def nearest_tables(arguments: Arguments) -> tuple[Table, Table]:
    """Rows and columns that a node ``resize_nearest`` reads."""
    rows, columns = (
        nearest_table(extent, size, arguments.real(f"scale_{axis}"), centred=centred)
        for extent, size, axis, centred in zip(
            arguments.inputs[0].shape[2:],
            arguments.pair("size"),
            ("height", "width"),
            (arguments.flag("centred"),) * 2,
            strict=True,
        )
    )
    return rows, columns


def fill_code(value: float, spec: ActivationSpec) -> int:
    """The code that stands for a number, or for the nearest that any does.

    >>> spec = ActivationSpec(0.5, 128, 8)
    >>> fill_code(float("-inf"), spec), fill_code(1.0, spec)
    (0, 130)
    """
    return int(spec.quantized(np.array([value], np.float32))[0])


class Between(NamedTuple):
    """Rows between two of an image: the first of both, and the share of the one after it."""

    rows: Table
    shares: NDArray[np.float64]


def linear_table(extent: int, size: int, step: float, first: float) -> Between:
    """Row i lies at first + i * step, or at the edge of the image where that is outside.

    >>> rows, shares = linear_table(3, 4, 0.75, -0.125)
    >>> rows.tolist(), shares.tolist()
    ([0, 0, 1, 2], [0.0, 0.625, 0.375, 0.0])
    """
    places = np.clip(first + np.arange(size, dtype=np.float64) * step, 0, extent - 1)
    rows = np.floor(places)
    return Between(rows.astype(np.int32), places - rows)


def linear_tables(arguments: Arguments) -> tuple[Between, Between]:
    """Rows and columns that a node ``resize_linear`` reads."""
    rows, columns = (
        linear_table(extent, size, arguments.real(f"step_{axis}"), arguments.real(f"first_{axis}"))
        for extent, size, axis in zip(
            arguments.inputs[0].shape[2:],
            arguments.pair("size"),
            ("height", "width"),
            strict=True,
        )
    )
    return rows, columns


def blended(tables: tuple[Between, Between], x: Array) -> Array:
    """Between rows, then between columns."""
    rows, columns = tables
    below, beside = (
        np.minimum(table.rows + 1, extent - 1)
        for table, extent in zip(tables, x.shape[2:], strict=True)
    )
    down = rows.shares[:, None]
    made = x[:, :, rows.rows] * (1 - down) + x[:, :, below] * down
    return made[..., columns.rows] * (1 - columns.shares) + made[..., beside] * columns.shares


def blended_codes(tables: tuple[Between, Between], codes: Held) -> Held:
    """The same of codes, in whole numbers: shares are rounded to 2048ths, the sum half up."""
    whole = [np.rint(table.shares * CODE_SHARES) / CODE_SHARES for table in tables]
    rounded = (Between(tables[0].rows, whole[0]), Between(tables[1].rows, whole[1]))
    made = blended(rounded, codes.astype(np.float64))  # multiples of 2^-22 below 2^8: exact
    return np.floor(made + 0.5).astype(np.uint8)
