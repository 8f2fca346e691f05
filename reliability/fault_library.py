"""The library that makes the n-th call of a kind fail: built, preloaded and driven from here."""

from __future__ import annotations

import ctypes
import enum
import errno
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from reliability import ROOT

__all__ = ["Faults", "Kind", "build_library", "preloaded", "preloading", "restart_preloaded"]

_SOURCES: Final = Path(__file__).parent / "shim"
_PLACE: Final = "SIGNBIN_FAULT_LIBRARY"


class Kind(enum.IntEnum):
    """What fails, numbered as in shim/faults.h."""

    ALLOCATION = 0
    MAPPING = 1
    PROTECTION = 2
    THREAD = 3
    OPEN = 4
    READ = 5
    WRITE = 6
    SYNC = 7
    RENAME = 8
    CLOSE = 9
    REMOVE = 10
    LOCK = 11
    FOLDER = 12

    @property
    def error(self) -> int:
        """Why such a call fails, unless something else is asked for."""
        return _ERRORS.get(self, errno.EIO)


_ERRORS: Final = {
    Kind.ALLOCATION: errno.ENOMEM,
    Kind.MAPPING: errno.ENOMEM,
    Kind.PROTECTION: errno.EACCES,
    Kind.THREAD: errno.EAGAIN,
    Kind.OPEN: errno.EMFILE,
    Kind.WRITE: errno.ENOSPC,
    Kind.LOCK: errno.ENOLCK,
    Kind.FOLDER: errno.ENOSPC,
}


def build_library(folder: Path = ROOT / "build" / "reliability") -> Path:
    """The library, compiled where it is older than its sources."""
    folder.mkdir(parents=True, exist_ok=True)
    made, sources = folder / "faults.so", sorted(_SOURCES.glob("*.cpp"))
    newest = max(path.stat().st_mtime for path in _SOURCES.iterdir())
    if not made.exists() or made.stat().st_mtime < newest:
        part = made.with_suffix(f".{os.getpid()}.part")
        flags = ("-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared")
        subprocess.run(["g++", *flags, "-o", part, *sources, "-ldl"], check=True)
        os.replace(part, made)
    return made


def preloaded() -> bool:
    """Whether this process runs on the library."""
    return _PLACE in os.environ


def preloading() -> dict[str, str]:
    """The environment of a process on the library; of one thread, so that it can be forked."""
    library = str(build_library())
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **single, "LD_PRELOAD": library, _PLACE: library}


def restart_preloaded(module: str, arguments: Sequence[str]) -> NoReturn:
    """This process again, on the library."""
    command = [sys.executable, "-m", module, *arguments]
    os.execve(sys.executable, command, preloading())


class Faults:
    """The library in a process that was started on it."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(os.environ[_PLACE])
        self._library.fault_told.restype = ctypes.c_char_p
        for name in ("count", "injected", "alive", "mapped"):
            getattr(self._library, f"fault_{name}").restype = ctypes.c_long

    def watch_module(self, name: str) -> None:
        """Memory that code of this shared library asks for can fail from here on."""
        self._library.fault_module(name.encode())

    def watch_folder(self, folder: Path) -> None:
        """Files below this folder can."""
        self._library.fault_folder(str(folder).encode())

    def arm(
        self,
        kind: Kind,
        at: int,
        *,
        lasting: bool = False,
        error: int | None = None,
        shortened: bool = False,
    ) -> None:
        """The ``at``-th call from now on fails, and all after it where lasting; 0: none does.

        error: its errno; a signal, negative, ends the process there. shortened: a read or write
        does half of what it should, instead.
        """
        reason = kind.error if error is None else error
        self._library.fault_arm(
            int(kind), ctypes.c_long(at), int(lasting), int(reason), int(shortened)
        )

    def rest(self) -> None:
        """Nothing fails any more; calls and what is alive are still counted."""
        self._library.fault_rest()

    def disarm(self) -> None:
        """Nothing is counted any more."""
        self._library.fault_disarm()

    def count(self, kind: Kind) -> int:
        """Calls of a kind since :meth:`arm`."""
        return int(self._library.fault_count(int(kind)))

    @property
    def injected(self) -> int:
        """Calls that failed since :meth:`arm`."""
        return int(self._library.fault_injected())

    @property
    def alive(self) -> int:
        """Pieces of memory that the module took since :meth:`arm` and has not given back."""
        return int(self._library.fault_alive())

    @property
    def mapped(self) -> int:
        """Mappings, likewise."""
        return int(self._library.fault_mapped())

    @property
    def told(self) -> list[tuple[str, str, str]]:
        """What was done to files of the folder since :meth:`arm`: verb, path, new path."""
        lines = (self._library.fault_told() or b"").decode().splitlines()
        return [tuple(line.split("\t")) for line in lines]
