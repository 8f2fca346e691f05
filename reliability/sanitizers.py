"""The C library, its tests and the Python extension under every tool that looks at memory.

    python -m reliability.sanitizers            # address, thread, valgrind
    python -m reliability.sanitizers thread     # of those that are kept, this one anew

native/tests/sanitize.sh builds and runs them; here is counted what it says.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from reliability import RESULTS, ROOT
from signbin import native
from signbin.environment import environment
from signbin.files import write_text

__all__ = ["TOOLS", "counted"]

TOOLS: Final = ("address", "thread", "valgrind")
_DRAWN: Final = re.compile(r"(\d+) programs drawn, (\d+) of them built and run")
_PASSED: Final = re.compile(r"(\d+) passed")


def counted(said: str) -> dict[str, int]:
    """What a run of sanitize.sh for one tool says that was done.

    >>> said = "thread: 9 programs drawn, 4 of them built and run: all C tests pass"
    >>> counted(said)
    {'drawn': 9, 'run': 4, 'python_tests': 0}
    """
    drawn, passed = _DRAWN.search(said), _PASSED.search(said)
    if drawn is None:
        raise ValueError(f"no count of programs in {said!r}")
    return {
        "drawn": int(drawn[1]),
        "run": int(drawn[2]),
        "python_tests": int(passed[1]) if passed else 0,
    }


def _check(name: str) -> dict[str, Any] | None:
    """What a tool counted; None where it found something, which is printed."""
    before = _processor_seconds()
    beside = Path(sys.executable).parent / "cmake"
    cmake = str(beside) if beside.exists() else shutil.which("cmake") or "cmake"
    script, folder = ROOT / "native" / "tests" / "sanitize.sh", ROOT / "build" / "sanitize"
    done = subprocess.run(
        ["sh", str(script), sys.executable, cmake, str(folder), name],
        capture_output=True,
        text=True,
        check=False,
    )
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    if done.returncode:
        return None
    return {**counted(done.stdout), "seconds": round(_processor_seconds() - before, 1)}


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tools, keep what each counted as it ends; 1 where one found something."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tools", nargs="*", help=f"of {', '.join(TOOLS)}; all where none is named")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "sanitizers.json")
    options = parser.parse_args(arguments)
    failed = False
    for name in options.tools or TOOLS:
        found = _check(name)
        failed |= found is None
        if found is not None:
            _keep(options.output, name, found)
    return int(failed)


def _keep(path: Path, name: str, found: Mapping[str, Any]) -> None:
    known = json.loads(path.read_text(encoding="utf-8"))["tools"] if path.is_file() else {}
    known[name] = found
    document = {
        "tools": {each: known[each] for each in TOOLS if each in known},
        "environment": environment({"signbin": native.version()}),
    }
    write_text(path, json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
