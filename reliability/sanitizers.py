"""The C library, its tests and the Python extension under every tool that looks at memory.

    python -m reliability.sanitizers            # address, thread, valgrind
    python -m reliability.sanitizers thread     # of those that are kept, this one anew

native/tests/sanitize.sh builds and runs them; here is counted what it says.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from reliability import RESULTS, ROOT
from reliability.scripts import cmake, run_script
from signbin import native
from signbin.environment import environment
from signbin.files import write_text

__all__ = ["TOOLS", "counted", "reports"]

TOOLS: Final = ("address", "thread", "valgrind")
_COUNTS: Final[Mapping[str, re.Pattern[str]]] = {
    "planted": re.compile(r"(\d+) planted faults reported"),
    "drawn": re.compile(r"(\d+) programs drawn"),
    "run": re.compile(r"(\d+) of them built and run"),
    "inputs": re.compile(r"(\d+) inputs of fuzzers"),
    "python_tests": re.compile(r"(\d+) passed"),
}
_REPORT: Final = re.compile(
    r"ERROR: (?:Address|Leak)Sanitizer|WARNING: ThreadSanitizer|: runtime error: "
    r"|^==\d+== (?:Invalid |Conditional jump|Use of uninit|Syscall param|[\d,]+ .*lost in loss)",
    re.MULTILINE,
)


def counted(said: str) -> dict[str, int]:
    """What a run of sanitize.sh for one tool says that was done; 0 of what it does not name.

    >>> said = "thread: 1 planted faults reported; 9 programs drawn, 4 of them built and run"
    >>> counted(said)
    {'planted': 1, 'drawn': 9, 'run': 4, 'inputs': 0, 'python_tests': 0}
    """
    found = {name: pattern.search(said) for name, pattern in _COUNTS.items()}
    return {name: int(match[1]) if match else 0 for name, match in found.items()}


def reports(printed: str) -> int:
    """How many reports of a sanitizer or of valgrind stand in a log.

    >>> reports("==7== Invalid read of size 1\\n==7==    at 0x1: read_behind")
    1
    """
    return len(_REPORT.findall(printed))


def _check(name: str) -> dict[str, Any]:
    """What a tool counted, and its reports; a run that broke off without one counts as one."""
    folder = str(ROOT / "build" / "sanitize")
    ran = run_script("sanitize", sys.executable, cmake(), folder, name)
    return {
        **counted(ran.said),
        "reports": max(1, reports(ran.complained)) if ran.status else 0,
        "seconds": ran.seconds,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tools, keep what each counted as it ends; 1 where one reported something."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tools", nargs="*", help=f"of {', '.join(TOOLS)}; all where none is named")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "sanitizers.json")
    options = parser.parse_args(arguments)
    unknown = set(options.tools) - set(TOOLS)
    if unknown:
        parser.error(f"tools {sorted(unknown)}; allowed: {', '.join(TOOLS)}")
    failed = 0
    for name in options.tools or TOOLS:
        found = _check(name)
        failed += found["reports"]
        _keep(options.output, name, found)
    return int(failed > 0)


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
