"""Arrays of numpy's own files, read without trust in what they claim."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbin.errors import FormatError

__all__ = ["open_array"]


def open_array(path: Path) -> NDArray[Any]:
    """The array of a .npy file, read-only and mapped into memory.

    Never runs code from the file, and a mapped file cannot claim more than it holds. FormatError
    where it is no .npy file of numbers, OSError where it cannot be read.
    """
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError, SyntaxError) as error:
        raise FormatError(f"{path} is not a .npy file", reason=str(error)) from error
    return array
