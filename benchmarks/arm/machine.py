"""A 64-bit ARM that QEMU plays, and what a run of ours executed there, instruction by instruction.

Counts are facts of the code, the same on every machine; QEMU has no clock that says anything.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from signbin.errors import ExecutionError

__all__ = ["Counted", "count_marked", "library_path"]

_ROOT: Final = Path(__file__).parents[2]
_BUILT: Final = _ROOT / "build" / "aarch64" / "python"
_LIBRARY: Final = "_signbin.so"
_WORD: Final = 4
# What brings a sum to its place in the output: scale, bias, activation, rounding.
_REQUANTISE: Final = (
    "sb_finish_tile", "sb_finish_rows", "sb_finish_rows_slowly", "sb_finish_filters",
)  # fmt: skip
_GENERATED: Final = "generated code"


@dataclasses.dataclass(frozen=True)
class Counted:
    """What one marked stretch executed, Python left out.

    symbols: instructions by function of the library, ``generated code`` and ``libc``.
    requantising: by function, those of the epilogue that was inlined into it.
    """

    symbols: Mapping[str, int]
    requantising: Mapping[str, int]


def library_path() -> Path:
    """The extension for 64-bit ARM; ExecutionError where it or a tool is missing."""
    path = _BUILT / "package" / "signbin" / "native" / _LIBRARY
    tools = ("qemu-aarch64", "aarch64-linux-gnu-nm", "aarch64-linux-gnu-addr2line", "cc")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise ExecutionError("tools", value=missing, remedy="make ci-tools, as root")
    if not path.is_file():
        raise ExecutionError("signbin for 64-bit ARM", value=str(path), remedy="make arm")
    return path


def count_marked(arguments: Sequence[str], folder: Path, names: Sequence[str]) -> list[Counted]:
    """Run ``python ARGUMENTS`` there; what was executed up to mark 1, 2, ... of ``names``.

    names: of the jobs, whose NAME.maps the run writes into the folder. ExecutionError where the
    run fails.
    """
    library, blocks = library_path(), folder / "blocks"
    plugin = _build_plugin(folder)
    packages = os.pathsep.join([str(_BUILT / "package"), str(_BUILT / "site")])
    environment = {"PYTHONPATH": packages, "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    sysroot = _BUILT / "sysroot"
    command = ["qemu-aarch64", "-cpu", "max", "-plugin", f"{plugin},out={blocks}"]
    command += ["-L", str(sysroot), str(sysroot / "usr" / "bin" / "python3"), *arguments]
    ran = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise ExecutionError("a run in QEMU", value=ran.stderr[-2000:])
    marked = _read_marks(blocks)
    functions = _functions(library)
    return [
        _attribute(marked[label], (folder / f"{name}.maps").read_text("utf-8"), library, functions)
        for label, name in enumerate(names, start=1)
    ]


def _build_plugin(folder: Path) -> Path:
    plugin = folder / "libcount_blocks.so"
    source = Path(__file__).with_name("count_blocks.c")
    command = ["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", str(source), "-o", str(plugin)]
    subprocess.run(command, check=True)
    return plugin


def _read_marks(path: Path) -> dict[int, collections.Counter[int]]:
    """Label -> how often the instruction at an address was executed."""
    marked: dict[int, collections.Counter[int]] = {}
    waiting: list[tuple[int, int, int]] = []
    label = 0
    for line in [*path.read_text(encoding="ascii").splitlines(), "mark 0"]:
        words = line.split()
        if words[0] != "mark":
            waiting.append((int(words[0], 16), int(words[1]), int(words[2])))
            continue
        if waiting:
            marked[label] = _instructions(waiting)
        label, waiting = int(words[1]), []
    return marked


def _instructions(blocks: Iterable[tuple[int, int, int]]) -> collections.Counter[int]:
    found: collections.Counter[int] = collections.Counter()
    for address, instructions, times in blocks:
        for i in range(instructions):
            found[address + _WORD * i] += times
    return found


@dataclasses.dataclass(frozen=True)
class _Mapped:
    """A line of /proc/self/maps. offset: of its first byte in the file."""

    begin: int
    end: int
    offset: int
    file: str


def _read_maps(text: str) -> list[_Mapped]:
    found = []
    for line in text.splitlines():
        words = line.split(maxsplit=5)
        begin, _, end = words[0].partition("-")
        file = words[5] if len(words) > 5 else ""
        found.append(_Mapped(int(begin, 16), int(end, 16), int(words[2], 16), file))
    return sorted(found, key=lambda mapped: mapped.begin)


def _functions(library: Path) -> list[tuple[int, str]]:
    """(address, name) of the library's functions, by address."""
    command = ["aarch64-linux-gnu-nm", "--defined-only", str(library)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in said.splitlines()]
    return sorted(
        (int(row[0], 16), row[2]) for row in rows if row[1] in "tTwW" and row[2][0] != "$"
    )


def _attribute(
    times: Mapping[int, int], maps: str, library: Path, functions: Sequence[tuple[int, str]]
) -> Counted:
    mapped = _read_maps(maps)
    begins = [one.begin for one in mapped]
    symbols: collections.Counter[str] = collections.Counter()
    inside: dict[int, int] = {}
    for address, count in times.items():
        place = mapped[max(bisect.bisect_right(begins, address) - 1, 0)]
        if place.file.endswith(_LIBRARY):
            inside[address - place.begin + place.offset] = count
        elif not place.file:
            symbols[_GENERATED] += count
        elif "/libc.so" in place.file:
            symbols["libc"] += count
    starts = [start for start, _ in functions]
    owner = {at: functions[bisect.bisect_right(starts, at) - 1][1] for at in inside}
    for at, count in inside.items():
        symbols[owner[at]] += count
    kernels = [at for at in inside if owner[at].startswith("sb_")]
    requantising: collections.Counter[str] = collections.Counter()
    for at in _inlined(library, kernels):
        requantising[owner[at]] += inside[at]
    ours = {name: n for name, n in symbols.items() if name.startswith("sb_") or " " in name}
    ours["libc"] = symbols["libc"]
    ours["others of the library"] = sum(symbols.values()) - sum(ours.values())
    return Counted(dict(sorted(ours.items())), dict(sorted(requantising.items())))


def _inlined(library: Path, addresses: Sequence[int]) -> list[int]:
    """Those of the functions that requantise, which were inlined where they are."""
    command = ["aarch64-linux-gnu-addr2line", "-a", "-i", "-f", "-e", str(library)]
    given = "\n".join(f"{address:x}" for address in addresses)
    said = subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout
    found: list[int] = []
    address = 0
    for line in said.splitlines():
        if line.startswith("0x"):
            address = int(line, 16)
        elif line in _REQUANTISE and (not found or found[-1] != address):
            found.append(address)
    return found
