"""Network inputs from files: images with the stored preprocessing, or prepared arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.arrays import open_array, read_archive
from signbin.errors import ExecutionError, FormatError
from signbin.ir import Value
from signbin.runtime.images import load_image
from signbin.spec import IMAGE_SUFFIXES, Preprocessing

__all__ = ["Samples", "read_inputs", "read_samples"]

_SUFFIXES: Final = (".npy", *IMAGE_SUFFIXES)


@dataclasses.dataclass(frozen=True, eq=False)
class Samples:
    """Inputs of a network, float32 (N, ...), and the right classes, int64 (N,), where known."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64] | None = None


def read_samples(
    path: Path,
    expected: Value,
    preprocessing: Preprocessing | None,
    class_names: Sequence[str] = (),
    most: int = 2**20,
) -> Samples:
    """Up to ``most`` samples, evenly spaced, from one of three kinds of data.

    A folder: all images and .npy files in it and its folders, in alphabetical order; labelled where
    the folder of every file is named like a class. A ``.npz`` file: its array of samples, of any
    name, and ``labels``, whole numbers, where there are any. Any other file: as
    :func:`read_inputs` reads it. FormatError or ExecutionError naming the file.
    """
    if path.is_dir():
        files = _thinned(_files(path), most)
        images = read_inputs(files, preprocessing, expected)[1]
        numbers = {name: number for number, name in enumerate(class_names)}
        folders = [numbers.get(file.parent.name) for file in files]
        labelled = len(images) == len(files) and None not in folders
        return Samples(images, np.array(folders, np.int64) if labelled else None)
    if path.suffix == ".npz":
        found = _read_archive(path, expected)
    else:
        found = Samples(read_inputs([path], preprocessing, expected)[1])
    places = _thinned(range(len(found.images)), most)
    labels = None if found.labels is None else found.labels[places]
    return Samples(np.ascontiguousarray(found.images[places]), labels)


def _thinned(things: Sequence[Any], most: int) -> list[Any]:
    """At most ``most`` of them, evenly spaced, in order."""
    count = min(most, len(things))
    return [things[place * len(things) // count] for place in range(count)]


def _files(folder: Path) -> list[Path]:
    found = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file()
    )
    if not found:
        raise FormatError(
            "folder of samples",
            value=str(folder),
            allowed=f"files in it or its folders: {', '.join(_SUFFIXES)}",
        )
    return found


def _read_archive(path: Path, expected: Value) -> Samples:
    try:
        found = read_archive(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise FormatError(f"{path} is not a .npz file", reason=str(error)) from error
    labels = found.pop("labels", None)
    if len(found) != 1:
        raise FormatError(
            f"arrays of {path}",
            value=sorted(found),
            allowed="one array of samples, and perhaps 'labels'",
        )
    images = _checked_array(path, next(iter(found.values())), expected)
    if labels is None:
        return Samples(images)
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise FormatError(
            f"labels of {path}",
            value=(str(labels.dtype), labels.shape),
            allowed=f"whole numbers of shape ({len(images)},)",
        )
    return Samples(images, labels.astype(np.int64))


def read_inputs(
    paths: Sequence[Path], preprocessing: Preprocessing | None, expected: Value
) -> tuple[list[str], NDArray[np.float32]]:
    """A name per sample, and all samples in one float32 array (N, *expected).

    A ``.npy`` file holds one sample or a batch of prepared ones; samples of a batch are named
    ``path[index]``. Any other file is an image, which needs ``preprocessing``. Raises FormatError
    or ExecutionError naming the file.
    """
    names: list[str] = []
    parts: list[NDArray[np.float32]] = []
    for path in paths:
        if path.suffix == ".npy":
            array = _read_array(path, expected)
            numbered = [f"{path}[{index}]" for index in range(len(array))]
            names += numbered if len(array) > 1 else [str(path)]
            parts.append(array)
        elif preprocessing is None:
            raise ExecutionError(
                "the model says nothing about images",
                value=str(path),
                remedy="give it prepared inputs as .npy",
            )
        else:
            names.append(str(path))
            parts.append(load_image(path, preprocessing)[None])
    return names, np.concatenate(parts)


def _read_array(path: Path, expected: Value) -> NDArray[np.float32]:
    """Samples from a .npy file, as (N, ...)."""
    return _checked_array(path, open_array(path), expected)


def _checked_array(path: Path, array: NDArray[Any], expected: Value) -> NDArray[np.float32]:
    """As float32 (N, ...), any extents along free axes; ExecutionError where it is none."""
    shape, image = tuple(array.shape), expected.type.shape[1:]
    wanted = tuple(
        "any" if axis in expected.free else extent for axis, extent in enumerate(image, start=1)
    )
    given = shape[-len(image) :]
    fits = len(given) == len(image) and all(
        one in ("any", extent) for one, extent in zip(wanted, given, strict=True)
    )
    if not fits or len(shape) - len(image) not in (0, 1) or 0 in shape:
        allowed = f"({', '.join(map(str, wanted))}), with or without a batch axis in front"
        raise ExecutionError(f"shape of {path}", value=shape, allowed=allowed)
    if not np.issubdtype(array.dtype, np.floating):
        raise ExecutionError(
            f"dtype of {path}",
            value=str(array.dtype),
            allowed="float32",
            remedy="scale it as in training and save it as numpy.float32",
        )
    if not np.isfinite(array).all():
        raise ExecutionError(
            f"numbers of {path}",
            value="NaN or infinity",
            allowed="finite numbers",
            remedy="look at how it was prepared",
        )
    return np.ascontiguousarray(array.reshape(-1, *given), dtype=np.float32)
