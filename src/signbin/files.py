"""Files appear whole or not at all: bytes go to a temporary file beside the target first."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["write_bytes", "write_text", "write_whole"]


def write_bytes(path: Path, content: bytes) -> None:
    """Write one file, as :func:`write_whole` does."""
    write_whole({path: content})


def write_text(path: Path, text: str) -> None:
    """Write one file of UTF-8 text, as :func:`write_whole` does."""
    write_whole({path: text.encode("utf-8")})


def write_whole(contents: Mapping[Path, bytes]) -> None:
    """Write every file: all temporary files first, flushed to the disk, then os.replace.

    A reader sees an old file or a new one, never a part; no target changes before the last
    temporary file is complete. New files get the permissions the umask gives.

    Raises OSError that names the target (a missing or read-only folder, a full disk) or
    ValueError (a path that is none); the temporary files are then gone.
    """
    ready = {path.with_name(f".{path.name}.{secrets.token_hex(8)}.part"): path for path in contents}
    try:
        for temporary, path in ready.items():
            with _naming(path), temporary.open("xb") as stream:
                stream.write(contents[path])
                stream.flush()
                os.fsync(stream.fileno())
        for temporary, path in ready.items():
            with _naming(path):
                os.replace(temporary, path)
    finally:
        for temporary in ready:
            with contextlib.suppress(OSError, ValueError):
                temporary.unlink()
    for folder in {path.parent for path in contents}:
        _sync_folder(folder)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """An OSError inside names the file that was asked for, not the temporary one."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _sync_folder(folder: Path) -> None:
    """Make the renaming last; some file systems cannot, and the files are complete without."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
