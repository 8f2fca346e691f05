"""What every ``make test`` runs of all this, and the processor time it takes: at most a minute.

    python -m reliability.quick
    python -m reliability.quick tests/reliability/test_soak.py  # of those that are kept, this anew

The tests run in this process; what their children took is counted with them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from reliability import RESULTS, ROOT
from signbin import native
from signbin.environment import environment
from signbin.files import write_text

__all__ = ["MOST_SECONDS", "QUICK", "Taken"]

MOST_SECONDS: Final = 60.0
QUICK: Final = (
    *sorted(
        f"tests/reliability/{path.name}"
        for path in (ROOT / "tests" / "reliability").glob("test_*.py")
    ),
    "tests/native/test_c_abi.py",
)
"""The quick part: a file of tests for each command, and the C tests under sanitizers."""


@dataclasses.dataclass
class Taken:
    """What a run of tests took; a pytest plugin."""

    seconds: float = 0.0
    tests: int = 0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        """With what is set up for the test and taken down after it."""
        before = _processor_seconds()
        result = yield
        self.seconds += _processor_seconds() - before
        self.tests += 1
        return result


def _processor_seconds() -> float:
    return sum(os.times()[:4])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them, keep what those that pass took; 1 where one fails or all take above a minute."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", help="of the quick part, anew; all if none is named")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "quick.json")
    options = parser.parse_args(arguments)
    unknown = set(options.files) - set(QUICK)
    if unknown:
        parser.error(f"files {sorted(unknown)}; allowed: {', '.join(QUICK)}")
    known: dict[str, dict[str, Any]] = {}
    if options.output.is_file():
        known = json.loads(options.output.read_text(encoding="utf-8"))["files"]
    failed = 0
    for name in options.files or QUICK:
        taken = Taken()
        if pytest.main(["-p", "no:cacheprovider", str(ROOT / name)], plugins=[taken]):
            failed += 1
        else:
            known[name] = {"tests": taken.tests, "seconds": round(taken.seconds, 1)}
    files = {name: known[name] for name in QUICK if name in known}
    document = {"files": files, "environment": environment({"signbin": native.version()})}
    write_text(options.output, json.dumps(document, indent=1) + "\n")
    total = sum(file["seconds"] for file in files.values())
    sys.stdout.write(f"{total:.1f} s of processor time, of {MOST_SECONDS:.0f}\n")
    return int(failed > 0 or total > MOST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
