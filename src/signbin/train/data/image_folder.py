"""Images in a folder per class, ``ROOT/PART/CLASS/NAME.jpg``, decoded into one array."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import FormatError
from signbin.spec import IMAGE_SUFFIXES
from signbin.train.data.dataset import Images
from signbin.train.data.image_files import ImageFiles, open_image

__all__ = ["ImageFolder", "lossy_format"]

_JPEG: Final = b"\xff\xd8\xff"
_RIFF_HEAD: Final = 12
# Chunks of pixels: rounded, and exact.
_WEBP_PIXELS: Final = {b"VP8 ", b"VP8L"}


@dataclasses.dataclass(frozen=True)
class ImageFolder:
    """The files of a data set: paths relative to root with their sizes, in alphabetical order.

    part -> class -> files. Files without the ending of an image are left out.
    """

    root: Path
    files: dict[str, dict[str, tuple[tuple[str, int], ...]]]

    def image_files(self, part: str) -> ImageFiles:
        """The files of a part, labels in the order of the class names; nothing is decoded."""
        names, sizes, labels = [], [], []
        for label, (name, files) in enumerate(self.files[part].items()):
            names += [f"{part}/{name}/{file}" for file, _ in files]
            sizes += [size for _, size in files]
            labels += [label] * len(files)
        return ImageFiles(self.root, tuple(names), tuple(sizes), np.asarray(labels, np.int64))

    @classmethod
    def find(cls, root: Path, parts: tuple[str, ...]) -> ImageFolder:
        """List the files; FormatError where a part, its classes or their images are missing."""
        return cls(root, {part: _classes(root / part) for part in parts})

    @property
    def key(self) -> str:
        """Hash of the names and sizes of all files, 64 hex digits."""
        return hashlib.sha256(repr(self.files).encode()).hexdigest()

    @property
    def lossy(self) -> str | None:
        """The format that rounded the pixels, ``JPEG`` or ``lossy WebP``; None where none did.

        The first file of every ending in every class says what the others are.
        """
        formats = {
            lossy_format(self.root / part / name / file)
            for part, classes in self.files.items()
            for name, files in classes.items()
            for file in {Path(file).suffix.lower(): file for file, _ in reversed(files)}.values()
        }
        return next((each for each in ("JPEG", "lossy WebP") if each in formats), None)

    def decode(self, part: str, shape: tuple[int, int, int]) -> Images:
        """Every image of a part as pixels (N, C, H, W), labels in the order of the class names.

        shape: what every image must have, (3, H, W) or (1, H, W); grey and palette images are
        converted. FormatError, naming the file, for one that is damaged or of another size.
        """
        classes = self.files[part]
        count = sum(map(len, classes.values()))
        pixels = np.empty((count, *shape), np.uint8)
        labels = np.empty(count, np.int64)
        place = 0
        for label, (name, files) in enumerate(classes.items()):
            for file, _ in files:
                pixels[place] = _decode(self.root / part / name / file, shape)
                labels[place] = label
                place += 1
        return Images(pixels, labels)


def _classes(folder: Path) -> dict[str, tuple[tuple[str, int], ...]]:
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
        found = {name: _files(folder / name) for name in names}
    except OSError as error:
        raise FormatError("image folder", value=str(folder), reason=str(error)) from error
    empty = [name for name, files in found.items() if not files]
    if empty or not found:
        raise FormatError(
            "image folder without images",
            value=str(folder / empty[0] if empty else folder),
            allowed=f"a folder per class with {', '.join(IMAGE_SUFFIXES)} files",
        )
    return found


def _files(folder: Path) -> tuple[tuple[str, int], ...]:
    entries = [entry for entry in folder.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES]
    return tuple(sorted((entry.name, entry.stat().st_size) for entry in entries))


def lossy_format(path: Path) -> str | None:
    """``JPEG``, ``lossy WebP`` or None, as the bytes of a file say; FormatError if unreadable."""
    try:
        with path.open("rb") as file:
            head = file.read(_RIFF_HEAD)
            if head.startswith(_JPEG):
                return "JPEG"
            if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
                return None
            # Chunks: four letters, four bytes of size, and the data, padded to an even size.
            while len(chunk := file.read(8)) == 8 and chunk[:4] not in _WEBP_PIXELS:
                size = int.from_bytes(chunk[4:], "little")
                file.seek(size + size % 2, io.SEEK_CUR)
    except OSError as error:
        raise FormatError(f"image {path} cannot be used", reason=str(error)) from error
    return "lossy WebP" if chunk[:4] == b"VP8 " else None


def _decode(path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    channels, height, width = shape
    image = open_image(path)
    if image.size != (width, height):
        raise FormatError(
            f"image {path} cannot be used: an image of {image.width}x{image.height} pixels",
            allowed=f"a complete image of {width}x{height} pixels",
            remedy="replace the file, or remove it",
        )
    decoded = np.asarray(image.convert("L") if channels == 1 else image)
    return decoded.reshape(height, width, channels).transpose(2, 0, 1)
