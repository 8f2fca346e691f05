"""An exported network compiled for this machine, to be called from Python."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError

__all__ = ["CompiledNetwork", "c_compiler"]

_WARNINGS: Final = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
_SHOWN: Final = 2000
_WATCH: Final = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p
)


def c_compiler() -> str | None:
    """The C compiler of this machine: ``$CC``, or cc; None where there is none."""
    return shutil.which(os.environ.get("CC") or "cc")


class CompiledNetwork:
    """``network(images) -> outputs`` of exported C.

    files: texts by path, as write_project gives them. flags: of the compiler. ExecutionError where
    there is no compiler, or it says anything at all.
    """

    def __init__(
        self, files: Mapping[str, str], name: str, outputs: int, flags: Sequence[str] = ("-O2",)
    ) -> None:
        compiler = c_compiler()
        if compiler is None:
            raise ExecutionError(
                "checking exported C",
                value="no C compiler",
                allowed="cc, or what $CC names",
                remedy="install one, or pass --no-verify",
            )
        with tempfile.TemporaryDirectory(prefix="signbin-") as folder:
            library = _compiled(Path(folder), files, name, [compiler, *_WARNINGS, *flags])
            self._library = ctypes.CDLL(str(library))
        self._name = name
        self._run = self._library[f"{name}_run"]
        self._run.restype = None
        self._run.argtypes = (ctypes.c_void_p,) * 3
        size = self._library[f"{name}_memory_bytes"]
        size.restype = ctypes.c_uint32
        self._memory_bytes = int(size())
        self._outputs = outputs

    @property
    def memory_bytes(self) -> int:
        """What a call works in."""
        return self._memory_bytes

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, ...) -> (N, outputs), an image at a time."""
        memory = np.zeros(-(-self._memory_bytes // 8), np.uint64)
        images = np.ascontiguousarray(images, dtype=np.float32)
        made = np.zeros((len(images), self._outputs), np.float32)
        for image, output in zip(images, made, strict=True):
            self._run(memory.ctypes.data, image.ctypes.data, output.ctypes.data)
        return made

    def trace(
        self, image: NDArray[np.float32], shapes: Mapping[str, tuple[int, ...]]
    ) -> dict[str, NDArray[np.uint8]]:
        """Codes (C, H, W) of every image that the network makes of one input, in execution order.

        shapes: of those images, by name, in the order of NAME_WATCHED_NAMES. ExecutionError where
        it was written without watch.
        """
        made = {name: np.zeros(shape, np.uint8) for name, shape in shapes.items()}
        into = [codes.ctypes.data for codes in made.values()]

        def show(_context: int | None, which: int, image: int, words: int) -> None:
            self._library.sbc_flatten(*map(ctypes.c_void_p, (image, words, into[which])))

        memory = np.zeros(-(-self._memory_bytes // 8), np.uint64)
        image = np.ascontiguousarray(image, dtype=np.float32)
        output = np.zeros(self._outputs, np.float32)
        pointers = (array.ctypes.data for array in (memory, image, output))
        self._watched()(*map(ctypes.c_void_p, pointers), _WATCH(show), None)
        return made

    def _watched(self) -> Any:
        name = f"{self._name}_run_watched"
        try:
            return self._library[name]
        except AttributeError as error:
            raise ExecutionError(
                f"looking into {self._name}", reason=f"it has no {name}", remedy="pass --watch"
            ) from error


def _compiled(folder: Path, files: Mapping[str, str], name: str, command: list[str]) -> Path:
    """A shared object of the sources."""
    library = folder / f"{name}.so"
    sources = []
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        if path.startswith("src/") and path.endswith(".c"):
            sources.append(str(target))
    told = subprocess.run(
        [*command, "-shared", "-fPIC", *sources, "-o", str(library)],
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        raise ExecutionError(
            f"compiling the exported {name}", value=told.stderr[-_SHOWN:], allowed="no message"
        )
    return library
