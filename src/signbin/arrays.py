"""Arrays of numpy's own files, read without trust in what they claim."""

from __future__ import annotations

import io
import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import FormatError
from signbin.files import expect_regular

__all__ = ["DAMAGE", "open_array", "read_archive"]

_MOST_ARCHIVE_BYTES: Final = 4 * 1024**3
DAMAGE: Final = (
    *(ValueError, EOFError, SyntaxError, TypeError, KeyError, OverflowError, MemoryError),
    *(
        RuntimeError,
        NotImplementedError,
        tokenize.TokenError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        struct.error,
    ),
)
"""What numpy raises on headers, and zipfile on members, that nobody wrote."""
_HEADERS: Final = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def open_array(path: Path) -> NDArray[Any]:
    """The array of a .npy file, read-only and mapped into memory.

    Never runs code from the file, and a mapped file cannot claim more than it holds. FormatError
    where it is no .npy file of numbers, OSError where it cannot be read.
    """
    expect_regular(path)
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except DAMAGE as error:
        raise FormatError(f"{path} is not a .npy file", reason=str(error)) from error
    return array


def read_archive(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a .npz file by name, read-only; none claims more than the archive unpacks to.

    FormatError where it is no .npz file of numbers or unpacks to more than 4 GiB, OSError where
    there is no file.
    """
    expect_regular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > _MOST_ARCHIVE_BYTES:
                raise ValueError(f"it unpacks to {size} bytes, more than {_MOST_ARCHIVE_BYTES}")
            return {
                member.filename.removesuffix(".npy"): _array(archive.read(member))
                for member in archive.infolist()
            }
    except (OSError, *DAMAGE) as error:  # it seeks to where the bytes say
        raise FormatError(f"{path} is not a .npz file", reason=str(error)) from error


def _array(content: bytes) -> NDArray[Any]:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of its header")
    shape, columns_first, dtype = _HEADERS[version](stream)
    claimed = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or min(shape, default=0) < 0 or claimed != len(content) - stream.tell():
        raise ValueError(f"{len(content)} bytes are no {dtype} of shape {shape}")
    flat: NDArray[Any] = np.frombuffer(content, dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if columns_first else "C")
