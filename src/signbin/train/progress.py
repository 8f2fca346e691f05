"""What a person sees while training: one line per seed on standard error."""

from __future__ import annotations

import types
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["ConsoleProgress", "ProgressListener", "Silent"]


class ProgressListener(Protocol):
    """Is told what training does; must not change anything."""

    def start_seed(self, seed: int, epochs: int, done: int) -> None:
        """Training with ``seed`` starts; ``done`` of its ``epochs`` are already behind it."""

    def end_epoch(self, loss: float, accuracy: float) -> None:
        """An epoch ended with this training loss and this held-out accuracy, in [0, 1]."""


class Silent:
    """Shows nothing."""

    def start_seed(self, seed: int, epochs: int, done: int) -> None:
        """Nothing."""

    def end_epoch(self, loss: float, accuracy: float) -> None:
        """Nothing."""


class ConsoleProgress:
    """A bar per seed with loss, accuracy, elapsed and remaining time, on standard error.

    A context manager. Where standard error is no terminal, only the final lines are printed.
    """

    def __init__(self, title: str, console: Console | None = None) -> None:
        self._title = title
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self._progress.stop()

    def start_seed(self, seed: int, epochs: int, done: int) -> None:
        """Add the bar of this seed."""
        self._task = self._progress.add_task(
            f"{self._title} seed {seed}", total=epochs, completed=done, numbers=""
        )

    def end_epoch(self, loss: float, accuracy: float) -> None:
        """Advance the bar of the running seed by one epoch."""
        if self._task is not None:
            numbers = f"loss {loss:.3f}  accuracy {100 * accuracy:.2f} %"
            self._progress.update(self._task, advance=1, numbers=numbers)
