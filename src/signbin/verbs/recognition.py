"""What a file is that was given as a model, by its content; one that is not read is named."""

from __future__ import annotations

import ast
import zipfile
from pathlib import Path
from typing import Final

from signbin.artifact.container import MAGIC
from signbin.errors import SpecError

__all__ = ["READ", "expect_readable"]

READ: Final = (
    "a run folder of signbin train, a .safetensors file of signbin pack, FILE.py:FACTORY or "
    "package.module:FACTORY"
)
"""All that can be compiled, as errors say it."""

_FACTORY: Final = (
    "write a function that returns (model, example_inputs) and name it: FILE.py:FACTORY"
)
_OF_CHECKPOINT: Final = (
    "write a function that builds the model, loads the file (weights_only=True) and returns "
    "(model, example_inputs): FILE.py:FACTORY"
)
_STARTS: Final = (
    (MAGIC, "a compiled model", "run it, or compile what it was made from"),
    (b"\x89HDF", "an HDF5 file, as Keras writes", _FACTORY),
    (b"\x80\x02", "a pickle, as old PyTorch checkpoints are", _OF_CHECKPOINT),
    (b"\x93NUMPY", "a numpy array", "it holds no network"),
    (b"\x08", "a protocol buffer, probably ONNX", _FACTORY),
)
_TFLITE: Final = b"TFL3"


def expect_readable(source: str) -> None:
    """Refuse what is there but cannot be compiled; before torch is imported, which takes a while.

    SpecError names what was found, all that is read, and what to do instead.
    """
    path = Path(source)
    try:
        if path.is_dir():
            _expect_run(path, source)
        elif path.is_file():
            _expect_network(path, source)
        else:
            raise _refusal(source, "nothing there", "check the path; --help lists what is read")
    except (OSError, ValueError) as error:
        if isinstance(error, SpecError):
            raise
        raise _refusal(source, f"cannot be read: {error}", "check the path") from error


def _expect_run(path: Path, source: str) -> None:
    if not (path / "config.yaml").is_file():
        raise _refusal(source, "a folder without config.yaml", "name the folder of one run")


def _expect_network(path: Path, source: str) -> None:
    if path.suffix == ".safetensors":
        return
    if path.suffix == ".py":
        raise _refusal(source, "a Python file without the name of its factory", _name_one(path))
    raise _refusal(source, *_kind(path))


def _kind(path: Path) -> tuple[str, str]:
    """What the file is, and what to do about it."""
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(b"PK"):
        return _archive(path)
    if start[4:8] == _TFLITE:
        return "a TensorFlow Lite file", _FACTORY
    found = (row[1:] for row in _STARTS if start.startswith(row[0]))
    return next(found, ("a file of another kind", _FACTORY))


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


def _refusal(source: str, found: str, remedy: str) -> SpecError:
    return SpecError("model source", value=source, reason=found, allowed=READ, remedy=remedy)
