"""How often every pattern of some neighbouring filters occurs, as a square of cells.

Half of the filters count across, the others down, each in Gray-code order, so that neighbouring
cells differ in one filter. Cells are darker, by the logarithm, the more inputs share their pattern.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from signbin.report.schema import PatternCounts

__all__ = ["SHADES", "gray_order", "pattern_svg", "shades"]

SHADES: Final = 10
_DIGITS: Final = {2: "01", 3: "-0+"}


def gray_order(radix: int, digits: int) -> list[int]:
    """All numbers of so many digits, neighbours differing in one digit by one.

    >>> gray_order(2, 2)
    [0, 1, 3, 2]
    """
    order = [0]
    for digit in range(digits):
        power = radix**digit
        order = [
            value * power + other
            for value in range(radix)
            for other in (order if value % 2 == 0 else order[::-1])
        ]
    return order


def shades(counts: Sequence[int]) -> list[int]:
    """0 for a pattern that does not occur, up to SHADES for the one that occurs most."""
    largest = math.log1p(max([*counts, 1]))
    return [math.ceil(SHADES * math.log1p(count) / largest) for count in counts]


def pattern_svg(title: str, found: PatternCounts) -> str:
    """A drawing of a cell per unit, with the counts for the page's script."""
    low = found.filters // 2
    across, down = gray_order(found.radix, low), gray_order(found.radix, found.filters - low)
    drawn: dict[int, list[str]] = {}
    counts: list[str] = []
    shaded = shades(found.counts)
    for y, high in enumerate(down):
        for x, other in enumerate(across):
            place = high * len(across) + other
            counts.append(f"{found.counts[place]}")
            if shaded[place]:
                drawn.setdefault(shaded[place], []).append(f"M{x} {y}h1")
    paths = "".join(
        f'<path class="q{shade}" d="{"".join(cells)}"/>' for shade, cells in drawn.items()
    )
    names = [_written(found.radix, low, across), _written(found.radix, found.filters - low, down)]
    return (
        f'<svg class="map" tabindex="0" viewBox="0 0 {len(across)} {len(down)}" role="img" '
        f'preserveAspectRatio="none" aria-label="{escape(title)}" data-across="{names[0]}" '
        f'data-down="{names[1]}" data-counts="{",".join(counts)}">'
        f'<g transform="translate(0 .5)">{paths}</g></svg>'
    )


def _written(radix: int, digits: int, order: Sequence[int]) -> str:
    """Every number of the order, filter 0 first."""
    signs = _DIGITS[radix]
    return ",".join(
        "".join(signs[number // radix**digit % radix] for digit in range(digits))
        for number in order
    )
