"""Whether an archive of torch.export holds tensors and a list of operators, and nothing that runs.

torch.export.load trusts what it reads: it unpickles where an archive says so, hands strings of the
file to a parser of expressions that evaluates them, and looks functions up by any name. An archive
that uses none of that, which is what torch.export.save writes of an ordinary network, is read; any
other is refused before torch sees it.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch

from signbin.errors import FormatError

__all__ = ["trusted_archive"]

_MOST_JSON: Final = 2**28  # bytes of one document
_MOST_MEMBERS: Final = 100_000
# What zipfile raises on bytes that nobody wrote.
_DAMAGE: Final = (
    *(zipfile.BadZipFile, OSError, NotImplementedError, EOFError, UnicodeDecodeError),
    *(struct.error, RuntimeError),
)
_READ: Final = (
    *("models/", "data/sample_inputs/", "data/weights/", "data/constants/"),
    *("archive_format", "archive_version", "byteorder", ".data/"),
)
_LONGEST_EXPRESSION: Final = 2000
_REMEDY: Final = (
    "load it yourself if you trust where it comes from, and pass the module: "
    "signbin.compile(torch.export.load(path))"
)
# Extents as torch writes them: Mul(Integer(2), Symbol('s77', positive=True, integer=True)).
_TOKEN: Final = re.compile(
    r"'[a-z]{1,4}\d{1,6}'|-?\d{1,10}|[(), =-]|Symbol|Integer|Rational|Float|Add|Mul|Max|Min|Mod|"
    r"PythonMod|FloorDiv|CeilDiv|CleanDiv|ToFloat|TruncToInt|CeilToInt|FloorToInt|IntTrueDiv|"
    r"positive|nonnegative|nonzero|integer|real|finite|precision|True|False|true|false|"
    r"Equality|Unequality|StrictGreaterThan|GreaterThan|StrictLessThan|LessThan|"
    r"Eq|Ne|Ge|Gt|Le|Lt|And|Or|Not"
)
_SYMBOL: Final = re.compile(r"[a-z]{1,4}\d{1,6}")
_OPERATOR: Final = re.compile(
    r"torch\.ops\.aten\.(?!from_file)[a-z_0-9]+\.[A-Za-z_0-9]+|torch\.sym_[a-z]+|"
    r"_operator\.(add|sub|mul|floordiv|truediv|mod|neg|getitem|eq|ne|lt|le|gt|ge|and_|or_)|"
    r"math\.(trunc|ceil|floor)"
)
_RUNNING_ARGUMENTS: Final = ("as_operator", "as_graph", "as_custom_obj", "as_opaque")


def trusted_archive(path: Path) -> io.BytesIO:
    """The archive again, of what was looked at and nothing else, for torch to read.

    FormatError, naming what it is, where it holds more than tensors and operators. What two readers
    of archives could see differently, as two members of one name, or members that torch would run
    or read the old way, is in the file alone.
    """
    made = io.BytesIO()
    try:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(made, "w") as trusted:
            _expect_members(archive, path)
            for name in archive.namelist():
                folder, _, inside = name.partition("/")
                if folder and inside.startswith(_READ):
                    content = archive.read(name)
                    _expect_plain(inside, content, path)
                    trusted.writestr(name, content)
    except _DAMAGE as error:
        raise FormatError(f"archive {path}", reason=str(error), remedy="copy it again") from error
    made.seek(0)
    return made


def _expect_members(archive: zipfile.ZipFile, path: Path) -> None:
    members = archive.infolist()
    if len(members) > _MOST_MEMBERS:
        raise FormatError(
            f"archive {path}", value=f"{len(members)} members", allowed=f"<= {_MOST_MEMBERS}"
        )
    if len({each.filename for each in members}) < len(members):
        raise FormatError(f"archive {path}", value="two members of one name", allowed="one")
    packed = next((each for each in members if each.compress_type != zipfile.ZIP_STORED), None)
    if packed is not None:
        raise FormatError(
            f"archive {path}, {packed.filename}",
            value="compressed",
            allowed="members stored as they are, as torch.export.save writes them",
        )


def _expect_plain(inside: str, content: bytes, path: Path) -> None:
    """A member, by where it lies below the folder that all are in."""
    if inside.startswith("models/"):
        _expect_plain_model(_document(inside, content, path), path)
    elif inside.startswith("data/sample_inputs/"):
        _expect_plain_inputs(content, path)
    elif inside.endswith("_config.json"):
        _expect_plain_payload(_document(inside, content, path), path)
    elif inside.endswith(".pt"):
        raise _distrusted(path, f"{inside}: weights as a pickle, as old archives keep them")


def _document(inside: str, content: bytes, path: Path) -> dict[str, Any]:
    try:
        document = json.loads(content) if len(content) <= _MOST_JSON else None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"archive {path}, {inside}", reason=str(error)) from error
    if not isinstance(document, dict):
        raise FormatError(
            f"archive {path}, {inside}", allowed=f"an object of <= {_MOST_JSON} bytes"
        )
    return document


def _expect_plain_payload(document: dict[str, Any], path: Path) -> None:
    """The weights or the constants: each the bytes of one tensor."""
    config = document.get("config")
    if not isinstance(config, dict):
        raise FormatError(f"archive {path}: list of tensors", allowed="an object of tensors")
    for name, payload in config.items():
        file = payload.get("path_name") if isinstance(payload, dict) else None
        if not isinstance(file, str) or payload.get("use_pickle") is not False:
            raise _distrusted(path, f"{name}: a pickled tensor")
        if not file.startswith(("weight_", "tensor_")):
            raise _distrusted(path, f"{name}: an object of Python")


def _expect_plain_inputs(content: bytes, path: Path) -> None:
    """Example inputs: what torch itself calls weights only, which it tries first."""
    if not content:
        return
    try:
        torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch raises on bytes that nobody wrote
        raise _distrusted(path, f"example inputs: {type(error).__name__}") from error


def _expect_plain_model(document: dict[str, Any], path: Path) -> None:
    ranges = document.get("range_constraints")
    for symbol in ranges if isinstance(ranges, dict) else ():
        if not _SYMBOL.fullmatch(symbol):
            raise _distrusted(path, f"extent {symbol!r}")
    for key, value in _pairs(document):
        if key in _RUNNING_ARGUMENTS:
            raise _distrusted(path, f"an argument that is a function or an object ({key})")
        if key == "target" and not (isinstance(value, str) and _OPERATOR.fullmatch(value)):
            raise _distrusted(path, f"operator {value!r}")
        if key == "expr_str" and not _is_expression(value):
            raise _distrusted(path, f"extent {value!r}")


def _pairs(document: object) -> Iterator[tuple[str, Any]]:
    """Every key of every object inside, with its value; no recursion, whatever the depth."""
    waiting = [document]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield from each.items()
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


def _is_expression(text: object) -> bool:
    """Whether an extent is written in the words of extents alone."""
    if not isinstance(text, str) or len(text) > _LONGEST_EXPRESSION:
        return False
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            return False
        at = token.end()
        if text[at - 1].isalnum() and text[at : at + 1].isalnum():
            return False  # the start of a longer word, or of a longer number
    return True


def _distrusted(path: Path, found: str) -> FormatError:
    return FormatError(
        f"archive {path}",
        value=found,
        allowed="tensors, and operators of PyTorch on them, as torch.export.save writes of a "
        "network without objects of its own",
        remedy=_REMEDY,
    )
