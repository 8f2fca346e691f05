"""Where measurements are kept: results/<date>-<cpu>-<isa>.json, one section per question.

The instruction set tells processors apart that a virtual machine gives the same name.

{"environment": {...}, "sections": {"kernels": {...}, "networks": {...}, ...}}. A script replaces
its own section and leaves the others. Sections of many rows stand apart, in a folder of their name.
Tables in the documentation are made from these files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from signbin.environment import environment
from signbin.errors import FormatError
from signbin.files import write_whole
from signbin.native import cpu, version

RESULTS: Final = Path(__file__).parent / "results"
_APART: Final = ("latency", "latency_held")
# Of lists within it, one level. In quotes there may be brackets, but no line break.
_LIST: Final = re.compile(r"\[\n(?:(?:[^\[\]{}\n]|\[[^\[\]{}\n]*\])*\n)*?\s*\]")
_BREAK: Final = re.compile(r"\n\s*")
_LINE: Final = 100


def record(section: str, content: Mapping[str, Any], folder: Path = RESULTS) -> Path:
    """Put a section into today's file for this CPU; the file's path."""
    measured_on = environment({"signbin": version()})
    path = _path(measured_on, _home(section, folder))
    document = read(path) if path.exists() else {"sections": {}}
    sections = {**document["sections"], section: {"environment": measured_on, **content}}
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"environment": measured_on, "sections": dict(sorted(sections.items()))}
    write_whole({path: _text(whole).encode()})
    return path


def append(name: str, row: Mapping[str, Any], keys: Sequence[str], folder: Path = RESULTS) -> Path:
    """Add a row to this CPU's newest NAME/<date>-<cpu>-<isa>.jsonl, or begin today's; the path.

    For sections that take long and grow row by row: a line is a row, the first the environment. A
    row with the same values of ``keys`` is replaced.
    """
    measured_on = environment({"signbin": version()})
    begun = _newest_rows(name, folder)
    path = begun or _path(measured_on, folder / name).with_suffix(".jsonl")
    known: dict[str, Any] = {"environment": measured_on, "rows": []}
    if begun:
        known = read_rows(begun)
    others = [one for one in known["rows"] if any(one[key] != row[key] for key in keys)]
    lines: list[Mapping[str, Any]] = [{"environment": known["environment"]}, *others, row]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole({path: "".join(map(_line, lines)).encode()})
    return path


def rows_here(name: str, folder: Path = RESULTS) -> list[dict[str, Any]]:
    """The rows that :func:`append` would go on from."""
    path = _newest_rows(name, folder)
    return read_rows(path)["rows"] if path else []


def read_rows(path: Path) -> dict[str, Any]:
    """``{"environment": ..., "rows": [...]}`` of a file of :func:`append`; else FormatError."""
    try:
        first, *rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        return {"environment": first["environment"], "rows": rows}
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(
            str(path), allowed=f"JSON lines, first an environment ({error})"
        ) from error


def newest_rows(name: str, folder: Path = RESULTS) -> list[dict[str, Any]]:
    """What :func:`newest` is for sections, for the files of :func:`append`."""
    files = {path.stem[11:]: path for path in sorted((folder / name).glob("*.jsonl"))}
    return [{"date": path.stem[:10], **read_rows(path)} for _, path in sorted(files.items())]


def _newest_rows(name: str, folder: Path) -> Path | None:
    machine = cpu()
    own = f"*-{_slug(machine['name'])}-{machine['isa']}.jsonl"
    return max((folder / name).glob(own), default=None)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n"


def todays(section: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """A section of today's file for this CPU, None where there is none yet."""
    path = _path(environment({"signbin": version()}), _home(section, folder))
    found: dict[str, Any] | None = read(path)["sections"].get(section) if path.exists() else None
    return found


def kept(section: str, folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """This CPU's rows of a section by network, each with the day it was measured on.

    Those of the newest file that has the section. Rows of today's that state no day are today's.
    """
    machine = cpu()
    files = folder.glob(f"????-??-??-{_slug(machine['name'])}-{machine['isa']}.json")
    for path in sorted(files, reverse=True):
        found = read(path)["sections"].get(section)
        if found is not None:
            return {row["network"]: {"date": path.stem[:10], **row} for row in found["rows"]}
    return {}


def today() -> str:
    """The day that a record made now is of."""
    return str(environment({"signbin": version()})["time_utc"][:10])


def read(path: Path) -> dict[str, Any]:
    """A results file; FormatError for anything else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(str(path), allowed=f"JSON ({error})") from error
    if not isinstance(document, dict) or not isinstance(document.get("sections"), dict):
        raise FormatError(str(path), allowed="an object with sections")
    return document


def newest(section: str, folder: Path = RESULTS) -> list[dict[str, Any]]:
    """The newest record of a section for every CPU, as ``{"date", "cpu", ...section}``."""
    found: dict[str, dict[str, Any]] = {}
    files = {*folder.glob("*.json"), *_home(section, folder).glob("*.json")}
    for path in sorted(files, key=lambda path: path.name):
        date, slug = path.stem[:10], path.stem[11:]
        content = read(path)["sections"].get(section)
        if content is not None:
            model = content["environment"]["cpu"]["model"]
            found[slug] = {"date": date, "cpu": model, **content}
    return [found[slug] for slug in sorted(found)]


def _text(document: Mapping[str, Any]) -> str:
    """Indented JSON in which a list without objects stands on one line, if that is short."""
    text = json.dumps(document, indent=1, allow_nan=False)
    for _ in range(2):
        text = _LIST.sub(_on_one_line, text)
    return text + "\n"


def _on_one_line(found: re.Match[str]) -> str:
    line = _BREAK.sub("", found[0].replace(",\n", ", \n"))
    return line if len(line) <= _LINE else found[0]


def _home(section: str, folder: Path) -> Path:
    """The folder of new records of a section."""
    return folder / section if section in _APART else folder


def _path(measured_on: Mapping[str, Any], folder: Path) -> Path:
    machine = cpu()
    day = measured_on["time_utc"][:10]
    return folder / f"{day}-{_slug(machine['name'])}-{machine['isa']}.json"


def _slug(name: str) -> str:
    """A CPU's name as part of a file name: ``AMD EPYC 7763`` is ``amd-epyc-7763``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unknown"
