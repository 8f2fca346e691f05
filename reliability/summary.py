"""The table at the top of docs/reliability.md: what each command counted, from its results alone.

A row per file of results/ that is there. What was found and mended is listed in found.toml, each
with the test that failed before.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from reliability import RESULTS
from signbin.report import markdown, words

__all__ = ["FOUND", "Row", "found", "rows", "summary"]

FOUND: Final = Path(__file__).with_name("found.toml")
_Document = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Row:
    """counted: in words. open: failures in the results, of which there should be none. found: the
    name in found.toml of what it found.
    """

    command: str
    counted: str
    minutes: float
    open: int
    found: str


def found() -> dict[str, list[dict[str, str]]]:
    """What each command found, by its name: ``what``, and the ``test`` that holds it."""
    return tomllib.loads(FOUND.read_text(encoding="utf-8"))


def rows(folder: Path = RESULTS) -> dict[str, Row]:
    """By the name of the file, in the order of the page."""
    return {
        name: make(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
        for name, make in _ROWS.items()
        if (folder / f"{name}.json").is_file()
    }


def summary() -> str:
    """A line per command; then what was found."""
    mended = found()
    cells = [
        [
            f"`{row.command}`",
            row.counted,
            f"{row.minutes:.0f}",
            words.count(len(mended.get(row.found, ()))),
            words.count(row.open),
        ]
        for row in rows().values()
    ]
    heads = ["command", "counted", "minutes", "found and mended", "open"]
    total = sum(map(len, mended.values()))
    lines = [f"- {each['what']} (`{each['test']}`)" for many in mended.values() for each in many]
    return "\n".join(
        [
            markdown.table(heads, cells, numbers_from=2),
            "",
            _trusted(),
            "",
            f"{total} things were found so and mended, each with a test that failed before:",
            "",
            *lines,
        ]
    )


def _trusted() -> str:
    """How long ``make trust`` takes but for its compilers, and fuzzing, which goes on."""
    minutes = sum(row.minutes for name, row in rows().items() if name not in ("fuzz", "quick"))
    return (
        f"`make trust` runs all of these but the fuzzers, {minutes / 60:.1f} hours of them, after "
        "`make compilers` at every level; `make fuzz` runs the fuzzers. The last row is a part of "
        "`make test`."
    )


def _same_bits(document: _Document) -> Row:
    return Row(
        "python -m reliability.same_bits",
        f"{words.count(document['networks'])} random networks, "
        f"{words.count(document['runs'])} runs",
        document["seconds"] / 60,
        len(document["failures"]),
        "same_bits",
    )


def _native_faults(document: _Document) -> Row:
    return _faults(document, "native", "faults")


def _file_faults(document: _Document) -> Row:
    return _faults(document, "files", "file_faults")


def _faults(document: _Document, of: str, found_as: str) -> Row:
    total = sum(sum(kinds.values()) for kinds in document["faults"].values())
    return Row(
        f"python -m reliability.faults --of {of}",
        f"{words.count(total)} faults in {len(document['faults'])} operations",
        document["seconds"] / 60,
        document["failed"],
        found_as,
    )


def _kills(document: _Document) -> Row:
    kills = document["kills"]
    return Row(
        "python -m reliability.kills",
        f"{words.count(sum(each['killed'] for each in kills))} writers killed",
        document["seconds"] / 60,
        sum(bool(each["wrong"]) for each in kills),
        "kills",
    )


def _write_order(document: _Document) -> Row:
    verbs = [verb for verb in document["verbs"].values() if verb["renames"]]
    renames = sum(verb["renames"] for verb in verbs)
    return Row(
        "python -m reliability.write_order",
        f"{words.count(renames)} renames of {len(verbs)} verbs, each after its content was flushed",
        document["seconds"] / 60,
        sum(len(verb["wrong"]) for verb in verbs),
        "write_order",
    )


def _fuzz(document: _Document) -> Row:
    targets = document["targets"].values()
    return Row(
        "python -m reliability.fuzz",
        f"{words.count(sum(each['executions'] for each in targets))} executions, "
        f"{len(targets)} targets",
        sum(each["seconds"] for each in targets) / 60,
        0,
        "fuzz",
    )


def _kernels(document: _Document) -> Row:
    runs = document["runs"]
    return Row(
        "python -m reliability.kernels",
        f"{words.count(sum(each['calls'] for each in runs))} calls of kernels, "
        f"{words.count(sum(each['walk_calls'] for each in runs))} of generated walks, on "
        f"{len(runs)} machines",
        sum(each["seconds"] for each in runs) / 60,
        sum(len(each["failures"]) for each in runs),
        "kernels",
    )


def _sanitizers(document: _Document) -> Row:
    tools = document["tools"].values()
    return Row(
        "python -m reliability.sanitizers",
        f"{words.count(sum(each['run'] for each in tools))} programs, "
        f"{words.count(sum(each['inputs'] for each in tools))} inputs of fuzzers, "
        f"{words.count(sum(each['python_tests'] for each in tools))} tests in Python, "
        f"{len(tools)} tools",
        sum(each["seconds"] for each in tools) / 60,
        sum(each["reports"] for each in tools),
        "sanitizers",
    )


def _quick(document: _Document) -> Row:
    files = document["files"].values()
    return Row(
        "python -m reliability.quick",
        f"{words.count(sum(each['tests'] for each in files))} tests of `make test`",
        sum(each["seconds"] for each in files) / 60,
        0,
        "quick",
    )


def _soak(document: _Document) -> Row:
    parts = document["parts"]
    answers = sum(part["answers"] for part in parts.values())
    done = {name: f"{words.count(part['done'])} {part['unit']}" for name, part in parts.items()}
    said = ", ".join(f"{name} {count}" for name, count in done.items())
    return Row(
        "python -m reliability.soak",
        f"{words.count(answers)} answers: {said}",
        sum(part["seconds"] for part in parts.values()) / 60,
        sum(len(part["wrong"]) + len(part["not_flat"]) for part in parts.values()),
        "soak",
    )


_ROWS: Final[Mapping[str, Callable[[_Document], Row]]] = {
    "same-bits": _same_bits,
    "fuzz": _fuzz,
    "kernels": _kernels,
    "sanitizers": _sanitizers,
    "native-faults": _native_faults,
    "files-faults": _file_faults,
    "kills": _kills,
    "write-order": _write_order,
    "soak": _soak,
    "quick": _quick,
}
