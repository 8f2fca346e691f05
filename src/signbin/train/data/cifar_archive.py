"""The official CIFAR files: pickled batches ("python version") or plain bytes ("binary").

A pickle can name any function to call. The reader here lets it name five, all ours: they take
apart what numpy wrote and run none of it.
"""

from __future__ import annotations

import dataclasses
import io
import lzma
import pickle
import struct
import tarfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from signbin.errors import FormatError
from signbin.train.data.dataset import Images

__all__ = ["CIFAR10", "CIFAR100", "CIFAR_SHAPE", "Archive", "CifarFormat", "find_archive"]

CIFAR_SHAPE: Final = (3, 32, 32)
_PIXELS: Final = 3 * 32 * 32
_LARGEST_BATCH: Final = 256 * 1024 * 1024
# What tarfile and the packers under it raise on bytes that nobody wrote.
_DAMAGE: Final = (
    *(OSError, EOFError, ValueError, TypeError, OverflowError, MemoryError),
    *(tarfile.TarError, struct.error, zlib.error, lzma.LZMAError),
)


@dataclasses.dataclass(frozen=True)
class CifarFormat:
    """How one of the two data sets is laid out.

    title: its name for people. batches: file names by part. classes: how many labels there are.
    label_key: of the pickled dict. label_bytes: in front of every binary record; the last one is
    the label. folders, archives: where the files are, python version first.
    """

    title: str
    batches: Mapping[str, tuple[str, ...]]
    classes: int
    label_key: bytes
    label_bytes: int
    folders: tuple[str, ...]
    archives: tuple[str, ...]


CIFAR10: Final = CifarFormat(
    title="CIFAR-10",
    batches=MappingProxyType(
        {
            "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
            "test": ("test_batch",),
        }
    ),
    classes=10,
    label_key=b"labels",
    label_bytes=1,
    folders=("cifar-10-batches-py", "cifar-10-batches-bin"),
    archives=("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"),
)
CIFAR100: Final = CifarFormat(
    title="CIFAR-100",
    batches=MappingProxyType({"train": ("train",), "test": ("test",)}),
    classes=100,
    label_key=b"fine_labels",
    label_bytes=2,
    folders=("cifar-100-python", "cifar-100-binary"),
    archives=("cifar-100-python.tar.gz", "cifar-100-binary.tar.gz"),
)


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
    def open(cls, path: Path, form: CifarFormat) -> _Tar:
        wanted = {
            name + suffix for names in form.batches.values() for name in names for suffix in _READ
        }
        contents: dict[str, bytes] = {}
        try:
            with tarfile.open(path, "r|*") as archive:
                for member in archive:
                    name = Path(member.name).name
                    stream = archive.extractfile(member) if name in wanted else None
                    if stream is not None and member.size <= _LARGEST_BATCH:
                        contents[name] = stream.read()
        except _DAMAGE as error:
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
    form: CifarFormat

    def read(self, part: str) -> Images:
        """The images and labels of ``train`` or ``test``; FormatError for a damaged file."""
        batches = [self._batch(name + self.suffix) for name in self.form.batches[part]]
        return Images(
            np.concatenate([images.pixels for images in batches]),
            np.concatenate([images.labels for images in batches]),
        )

    def _batch(self, name: str) -> Images:
        try:
            content = self.files.read(name)
            if content is None:
                raise ValueError("missing")
            return _READ[self.suffix](content, self.form)
        except (OSError, ValueError) as error:
            raise FormatError(
                f"{self.form.title} file {name} in {self.path}: {error}",
                allowed="a file of the official archive",
                remedy="download and unpack the archive again",
            ) from error


def find_archive(root: Path, form: CifarFormat) -> Archive | None:
    """The official files at ``root``: a .tar.gz, their folder, or the folder that holds either."""
    if root.is_file():
        return _archive(root, _Tar.open(root, form), form)
    for path in (root, *(root / name for name in form.folders)):
        found = _archive(path, _Folder(path), form)
        if found is not None:
            return found
    for path in (root / name for name in form.archives):
        if path.is_file():
            return _archive(path, _Tar.open(path, form), form)
    return None


def _archive(path: Path, files: _Files, form: CifarFormat) -> Archive | None:
    first = form.batches["train"][0]
    suffixes = [suffix for suffix in _READ if files.read(first + suffix) is not None]
    return Archive(path, files, suffixes[0], form) if suffixes else None


def _from_binary(content: bytes, form: CifarFormat) -> Images:
    """Records of one or two label bytes and 3072 pixel bytes, planes of red, green and blue."""
    record = form.label_bytes + _PIXELS
    if not content or len(content) % record:
        raise ValueError(f"{len(content)} bytes are not records of {record}")
    records = np.frombuffer(content, np.uint8).reshape(-1, record)
    return _images(records[:, form.label_bytes :], records[:, form.label_bytes - 1], form)


def _from_pickle(content: bytes, form: CifarFormat) -> Images:
    """A pickled dict with ``data``, uint8 (N, 3072), and labels, a list of N numbers."""
    try:
        document = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # damaged pickles raise anything
        raise ValueError(f"not a pickled batch: {error}") from error
    if not isinstance(document, dict):
        raise ValueError("not a pickled dict")
    named = {
        key if isinstance(key, bytes) else str(key).encode(): document[key] for key in document
    }
    data, labels = named.get(b"data"), named.get(form.label_key)
    if not isinstance(data, _Array) or not isinstance(labels, list):
        raise ValueError(f"no array 'data' or no list {form.label_key.decode()!r}")
    if not all(type(label) is int and 0 <= label < form.classes for label in labels):
        raise ValueError(f"a label outside 0..{form.classes - 1}")
    return _images(data.bytes_of_rows(len(labels)), np.asarray(labels), form)


def _images(pixels: NDArray[np.uint8], labels: NDArray[Any], form: CifarFormat) -> Images:
    if not len(labels) or labels.min() < 0 or labels.max() >= form.classes:
        raise ValueError(f"a label outside 0..{form.classes - 1}")
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


_READ: Final[dict[str, Callable[[bytes, CifarFormat], Images]]] = {
    "": _from_pickle,
    ".bin": _from_binary,
}
"""Suffix of the files of a version -> reader of one."""
