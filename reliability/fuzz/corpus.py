"""Corpora: a folder each while fuzzers run, one archive each in reliability/corpus."""

from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from reliability import ROOT

__all__ = [
    "CORPUS",
    "FOUND",
    "PLANTED",
    "add_inputs",
    "chosen",
    "emptied",
    "keep_inputs",
    "kept_inputs",
]

CORPUS: Final = ROOT / "reliability" / "corpus"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_OVERHEAD: Final = 110  # bytes of an archive for each of its members
FOUND: Final = "found-"
"""What the names of inputs begin with that once broke something."""
PLANTED: Final = "planted"
"""The input that found the planted bug."""


def kept_inputs(target: str) -> dict[str, bytes]:
    """The committed inputs of a target by name."""
    path = CORPUS / f"{target}.zip"
    if not path.is_file():
        return {}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def keep_inputs(target: str, inputs: Mapping[str, bytes]) -> int:
    """Write the archive of a target; equal inputs give equal bytes. Its size."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(inputs):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), inputs[name], zipfile.ZIP_DEFLATED)
    CORPUS.mkdir(exist_ok=True)
    (CORPUS / f"{target}.zip").write_bytes(content.getvalue())
    return len(content.getvalue())


def add_inputs(folder: Path, inputs: Iterable[bytes]) -> None:
    """Put inputs into a folder, each under the name that libFuzzer would give it."""
    folder.mkdir(parents=True, exist_ok=True)
    for content in inputs:
        (folder / hashlib.sha1(content, usedforsecurity=False).hexdigest()).write_bytes(content)


def chosen(folder: Path, most_bytes: int) -> dict[str, bytes]:
    """Of a minimised corpus all inputs, or where they do not fit every so manieth by size."""
    paths = sorted(folder.iterdir(), key=lambda path: (path.stat().st_size, path.name))
    step = 1
    while sum(path.stat().st_size + _OVERHEAD for path in paths[::step]) > most_bytes:
        step += 1
    return {path.name[:12]: path.read_bytes() for path in paths[::step]}


def emptied(folder: Path) -> Path:
    """A folder with nothing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
