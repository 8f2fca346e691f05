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
import functools
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from reliability import RESULTS
from reliability.fault_library import Faults, Kind, preloaded, restart_preloaded
from reliability.injection import Fault, Operation, inject, undisturbed
from reliability.native_operations import NetworkName, native_operations
from signbin import native
from signbin.environment import environment
from signbin.files import write_text
from signbin.runtime import Program

__all__ = ["Outcome", "Sweep", "inject_all"]

_WHOLE: Final = tuple(
    NetworkName(kind, seed)
    for kind, seeds in (("codes", (4, 2)), ("float32", (0, 4)))
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

    seconds: float = 0.0
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
    outcome: Outcome,
    done: Callable[[Outcome, str], None] = lambda _outcome, _name: None,
    every: int = 1,
) -> None:
    """Fail every call of every operation in turn, or, where less will do, each ``every``-th.

    What ``outcome`` has already is left out. done: told after each way of failing of the others.
    """
    for operation in operations:
        counts = outcome.faults.setdefault(operation.name, {})
        left = [each for each in sweeps_of(operation.kinds) if each.name not in counts]
        if not left:
            continue
        start = time.monotonic()
        expected = undisturbed(operation, faults)
        gc.collect()
        gc.freeze()  # what is there already stays, unlooked at, in every child
        for sweep in left:
            counts[sweep.name] = _sweep(operation, sweep, faults, expected, outcome, every)
            outcome.seconds = round(outcome.seconds + time.monotonic() - start, 1)
            start = time.monotonic()
            done(outcome, operation.name)


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


def _keep(path: Path, outcome: Outcome, name: str) -> None:
    document = {
        **dataclasses.asdict(outcome),
        "environment": environment({"signbin": native.version()}),
    }
    write_text(path, json.dumps(document, indent=1) + "\n")
    kind, count = next(reversed(outcome.faults[name].items()))
    _tell(f"{name}: {kind} {count}; {outcome.failed} failures so far")


def _kept(path: Path) -> Outcome:
    document = json.loads(path.read_text(encoding="utf-8"))
    return Outcome(**{field.name: document[field.name] for field in dataclasses.fields(Outcome)})


def main(arguments: Sequence[str]) -> int:
    """Inject, keep what was counted, and exit with 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a part of each")
    parser.add_argument("--of", choices=("native", "files"), nargs="+", default=("native", "files"))
    parser.add_argument("--go-on", action="store_true", help="after what is kept already")
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
            path, every = options.output / f"{what}-faults.json", 3 if options.quick else 1
            operations = _operations(what, Path(folder), faults, quick=options.quick)
            outcome = _kept(path) if options.go_on and path.exists() else Outcome()
            inject_all(operations, faults, outcome, functools.partial(_keep, path), every)
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
    shop.furnish_in_child(trained=not quick)
    Program.load(shop.made / "new.sbn")  # what the binding makes once is made here
    faults.watch_folder(shop.place)
    return list(library_operations(shop) if quick else file_operations(shop))


def _tell(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
