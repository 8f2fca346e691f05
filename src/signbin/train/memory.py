"""What a training on the CPU does with the memory it frees."""

from __future__ import annotations

import ctypes
from typing import Final

__all__ = ["keep_freed_memory"]

# mallopt's parameters (malloc.h of glibc); sizes in bytes. 32 MiB is the largest it takes.
_TRIM_THRESHOLD: Final = (-1, 2**31 - 1)
_MMAP_THRESHOLD: Final = (-3, 32 * 2**20)


def keep_freed_memory() -> bool:
    """Ask the C library to keep freed blocks of up to 32 MiB for the next step; whether it will.

    A step allocates and frees the same activations again and again. By default glibc hands memory
    of that size back to the kernel, which has to find and clear every page anew for the next step.
    For the rest of the process; other C libraries are left alone.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
        ctypes.CDLL(None).gnu_get_libc_version  # noqa: B018  # musl has a mallopt that does nothing
    except (AttributeError, OSError, TypeError):
        return False
    answers = [mallopt(*setting) for setting in (_TRIM_THRESHOLD, _MMAP_THRESHOLD)]
    return answers == [1, 1]
