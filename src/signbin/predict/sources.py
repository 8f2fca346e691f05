"""Where images come from: a folder, a .zip or .tar archive, .npy and .npz, Parquet, Arrow.

A source has rows, in an order that its content alone decides, and reads any range of them: every
worker opens it for itself and reads what it was given.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from signbin.arrays import DAMAGE, open_array, read_archive
from signbin.errors import ExecutionError, FormatError, SpecError
from signbin.predict.columns import open_arrow, open_parquet
from signbin.predict.facing import ScoredNetwork
from signbin.runtime import decode_image

__all__ = ["READ", "ImageRows", "open_images"]

READ: Final = "a folder of images, a .zip or .tar of them, .npy, .npz, .parquet, .arrow, .feather"
_SUFFIXES: Final = frozenset(
    [".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jpg", ".jpeg"]
)
_MOST_MEMBER_BYTES: Final = 2**28


class ImageRows(Protocol):
    """Rows of images."""

    @property
    def fingerprint(self) -> str:
        """Another one where names, sizes or times of what is read have changed."""

    def __len__(self) -> int: ...

    def names(self, first: int, last: int) -> list[str]:
        """What the rows from ``first`` to before ``last`` are called."""

    def read(self, row: int) -> NDArray[np.float32]:
        """One row as the network reads it; FormatError or ExecutionError naming it."""


def open_images(path: Path, network: ScoredNetwork, column: str | None = None) -> ImageRows:
    """The images of a path, by what it is. column: of a table; None takes the only one of images.

    SpecError for what is none of READ, FormatError for what is damaged.
    """
    if path.is_dir():
        return FolderRows(path, network)
    if not path.exists():
        raise FileNotFoundError(2, "No such file or directory", str(path))
    open_it = _OPENERS.get(path.suffix.lower())
    if column is not None and path.suffix.lower() not in _TABLES:
        raise SpecError("--column", value=column, allowed="for Parquet and Arrow files alone")
    if open_it is None:
        raise SpecError("images to score", value=str(path), allowed=READ, remedy=_remedy(path))
    return open_it(path, network, column)


def _remedy(path: Path) -> str:
    packed = path.suffix.lower() in (".gz", ".bz2", ".xz", ".zst", ".tgz")
    return "unpack it: rows of a compressed archive cannot be read by themselves" if packed else ""


class FolderRows:
    """Every image file below a folder, in alphabetical order of its path there."""

    def __init__(self, path: Path, network: ScoredNetwork) -> None:
        self._path, self._network = path, network
        found = (each for each in path.rglob("*") if each.suffix.lower() in _SUFFIXES)
        self._files = sorted(each.relative_to(path).as_posix() for each in found if each.is_file())
        _expect_some(path, self._files)
        sizes = [(path / name).stat().st_size for name in self._files]
        self.fingerprint = digest(list(zip(self._files, sizes, strict=True)))

    def __len__(self) -> int:
        return len(self._files)

    def names(self, first: int, last: int) -> list[str]:
        """Paths below the folder."""
        return self._files[first:last]

    def read(self, row: int) -> NDArray[np.float32]:
        """As :meth:`ImageRows.read`."""
        name = self._files[row]
        path = self._path / name
        if path.stat().st_size > _MOST_MEMBER_BYTES:
            raise FormatError("image file", value=name, allowed="at most 256 MiB")
        return decoded(path.read_bytes(), name, self._network)


class ArchiveRows:
    """Every image of a .zip or .tar file, in alphabetical order of its name there."""

    def __init__(self, path: Path, network: ScoredNetwork) -> None:
        self._path, self._network = path, network
        sizes, self._member = self._opened(path)
        named = [name for name in sizes if PurePosixPath(name).suffix.lower() in _SUFFIXES]
        self._files = sorted(named)
        _expect_some(path, self._files)
        self._sizes = sizes
        self.fingerprint = digest([(name, sizes[name]) for name in self._files])

    def _opened(self, path: Path) -> tuple[dict[str, int], Callable[[str], bytes]]:
        """Sizes of all members, and how one is read."""
        try:
            if path.suffix.lower() == ".zip":
                zipped = zipfile.ZipFile(path)
                sizes = {each.filename: each.file_size for each in zipped.infolist()}
                return sizes, zipped.read
            with tarfile.open(path, "r:") as tarred:
                members = {each.name: each for each in tarred if each.isreg()}
            return {name: each.size for name, each in members.items()}, _of_tar(path, members)
        except (tarfile.TarError, OSError, *DAMAGE) as error:
            raise FormatError("archive of images", value=str(path), reason=str(error)) from error

    def __len__(self) -> int:
        return len(self._files)

    def names(self, first: int, last: int) -> list[str]:
        """Names in the archive."""
        return self._files[first:last]

    def read(self, row: int) -> NDArray[np.float32]:
        """As :meth:`ImageRows.read`."""
        name = self._files[row]
        if self._sizes[name] > _MOST_MEMBER_BYTES:
            raise FormatError("member of an archive", value=name, allowed="at most 256 MiB")
        try:
            content = self._member(name)
        except (tarfile.TarError, OSError, *DAMAGE) as error:
            raise FormatError("member of an archive", value=name, reason=str(error)) from error
        return decoded(content, name, self._network)


def _of_tar(path: Path, members: dict[str, tarfile.TarInfo]) -> Callable[[str], bytes]:
    """Members lie in the file as they are."""

    def read(name: str) -> bytes:
        with path.open("rb") as stream:
            stream.seek(members[name].offset_data)
            return stream.read(members[name].size)

    return read


class ArrayRows:
    """The samples of an array (N, ...), named ``FILE[row]``."""

    def __init__(self, path: Path, array: NDArray[Any], network: ScoredNetwork) -> None:
        self._array, self._network, self._name = array, network, path.name
        if not array.ndim or not len(array):
            raise ExecutionError(
                f"samples of {path}", value=array.shape, allowed="(N, ...) with N >= 1"
            )
        network.prepared(array[:1], str(path))
        self.fingerprint = digest([path.name, *_of_file(path)])

    def __len__(self) -> int:
        return len(self._array)

    def names(self, first: int, last: int) -> list[str]:
        """The file's name with the row."""
        return [f"{self._name}[{row}]" for row in range(first, last)]

    def read(self, row: int) -> NDArray[np.float32]:
        """As :meth:`ImageRows.read`."""
        sample: NDArray[np.float32] = self._network.prepared(
            self._array[row : row + 1], f"{self._name}[{row}]"
        )[0]
        return sample


