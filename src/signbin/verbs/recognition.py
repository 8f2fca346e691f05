"""What was given as a model, by its content; what is not read is named, with what is."""

from __future__ import annotations

import ast
import difflib
import enum
import zipfile
from pathlib import Path
from typing import Final

from signbin.artifact.container import MAGIC
from signbin.artifact.frame import PARTS_MAGIC
from signbin.errors import SpecError
from signbin.verbs.protobuf import looks_like_onnx

__all__ = ["COMPILABLE", "READ", "SourceKind", "expect_readable", "kind_of", "refusal"]


class SourceKind(enum.Enum):
    """What a model can come as."""

    RUN = "a run folder of signbin train"
    PACKED = "a .safetensors file of signbin pack"
    ONNX = "an ONNX file"
    ARCHIVE = "a .pt2 archive of torch.export"
    PLUM = "an experiment folder of PLUM"
    FACTORY = "a function that makes it"
    COMPILED = "a compiled model"
    PARTS = "a compiled model in parts"
    ARRAY = "a numpy array"
    OTHER = "something else"


READ: Final = (
    "an ONNX file, a .pt2 archive of torch.export, a run folder of signbin train, a .safetensors "
    "file of signbin pack, an experiment folder of PLUM, "
    "FILE.py:FACTORY or package.module:FACTORY"
)
"""All that can be compiled, as errors say it."""

COMPILABLE: Final = (
    *(SourceKind.RUN, SourceKind.PACKED, SourceKind.ONNX, SourceKind.ARCHIVE, SourceKind.PLUM),
    SourceKind.FACTORY,
)
"""Kinds that can be compiled."""

_FACTORY: Final = (
    "export it as ONNX, or write a function that returns (model, example_inputs) and name it: "
    "FILE.py:FACTORY"
)
_OF_CHECKPOINT: Final = (
    "write a function that builds the model, loads the file (weights_only=True) and returns "
    "(model, example_inputs): FILE.py:FACTORY"
)
_OF_COMPILED: Final = "run it, or compile what it was made from"
_STARTS: Final = (
    (b"\x89HDF", "an HDF5 file, as Keras writes", _FACTORY),
    (b"\x80\x02", "a pickle, as old PyTorch checkpoints are", _OF_CHECKPOINT),
    (b"\x08", "a protocol buffer, but no ONNX model", _FACTORY),
)
_NUMPY: Final = b"\x93NUMPY"
_TFLITE: Final = b"TFL3"
_MOST_HEADER: Final = 100_000_000  # bytes, of a .safetensors file
_MOST_NAMES: Final = 1000


def kind_of(source: str) -> SourceKind:
    """What a source is, by what is in it; OTHER for what is not there, or is none of the kinds."""
    path = Path(source)
    try:
        if path.is_dir():
            return _kind_of_folder(path)
        if path.is_file():
            return _kind_of_file(path)
    except (OSError, ValueError):
        return SourceKind.OTHER
    return SourceKind.FACTORY if ":" in source else SourceKind.OTHER


def expect_readable(source: str) -> SourceKind:
    """The kind of a source that can be compiled; said before torch is imported, which takes long.

    SpecError names what was found instead, all that is read, and what to do.
    """
    kind = kind_of(source)
    if kind not in COMPILABLE:
        raise refusal(source)
    return kind


def refusal(source: str, what: str = "model source", allowed: str = READ) -> SpecError:
    """The error for a source of no kind that is taken: what was found, and what to do instead."""
    try:
        found, remedy = _found(Path(source), kind_of(source))
    except (OSError, ValueError) as error:
        found, remedy = f"cannot be read: {error}", "check the path"
    return SpecError(what, value=source, reason=found, allowed=allowed, remedy=remedy)


def _kind_of_folder(path: Path) -> SourceKind:
    if not (path / "config.yaml").is_file():
        return SourceKind.OTHER
    return SourceKind.PLUM if (path / "checkpoints").is_dir() else SourceKind.RUN


def _kind_of_file(path: Path) -> SourceKind:
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(MAGIC):
        return SourceKind.COMPILED
    if start.startswith(PARTS_MAGIC):
        return SourceKind.PARTS
    if start.startswith(_NUMPY):
        return SourceKind.ARRAY
    if _is_safetensors(start, path.stat().st_size):
        return SourceKind.PACKED
    if start.startswith(b"PK") and _is_exported(path):
        return SourceKind.ARCHIVE
    return SourceKind.ONNX if looks_like_onnx(path) else SourceKind.OTHER


def _is_exported(path: Path) -> bool:
    """An archive of torch.export holds its name, and a list of operators for each model."""
    try:
        with zipfile.ZipFile(path) as archive:
            insides = {name.partition("/")[2] for name in archive.namelist()}
    except zipfile.BadZipFile:
        return False
    return "archive_format" in insides and any(name.startswith("models/") for name in insides)


def _is_safetensors(start: bytes, size: int) -> bool:
    """A file of tensors begins with the length of its header, which is a JSON object."""
    length = int.from_bytes(start[:8], "little")
    return start[8:9] == b"{" and 2 <= length <= min(size - 8, _MOST_HEADER)


def _found(path: Path, kind: SourceKind) -> tuple[str, str]:
    """What it is, and what to do about it."""
    if kind in (SourceKind.COMPILED, SourceKind.PARTS):
        return kind.value, _OF_COMPILED
    if kind is SourceKind.ARRAY:
        return kind.value, "it holds no network"
    if path.is_dir():
        return "a folder without config.yaml", "name the folder of one run"
    if not path.exists():
        return "nothing there", _near(path)
    if path.suffix == ".py":
        return "a Python file without the name of its factory", _name_one(path)
    return _other_file(path)


def _other_file(path: Path) -> tuple[str, str]:
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(b"PK"):
        return _archive(path)
    if start[4:8] == _TFLITE:
        return "a TensorFlow Lite file", _FACTORY
    found = (row[1:] for row in _STARTS if start.startswith(row[0]))
    return next(found, ("a file of another kind", _FACTORY))


def _near(path: Path) -> str:
    """Files beside it whose names are like the one that is not there."""
    names: list[str] = []
    if path.parent.is_dir():
        names = [
            each.name for each, _ in zip(path.parent.iterdir(), range(_MOST_NAMES), strict=False)
        ]
    close = difflib.get_close_matches(path.name, names, 3)
    if not close:
        return "check the path; --help lists what is read"
    return "did you mean " + " or ".join(str(path.parent / name) for name in close) + "?"


def _archive(path: Path) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return "a damaged archive", "copy it again"
    if any(name.endswith("data.pkl") for name in names):
        return "a PyTorch checkpoint", _OF_CHECKPOINT
    return "an archive of another kind", _FACTORY


def _name_one(path: Path) -> str:
    """The functions of the file that take nothing, for who forgot to name one."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError):
        return f"write {path}:FACTORY"
    functions = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not (node.args.args or node.name.startswith("_"))
    ]
    return "write " + " or ".join(f"{path}:{name}" for name in functions[:4] or ["FACTORY"])
