"""Reading and writing .sbn files: atomically, and never more than the cap."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from signbin.artifact.artifact import Artifact
from signbin.artifact.container import decode, encode
from signbin.artifact.frame import MOST_FILE_BYTES
from signbin.errors import FormatError
from signbin.files import read_bytes, write_whole

__all__ = ["read", "read_file", "write", "write_file"]

_Content = TypeVar("_Content")


def write(path: str | os.PathLike[str], artifact: Artifact, *, overwrite: bool = False) -> None:
    """Write a .sbn file: into a temporary file beside it, then renamed, so never half a file.

    FormatError: something is at ``path`` and overwrite is False, it is a folder, the folder is
    missing or read-only, the disk is full, or the artifact cannot be encoded. Nothing is left
    behind then, and what was at ``path`` stays.
    """
    write_file(Path(path), lambda: encode(artifact), overwrite=overwrite)


def write_file(target: Path, content: Callable[[], bytes], *, overwrite: bool) -> None:
    """As :func:`write`, what ``content`` makes once it is known that it can be written."""
    _check_free(target, overwrite)
    data = content()
    try:
        write_whole({target: data})
    except (OSError, ValueError) as error:
        raise FormatError(
            f"writing {target}",
            reason=str(error),
            allowed="a folder that exists and can be written",
            remedy="choose another output path, or make room and permit writing",
        ) from error


def read(path: str | os.PathLike[str]) -> Artifact:
    """Read a .sbn file; FormatError names the path and what is wrong with it."""
    return read_file(Path(path), decode)


def read_file(target: Path, decoder: Callable[[bytes], _Content]) -> _Content:
    """What a decoder makes of a file of bounded size; errors as :func:`read`'s."""
    try:
        data = read_bytes(target, MOST_FILE_BYTES)
    except (OSError, ValueError) as error:
        raise FormatError(
            f"reading {target}",
            reason=str(error),
            allowed=f"a file of at most {MOST_FILE_BYTES} bytes that can be read",
            remedy="check the path; 'signbin compile' writes such a file",
        ) from error
    try:
        return decoder(data)
    except FormatError as error:
        raise FormatError(f"{target}: {error}") from error


def _check_free(target: Path, overwrite: bool) -> None:
    try:
        taken, folder = os.path.lexists(target), target.is_dir()
    except (OSError, ValueError) as error:
        raise FormatError("output path", value=str(target), allowed="a file name") from error
    if folder or not target.name:
        raise FormatError("output path", value=str(target), allowed="a file, not a folder")
    if taken and not overwrite:
        raise FormatError(
            "output path",
            value=str(target),
            allowed="a path where nothing is",
            remedy="choose another path, or overwrite it: --force, or overwrite=True",
        )
