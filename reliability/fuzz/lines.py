"""How many lines of a target's files its corpus reaches."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from reliability import ROOT
from reliability.fuzz.native_build import link, source_of, tool
from reliability.fuzz.target import NativeTarget, PythonTarget

__all__ = ["least_inputs", "lines_reached"]


def lines_reached(
    target: NativeTarget | PythonTarget, folder: Path, corpus: Path
) -> tuple[int, int]:
    """(lines that the inputs of a folder reach, lines that there are)."""
    if isinstance(target, NativeTarget):
        return _of_native(target, folder, corpus)
    return _of_python(target, folder, corpus)


def _of_native(target: NativeTarget, folder: Path, corpus: Path) -> tuple[int, int]:
    program = link(target, folder, counting=True)
    raw, merged = folder / f"{target.name}.profraw", folder / f"{target.name}.profdata"
    subprocess.run(
        [str(program), "-runs=0", str(corpus)],
        env=os.environ | {"LLVM_PROFILE_FILE": str(raw)},
        capture_output=True,
        check=True,
    )
    subprocess.run([tool("llvm-profdata"), "merge", str(raw), "-o", str(merged)], check=True)
    said = subprocess.run(
        [tool("llvm-cov"), "export", "-summary-only", f"-instr-profile={merged}", str(program)],
        capture_output=True,
        text=True,
        check=True,
    )
    document = json.loads(said.stdout)
    files = [
        (Path(each["filename"]), each["summary"]["lines"]) for each in document["data"][0]["files"]
    ]
    return _total(files, source_of(folder), target.counted)


def _total(
    files: Iterable[tuple[Path, Any]], root: Path, counted: Sequence[str]
) -> tuple[int, int]:
    reached = there = 0
    for path, lines in files:
        if not path.is_relative_to(root) or path.suffix != ".c":
            continue
        inside = path.relative_to(root).as_posix()
        if inside.startswith(tuple(counted)):
            reached += lines["covered"]
            there += lines["count"]
    return reached, there


def _of_python(target: PythonTarget, folder: Path, corpus: Path) -> tuple[int, int]:
    """By coverage.py, in a process of its own that has not imported what is counted."""
    data, report = folder / f"{target.name}.coverage", folder / f"{target.name}.lines.json"
    include = ",".join(str(ROOT / "src" / "signbin" / each) for each in target.counted)
    where = f"--data-file={data}"
    run = ["run", where, f"--include={include}", "-m", "reliability.fuzz.replay"]
    coverage = [sys.executable, "-m", "coverage"]
    subprocess.run([*coverage, *run, target.name, str(corpus)], cwd=ROOT, check=True)
    subprocess.run([*coverage, "json", where, "-q", "-o", str(report)], cwd=ROOT, check=True)
    totals = json.loads(report.read_text(encoding="utf-8"))["totals"]
    return int(totals["covered_lines"]), int(totals["num_statements"])


def least_inputs(folder: Path, target: PythonTarget, corpus: Path, least: Path) -> None:
    """Copy to ``least`` inputs that reach all lines that the corpus reaches, small ones first.

    After :func:`lines_reached` for the same corpus, which kept what each input reached.
    """
    from coverage import CoverageData  # noqa: PLC0415 - of the extra fuzz

    data = CoverageData(str(folder / f"{target.name}.coverage"))
    data.read()
    reached: dict[str, set[tuple[str, int]]] = {}
    for file in data.measured_files():
        for line, names in data.contexts_by_lineno(file).items():
            for name in names:
                reached.setdefault(name, set()).add((file, line))
    known: set[tuple[str, int]] = set()
    for path in sorted(corpus.iterdir(), key=lambda path: (path.stat().st_size, path.name)):
        if not reached.get(path.name, set()) <= known:
            known |= reached[path.name]
            shutil.copy(path, least)
