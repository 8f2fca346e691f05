"""What a folder that was trained into is, told without importing what trains."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from signbin.errors import SpecError
from signbin.files import MOST_SETTINGS_BYTES, read_text

__all__ = ["CONFIGURATION", "HEADER", "expect_no_run", "holds_a_run"]

CONFIGURATION: Final = "config.yaml"
HEADER: Final = "# Resolved configuration of a signbin training run.\n"
"""How the configuration of every run begins; nothing without it is ever overwritten."""


def holds_a_run(folder: Path) -> bool:
    """Whether a run was begun there."""
    try:
        return read_text(folder / CONFIGURATION, MOST_SETTINGS_BYTES).startswith(HEADER)
    except (OSError, UnicodeDecodeError):
        return False


def expect_no_run(folder: Path) -> None:
    """SpecError where a run was begun in the folder."""
    if holds_a_run(folder):
        raise SpecError(
            "output folder holds an earlier run",
            value=str(folder),
            allowed="a new or empty folder",
            remedy="choose another one, continue with --resume, or replace it with --force "
            "(resume=True, force=True)",
        )
