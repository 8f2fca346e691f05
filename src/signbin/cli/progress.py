"""What a person sees while layers are measured or a model is compiled, on standard error."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from signbin.cli.output import note

if TYPE_CHECKING:
    from signbin.tune import Autotune

__all__ = ["compiling_progress", "measuring_progress"]


@contextlib.contextmanager
def compiling_progress() -> Iterator[Callable[[str], None]]:
    """A spinner beside what the compilation is at, where standard error is a terminal."""
    from rich.console import Console

    from signbin.verbs.compile import silent

    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield silent
        return
    with console.status("reading the model") as status:
        yield status.update


@contextlib.contextmanager
def measuring_progress(how: Autotune) -> Iterator[Autotune]:
    """``how`` with a bar that shows how far it is, where standard error is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (TextColumn("measuring layers"), BarColumn(), TaskProgressColumn())
    console = Console(file=sys.stderr)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("layers")

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield dataclasses.replace(how, progress=progress, warn=note)
