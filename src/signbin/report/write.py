"""A report on disk: the HTML page, and the same data as JSON beside it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbin.documents import to_document
from signbin.errors import SpecError
from signbin.files import make_folder, write_whole
from signbin.report import html
from signbin.report.energy_chart import energy_picture
from signbin.report.schema import Report
from signbin.report.trade_off_chart import trade_off_svg

__all__ = [
    "json_path",
    "require_free",
    "write_array",
    "write_energy",
    "write_files",
    "write_json",
    "write_picture",
    "write_report",
    "write_trade_off",
]


def json_path(page: Path) -> Path:
    """Where the data of a page goes: the same name ending in ``.json``."""
    return page.with_suffix(".json")


def write_report(report: Report, page: Path, *, overwrite: bool = False) -> tuple[Path, Path]:
    """Write ``page`` and its JSON, both or neither; returns their paths.

    Raises SpecError where the page would have the name of its data, or a file exists and
    ``overwrite`` is not set; OSError where the folder cannot be written.
    """
    data = json_path(page)
    if data == page:
        raise SpecError("report", value=str(page), allowed="a name ending in .html")
    document = json.dumps(to_document(report), indent=2, allow_nan=False) + "\n"
    contents = {page: html.render(report).encode(), data: document.encode()}
    write_files(contents, overwrite=overwrite)
    return page, data


def write_array(path: Path, array: NDArray[np.float32], *, overwrite: bool = False) -> None:
    """Write an array as ``.npy``; errors as for :func:`write_files`."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    write_files({path: stream.getvalue()}, overwrite=overwrite)


def write_energy(
    document: Mapping[str, Any],
    texts: Mapping[str, str],
    picture: Path | None,
    folder: Path | None,
    *,
    overwrite: bool = False,
) -> None:
    """Write an estimate's picture, and ``texts`` (file name -> text) to a folder, where wanted.

    The folder is made. Errors as for :func:`write_files`, and SpecError for a picture that is
    not ``.svg``.
    """
    contents: dict[Path, bytes] = {}
    if picture is not None:
        if picture.suffix != ".svg":
            raise SpecError("picture", value=str(picture), allowed="a name ending in .svg")
        contents[picture] = energy_picture(document).encode()
    if folder is not None:
        make_folder(folder)
        contents |= {folder / name: text.encode() for name, text in texts.items()}
    write_files(contents, overwrite=overwrite)


def write_trade_off(document: Mapping[str, Any], picture: Path, *, overwrite: bool = False) -> None:
    """Write the picture of an analysis; SpecError for one that is not ``.svg``, and as for
    :func:`write_files`.
    """
    write_picture(trade_off_svg(document), picture, overwrite=overwrite)


def write_picture(svg: str, picture: Path, *, overwrite: bool = False) -> None:
    """Write a drawing; SpecError for another name than ``.svg``; see :func:`write_files`."""
    if picture.suffix != ".svg":
        raise SpecError("picture", value=str(picture), allowed="a name ending in .svg")
    write_files({picture: svg.encode()}, overwrite=overwrite)


def write_json(path: Path, document: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """Write one JSON document; errors as for :func:`write_files`."""
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    write_files({path: text.encode()}, overwrite=overwrite)


def write_files(contents: dict[Path, bytes], *, overwrite: bool = False) -> None:
    """Write every file whole, all or none.

    Raises SpecError for an existing file without ``overwrite``; OSError where a folder cannot
    be written. Then no target has changed.
    """
    require_free(contents, overwrite=overwrite)
    write_whole(contents)


def require_free(paths: Iterable[Path], *, overwrite: bool = False) -> None:
    """SpecError for a folder, or a file that exists without ``overwrite``.

    Long work asks before it starts; :func:`write_files` asks again.
    """
    for path in paths:
        if path.is_dir() or (path.exists() and not overwrite):
            remedy = "name a file" if path.is_dir() else "pass --force to overwrite it"
            raise SpecError(f"{path} exists", remedy=remedy)
