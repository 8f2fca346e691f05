"""What a person sees while training, on standard error."""

from __future__ import annotations

import contextlib
import sys
import time
import types
from typing import Any, Protocol, Self, TextIO

__all__ = ["ConsoleProgress", "PlainProgress", "ProgressListener", "Silent", "console_progress"]

_MINUTE = 60
_HOUR = 3600


class ProgressListener(Protocol):
    """Is told what training does; must not change anything."""

    def start_seed(self, seed: int, epochs: int, done: int, steps: int) -> None:
        """Training with ``seed`` starts; ``done`` of its ``epochs`` of ``steps`` are behind it."""

    def end_step(self) -> None:
        """A step ended."""

    def end_epoch(self, loss: float, accuracy: float, cost: str = "") -> None:
        """An epoch ended with this training loss and this held-out accuracy, in [0, 1].

        cost: what the network is predicted to cost, in words, where it has a budget.
        """

    def note(self, text: str) -> None:
        """Something to know, in one line."""


class Silent:
    """Shows nothing."""

    def start_seed(self, seed: int, epochs: int, done: int, steps: int) -> None:
        """Nothing."""

    def end_step(self) -> None:
        """Nothing."""

    def end_epoch(self, loss: float, accuracy: float, cost: str = "") -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


class PlainProgress(Silent):
    """A line per epoch with loss, accuracy, time and the time that is left: for logs."""

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self._title = title
        self._stream = stream or sys.stderr
        self._seed, self._epochs, self._done = 0, 0, 0
        self._started, self._first = 0.0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def start_seed(self, seed: int, epochs: int, done: int, steps: int) -> None:
        """Remember where and when this seed starts."""
        self._seed, self._epochs, self._done, self._first = seed, epochs, done, done
        self._started = time.monotonic()

    def end_epoch(self, loss: float, accuracy: float, cost: str = "") -> None:
        """Print the line of this epoch."""
        self._done += 1
        each = (time.monotonic() - self._started) / (self._done - self._first)
        left = each * (self._epochs - self._done)
        self.note(
            f"seed {self._seed} epoch {self._done}/{self._epochs}  loss {loss:.3f}  "
            f"{_reached(accuracy, cost)}  {each:.1f} s each  {duration(left)} left"
        )

    def note(self, text: str) -> None:
        """Print it."""
        print(f"{self._title}: {text}", file=self._stream, flush=True)


class ConsoleProgress:
    """A bar per seed with loss, accuracy, elapsed and remaining time, for terminals.

    A context manager. The bar moves with every step. Needs rich.
    """

    def __init__(self, title: str, console: Any = None) -> None:
        from rich.console import Console  # noqa: PLC0415 - terminals only
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._title = title
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[epochs]}"),
            TextColumn("{task.fields[numbers]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
        )
        self._task: Any = None
        self._epochs, self._done = 0, 0

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

    def start_seed(self, seed: int, epochs: int, done: int, steps: int) -> None:
        """Add the bar of this seed."""
        self._epochs, self._done = epochs, done
        self._task = self._progress.add_task(
            f"{self._title} seed {seed}",
            total=epochs * steps,
            completed=done * steps,
            epochs=f"{done}/{epochs}",
            numbers="",
        )

    def end_step(self) -> None:
        """Advance the bar of the running seed by one step."""
        self._progress.update(self._task, advance=1)

    def end_epoch(self, loss: float, accuracy: float, cost: str = "") -> None:
        """Show the numbers of this epoch."""
        self._done += 1
        self._progress.update(
            self._task,
            epochs=f"{self._done}/{self._epochs}",
            numbers=f"loss {loss:.3f}  {_reached(accuracy, cost)}",
        )

    def note(self, text: str) -> None:
        """A line above the bars."""
        self._progress.console.print(text, highlight=False)


def console_progress(title: str) -> contextlib.AbstractContextManager[ProgressListener]:
    """Bars on a terminal where rich is installed, else a line per epoch."""
    if not sys.stderr.isatty():
        return PlainProgress(title)
    try:
        return ConsoleProgress(title)
    except ImportError:
        return PlainProgress(title)


def _reached(accuracy: float, cost: str) -> str:
    return f"accuracy {100 * accuracy:.2f} %" + (f"  predicted {cost}" if cost else "")


def duration(seconds: float) -> str:
    """A time for people: 40 s, 12 min, 3 h 05 min.

    >>> duration(39.6), duration(700), duration(11100)
    ('40 s', '12 min', '3 h 05 min')
    """
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    minutes = round(seconds / _MINUTE)
    if seconds < _HOUR:
        return f"{minutes} min"
    return f"{minutes // _MINUTE} h {minutes % _MINUTE:02d} min"
