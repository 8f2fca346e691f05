"""Small bars beside numbers, on a terminal alone: files and pipes get the numbers.

Bars say nothing that the numbers do not, and have no colour, so NO_COLOR leaves them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.measure import Measurement

__all__ = ["NumberWithBar", "TerminalNote", "bar", "shares"]

_WIDTH: Final = 8
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


def bar(share: float, *, plain: bool = False) -> str:
    """A share in [0, 1] as eight characters, in steps of an eighth; plain: of ASCII.

    >>> bar(0.5), bar(0.5, plain=True), bar(0.0)
    ('████    ', '####    ', '        ')
    """
    eighths = round(8 * _WIDTH * max(0.0, min(1.0, share)))
    if plain:
        return ("#" * math.ceil(eighths / 8)).ljust(_WIDTH)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(_WIDTH)


def shares(values: list[float | None]) -> list[float]:
    """Every value as a share of the largest; 0 where it is unknown."""
    largest = max((value for value in values if value is not None), default=0.0)
    return [(value or 0.0) / largest if largest > 0 else 0.0 for value in values]


class NumberWithBar:
    """A cell of a table: a number, and on a terminal a bar beside it."""

    def __init__(self, text: str, share: float) -> None:
        self.text, self.share = text, share

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text  # noqa: PLC0415 - an extra

        yield Text(self._written(console), no_wrap=True, justify="right")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement  # noqa: PLC0415 - an extra

        width = len(self._written(console))
        return Measurement(width, width)

    def _written(self, console: Console) -> str:
        if not console.is_terminal:
            return self.text
        plain = not (console.encoding or "").lower().startswith("utf")
        return f"{self.text} {bar(self.share, plain=plain)}"


class TerminalNote:
    """A line that a terminal alone shows: what its bars mean."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[str]:
        if console.is_terminal:
            yield self.text