class TableRows:
    """A column of a table: encoded images, or lists of numbers. Named ``FILE[row]``."""

    def __init__(
        self, path: Path, network: ScoredNetwork, cells: Sequence[Any], fingerprint: str
    ) -> None:
        self._cells, self._network, self._name = cells, network, path.name
        if not len(cells):
            raise FormatError("table of images", value=str(path), allowed="one row or more")
        self.fingerprint = fingerprint

    def __len__(self) -> int:
        return len(self._cells)

    def names(self, first: int, last: int) -> list[str]:
        """The file's name with the row."""
        return [f"{self._name}[{row}]" for row in range(first, last)]

    def read(self, row: int) -> NDArray[np.float32]:
        """As :meth:`ImageRows.read`."""
        name, cell = f"{self._name}[{row}]", self._cells[row]
        if isinstance(cell, dict):  # a struct of bytes and path, as data sets of images are kept
            cell = cell.get("bytes")
        if isinstance(cell, bytes):
            return decoded(cell, name, self._network)
        shape = self._network.given.type.shape[1:]
        try:
            numbers = np.asarray(cell, np.float32).reshape(shape)
        except (TypeError, ValueError) as error:
            raise FormatError(
                "image of a table",
                value=f"{name}: {type(cell).__name__}",
                allowed=f"bytes of an image file, or {shape} prepared numbers",
            ) from error
        return numbers


def decoded(content: bytes, name: str, network: ScoredNetwork) -> NDArray[np.float32]:
    """An encoded image as the network reads it; FormatError or ExecutionError naming it."""
    if network.preprocessing is None:
        raise ExecutionError(
            "the model says nothing about images",
            value=name,
            remedy="give it prepared inputs as .npy, or compile it with a ModelCard",
        )
    return decode_image(content, name, network.preprocessing)


def digest(described: object) -> str:
    """SHA-256 of what JSON can say."""
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def _of_file(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _expect_some(path: Path, files: Sequence[str]) -> None:
    if not files:
        raise FormatError(
            "images to score",
            value=f"{path} has none",
            allowed=f"files in it: {', '.join(sorted(_SUFFIXES))}",
        )


def _npy(path: Path, network: ScoredNetwork, column: str | None) -> ImageRows:
    del column
    return ArrayRows(path, open_array(path), network)


def _npz(path: Path, network: ScoredNetwork, column: str | None) -> ImageRows:
    del column
    found = {name: array for name, array in read_archive(path).items() if name != "labels"}
    if len(found) != 1:
        raise FormatError(f"arrays of {path}", value=sorted(found), allowed="one of samples")
    return ArrayRows(path, next(iter(found.values())), network)


def _archive(path: Path, network: ScoredNetwork, column: str | None) -> ImageRows:
    del column
    return ArchiveRows(path, network)


def _parquet(path: Path, network: ScoredNetwork, column: str | None) -> ImageRows:
    return TableRows(
        path, network, open_parquet(path, column), digest([path.name, *_of_file(path)])
    )


def _arrow(path: Path, network: ScoredNetwork, column: str | None) -> ImageRows:
    return TableRows(path, network, open_arrow(path, column), digest([path.name, *_of_file(path)]))


_TABLES: Final = {".parquet": _parquet, ".arrow": _arrow, ".feather": _arrow}
_OPENERS: Final = {".npy": _npy, ".npz": _npz, ".zip": _archive, ".tar": _archive, **_TABLES}
