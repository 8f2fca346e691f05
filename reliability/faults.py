"""Every call that can fail, failing in turn: an error of ours, nothing left, then the same bits.

    python -m reliability.faults            # native memory and threads, then files
    python -m reliability.faults --quick    # of each a part, in seconds

For every operation and kind of call the 1st fails, then the 2nd, until the operation passes
untouched; for memory also all calls from the n-th on. Each is a process of its own, in which the
operation is then done once more, undisturbed.
"""

from __future__ import annotations

import argparse
import dataclasses
import errno
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from reliability import RESULTS
from reliability.fault_library import Faults, Kind, preloaded, restart_preloaded
from reliability.injection import Fault, Found, Operation, in_child, inject, undisturbed
from reliability.native_operations import NetworkName, native_operations
from signbin import native
from signbin.environment import environment
from signbin.files import write_text
from signbin.runtime import Program

__all__ = ["Outcome", "Sweep", "inject_all"]

_WHOLE: Final = tuple(
    NetworkName(kind, seed)
    for kind, seeds in (("float32", (0, 4)), ("codes", (2, 4, 13)))
    for seed in seeds
)
_QUICK: Final = (NetworkName("codes", 4),)
_MOST: Final = 5000
"""Of one operation and kind; more means that it never ends."""


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A way of failing, and how it is called on the page."""

    name: str
    kind: Kind
    lasting: bool = False
    error: int | None = None
    shortened: bool = False

    def fault(self, at: int) -> Fault:
        """The one at the ``at``-th call."""
        return Fault(self.kind, at, self.lasting, self.error, self.shortened)


@dataclasses.dataclass
class Outcome:
    """What was injected, by operation and way of failing; what it came to, by exception.

    failures: what was wrong, at most a hundred, in words.
    """

    faults: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    outcomes: dict[str, int] = dataclasses.field(default_factory=dict)
    failed: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)

    @property
    def injected(self) -> int:
        """Faults in all."""
        return sum(sum(counts.values()) for counts in self.faults.values())

    def fail(self, words: str) -> None:
        """Remember what was wrong."""
        self.failed += 1
        if len(self.failures) < 100:
            self.failures.append(words)


def sweeps_of(kinds: Iterable[Kind]) -> Iterator[Sweep]:
    """The ways in which calls of these kinds fail."""
    for kind in kinds:
        name = kind.name.lower()
        yield Sweep(name, kind)
        if kind in (Kind.ALLOCATION, Kind.THREAD, Kind.WRITE):
            yield Sweep(f"{name} and all after it", kind, lasting=True)
        if kind in (Kind.READ, Kind.WRITE):
            yield Sweep(f"{name} interrupted", kind, error=errno.EINTR)
            yield Sweep(f"{name} cut short", kind, shortened=True)


def inject_all(
    operations: Iterable[Operation],
    faults: Faults,
    progress: Callable[[str], None] = lambda _words: None,
    every: int = 1,
) -> Outcome:
    """Fail every call of every operation in turn, or, where less will do, each ``every``-th."""
    outcome = Outcome()
    for operation in operations:
        expected = undisturbed(operation, faults)
        gc.collect()
        gc.freeze()  # what is there already stays, unlooked at, in every child
        counts = outcome.faults.setdefault(operation.name, {})
        for sweep in sweeps_of(operation.kinds):
            counts[sweep.name] = _sweep(operation, sweep, faults, expected, outcome, every)
        told = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
        progress(f"{operation.name}: {told or 'nothing'}")
    return outcome


def _sweep(
    operation: Operation,
    sweep: Sweep,
    faults: Faults,
    expected: str,
    outcome: Outcome,
    every: int,
) -> int:
    """How many faults there were until the operation passed untouched."""
    count = 0
    for at in range(1, _MOST, every):
        found = inject(operation, sweep.fault(at), faults, expected)
        for words in found.wrong:
            outcome.fail(f"{operation.name}, {sweep.fault(at)}: {words}")
        if not found.injected:
            return count
        count += 1
        outcome.outcomes[found.outcome] = outcome.outcomes.get(found.outcome, 0) + 1
    outcome.fail(f"{operation.name}, {sweep.name}: no end after {_MOST} calls")
    return count


def document_of(outcome: Outcome, seconds: float) -> Mapping[str, object]:
    """What is kept."""
    return {
        "seconds": round(seconds, 1),
        **dataclasses.asdict(outcome),
        "environment": environment({"signbin": native.version()}),
    }


def main(arguments: Sequence[str]) -> int:
    """Inject, keep what was counted, and exit with 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a part of each")
    parser.add_argument("--of", choices=("native", "files"), nargs="+", default=("native", "files"))
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, metavar="FOLDER")
    options = parser.parse_args(arguments)
    if not preloaded():
        restart_preloaded("reliability.faults", arguments)
    native.extension()
    faults, failed = Faults(), 0
    faults.watch_module("_signbin")
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for what in options.of:
            start, every = time.monotonic(), 3 if options.quick else 1
            operations = _operations(what, Path(folder), faults, quick=options.quick)
            outcome = inject_all(operations, faults, _tell, every)
            path = options.output / f"{what}-faults.json"
            document = document_of(outcome, time.monotonic() - start)
            write_text(path, json.dumps(document, indent=1) + "\n")
            sys.stderr.writelines(f"{failure}\n" for failure in outcome.failures)
            _tell(f"{outcome.injected} faults, {outcome.failed} failures: {path}")
            failed += outcome.failed
    return 1 if failed else 0


def _operations(what: str, folder: Path, faults: Faults, *, quick: bool) -> list[Operation]:
    if what == "native":
        return list(native_operations(_QUICK if quick else _WHOLE, every_way=not quick))
    from reliability.file_operations import (  # noqa: PLC0415 - typer
        Workshop,
        file_operations,
        library_operations,
    )

    shop = Workshop(folder)
    furnish = shop.furnish_untrained if quick else shop.furnish

    def furnished() -> Found:
        furnish()
        return Found(0, "done", ())

    found = in_child(furnished, "furnishing")
    if found.injected:
        raise RuntimeError(f"files to begin with: {found}")
    Program.load(shop.made / "new.sbn")  # what the binding makes once is made here
    faults.watch_folder(shop.place)
    return list(library_operations(shop) if quick else file_operations(shop))


def _tell(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
