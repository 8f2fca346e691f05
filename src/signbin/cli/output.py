"""What a verb leaves behind: the result on standard output, remarks on standard error."""

from __future__ import annotations

import datetime
import json
import shlex
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["command_line", "note", "now", "show"]

_PIPE_WIDTH: Final = 240


def show(document: Mapping[str, Any], table: RenderableType, as_json: bool) -> None:
    """The result on standard output: one JSON document, or a table and what its words mean."""
    if as_json:
        sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
        return
    from rich.console import Console

    from signbin.report.legends import explained

    # A pipe or a file has no width: lines are left as long as they are.
    Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(explained(table))


def note(message: str) -> None:
    """A remark for people, on standard error."""
    sys.stderr.write(f"{message}\n")


def command_line(context: typer.Context) -> str:
    """The command line as it was given, ready to be pasted into a shell."""
    return shlex.join(["signbin", *context.obj])


def now() -> str:
    """The time of day, in UTC, as people read it."""
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"
