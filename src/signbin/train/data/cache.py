"""Decoded images in one file, so that the next run need not decode them again."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from signbin.errors import SpecError
from signbin.files import make_folder, write_bytes
from signbin.train.data.dataset import Images

__all__ = ["cached"]

_VERSION: Final = 1
# What numpy and the zip reader raise on bytes that nobody wrote; the reader checks a CRC.
_DAMAGE: Final = (OSError, ValueError, KeyError, EOFError, SpecError, zipfile.BadZipFile)


def cached(
    folder: Path | None, name: str, key: str, decode: Callable[[], Mapping[str, Images]]
) -> Mapping[str, Images]:
    """What ``decode`` returns, kept in ``folder`` as ``<name>-<key>.npz`` for the next call.

    key: identifies the source; another key is another file. A file that is missing or damaged
    is made anew, whole or not at all. folder None: decode every time. SpecError where the folder
    cannot be written.
    """
    if folder is None:
        return decode()
    path = folder / f"{name}-{key[:16]}-v{_VERSION}.npz"
    found = _read(path)
    if found is None:
        found = decode()
        _write(path, found)
    return found


def _read(path: Path) -> Mapping[str, Images] | None:
    if not path.is_file():
        return None
    try:
        # Opened here: numpy leaves a file that is no zip archive open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            parts = [entry.removesuffix(".pixels") for entry in arrays if entry.endswith(".pixels")]
            return {
                part: Images(arrays[f"{part}.pixels"], arrays[f"{part}.labels"]) for part in parts
            }
    except _DAMAGE:
        return None


def _write(path: Path, parts: Mapping[str, Images]) -> None:
    arrays: dict[str, Any] = {}
    for part, images in parts.items():
        arrays[f"{part}.pixels"], arrays[f"{part}.labels"] = images.pixels, images.labels
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    try:
        make_folder(path.parent)
        write_bytes(path, stream.getvalue())
    except OSError as error:
        raise SpecError(
            "folder for decoded images cannot be written",
            value=str(path.parent),
            reason=str(error),
            remedy="choose another one: --set data.cache=DIR",
        ) from error
