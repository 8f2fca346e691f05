"""The official CIFAR-10 files: pickled batches ("python version") or plain bytes ("binary").

A pickle can name any function to call. The reader here lets it name five, all ours: they take
apart what numpy wrote and run none of it.
"""

from __future__ import annotations

import dataclasses
import io
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from signbin.errors import FormatError
from signbin.train.data.dataset import Images

__all__ = ["CIFAR_SHAPE", "Archive", "find_archive"]

CIFAR_SHAPE: Final = (3, 32, 32)
_PIXELS: Final = 3 * 32 * 32
_LABELS: Final = 10
_BATCHES: Final = {
    "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
    "test": ("test_batch",),
}
_INSIDE: Final = ("cifar-10-batches-py", "cifar-10-batches-bin")
_ARCHIVES: Final = ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz")
_LARGEST_BATCH: Final = 64 * 1024 * 1024


class _Files(Protocol):
    """Files by name, wherever they are."""

    def read(self, name: str) -> bytes | None:
        """The content; None where there is no such file. OSError where it cannot be read."""


@dataclasses.dataclass(frozen=True)
class _Folder:
    path: Path

    def read(self, name: str) -> bytes | None:
        path = self.path / name
        return path.read_bytes() if path.is_file() else None


@dataclasses.dataclass(frozen=True)
class _Tar:
    """A .tar.gz, read once from front to back; nothing is unpacked to the disk."""

    path: Path
    contents: dict[str, bytes]

    @classmethod
    def open(cls, path: Path) -> _Tar:
        wanted = {
            name + suffix for names in _BATCHES.values() for name in names for suffix in _READ
        }
        contents: dict[str, bytes] = {}
        try:
            with tarfile.open(path, "r|*") as archive:
                for member in archive:
                    name = Path(member.name).name
                    stream = archive.extractfile(member) if name in wanted else None
                    if stream is not None and member.size <= _LARGEST_BATCH:
                        contents[name] = stream.read()
        except (OSError, EOFError, tarfile.TarError) as error:
            raise FormatError(f"damaged archive {path}", reason=str(error)) from error
        return cls(path, contents)

    def read(self, name: str) -> bytes | None:
        return self.contents.get(name)


@dataclasses.dataclass(frozen=True)
class Archive:
    """The official files at one place, all of one version."""

    path: Path
    files: _Files
    suffix: str

    def read(self, part: str) -> Images:
        """The images and labels of ``train`` or ``test``; FormatError for a damaged file."""
        batches = [self._batch(name + self.suffix) for name in _BATCHES[part]]
        return Images(
            np.concatenate([images.pixels for images in batches]),
            np.concatenate([images.labels for images in batches]),
        )

    def _batch(self, name: str) -> Images:
        try:
            content = self.files.read(name)
            if content is None:
                raise ValueError("missing")
            return _READ[self.suffix](content)
        except (OSError, ValueError) as error:
            raise FormatError(
                f"CIFAR-10 file {name} in {self.path}: {error}",
                allowed="a file of the official archive",
                remedy="download and unpack the archive again",
            ) from error


def find_archive(root: Path) -> Archive | None:
    """The official files at ``root``: a .tar.gz, their folder, or the folder that holds either."""
    if root.is_file():
        return _archive(root, _Tar.open(root))
    for path in (root, *(root / name for name in _INSIDE)):
        found = _archive(path, _Folder(path))
        if found is not None:
            return found
    for path in (root / name for name in _ARCHIVES):
        if path.is_file():
            return _archive(path, _Tar.open(path))
    return None


def _archive(path: Path, files: _Files) -> Archive | None:
    first = _BATCHES["train"][0]
    suffixes = [suffix for suffix in _READ if files.read(first + suffix) is not None]
    return Archive(path, files, suffixes[0]) if suffixes else None


def _from_binary(content: bytes) -> Images:
    """Records of one label byte and 3072 pixel bytes, planes of red, green and blue."""
    if not content or len(content) % (1 + _PIXELS):
        raise ValueError(f"{len(content)} bytes are not records of {1 + _PIXELS}")
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + _PIXELS)
    return _images(records[:, 1:], records[:, 0])


def _from_pickle(content: bytes) -> Images:
    """A pickled dict with ``data``, uint8 (N, 3072), and ``labels``, a list of N numbers."""
    try:
        document = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # damaged pickles raise anything
        raise ValueError(f"not a pickled batch: {error}") from error
    if not isinstance(document, dict):
        raise ValueError("not a pickled dict")
    named = {
        key if isinstance(key, bytes) else str(key).encode(): document[key] for key in document
    }
    data, labels = named.get(b"data"), named.get(b"labels")
    if not isinstance(data, _Array) or not isinstance(labels, list):
        raise ValueError("no array 'data' or no list 'labels'")
    if not all(type(label) is int and 0 <= label < _LABELS for label in labels):
        raise ValueError(f"a label outside 0..{_LABELS - 1}")
    return _images(data.bytes_of_rows(len(labels)), np.asarray(labels))


def _images(pixels: NDArray[np.uint8], labels: NDArray[Any]) -> Images:
    if not len(labels) or labels.min() < 0 or labels.max() >= _LABELS:
        raise ValueError(f"a label outside 0..{_LABELS - 1}")
    return Images(pixels.reshape(-1, *CIFAR_SHAPE).copy(), labels.astype(np.int64))


class _Array:
    """Stands in for a pickled numpy array: keeps what numpy wrote, builds nothing."""

    def __init__(self) -> None:
        self._state: object = None

    def __setstate__(self, state: object) -> None:
        self._state = state

    def bytes_of_rows(self, rows: int) -> NDArray[np.uint8]:
        """The array's own bytes as uint8 (rows, 3072); ValueError where it is anything else."""
        match self._state:
            case (_, (int(found), int(columns)), _Type(name="u1"), False, bytes(content)):
                if (found, columns, len(content)) == (rows, _PIXELS, rows * _PIXELS):
                    return np.frombuffer(content, np.uint8).reshape(rows, _PIXELS)
        raise ValueError(f"'data' is not {rows} x {_PIXELS} bytes, one row per label")


class _Type:
    """Stands in for a pickled numpy dtype; name: as ``u1``."""

    def __init__(self, name: object = None, *_: object) -> None:
        self.name = name.decode("latin-1") if isinstance(name, bytes) else name

    def __setstate__(self, state: object) -> None:
        """Byte order and the like: one byte has none."""


def _encoded(text: str, encoding: str) -> bytes:
    # How Python 3 pickles bytes in protocol 2.
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text encoded as {encoding}")
    return text.encode("latin-1")


def _empty_array(*_: object) -> _Array:
    return _Array()


_ALLOWED: Final[dict[tuple[str, str], Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy._core.multiarray", "_reconstruct"): _empty_array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encoded,
}


class _Unpickler(pickle.Unpickler):
    """Builds dicts, lists, numbers, texts and the stand-ins above; refuses any other name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not allowed here")
        return _ALLOWED[module, name]


_READ: Final[dict[str, Callable[[bytes], Images]]] = {"": _from_pickle, ".bin": _from_binary}
"""Suffix of the files of a version -> reader of one."""
