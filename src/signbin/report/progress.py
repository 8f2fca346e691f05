"""A bar on standard error for work that is counted in advance."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

__all__ = ["counted_progress"]


@contextlib.contextmanager
def counted_progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Yields ``advance(done, of)``. Without a terminal only the final line is printed."""
    from rich.console import Console  # noqa: PLC0415 - an extra: the base install draws no bars
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=Console(stderr=True))
    task = bars.add_task(title, total=None)

    def advance(done: int, of: int) -> None:
        bars.start()  # the first time: what is refused before shows no bar
        bars.update(task, completed=done, total=of)

    try:
        yield advance
    finally:
        if bars.live.is_started:
            bars.stop()
