"""Writers killed at random moments: an old file or a new one, and what goes on ends with its bits.

    python -m reliability.kills --kills 200 --calls 100

A kill comes after a random share of the processor time that the verb takes undisturbed, or in the
middle of a call that does something to a file, drawn from all that it makes. Then what was to be
written is old or new, whole; the verb once more, undisturbed, ends with the bits of one that was
never killed; and no temporary file is left.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from reliability import RESULTS
from reliability.fault_library import Faults, Kind, preloaded, restart_preloaded
from reliability.file_operations import Workshop, file_operations
from reliability.injection import Found, Operation, compare, in_child, undisturbed
from signbin import native
from signbin.environment import environment
from signbin.files import write_text
from signbin.runtime import Program

__all__ = ["Kill", "Killing", "kill_all"]

_VERBS: Final = ("save", "pack", "predict", "train", "compile", "experiment")
_CALLS: Final = (Kind.OPEN, Kind.WRITE, Kind.SYNC, Kind.RENAME, Kind.CLOSE, Kind.REMOVE)
_LATEST: Final = 1.02
"""Of the time that a verb takes: some kills come too late."""


@dataclasses.dataclass(frozen=True)
class Kill:
    """When a verb is killed. seconds: of its processor time; or the ``at``-th call of a kind."""

    verb: str
    seconds: float = 0.0
    kind: str = ""
    at: int = 0


@dataclasses.dataclass(frozen=True)
class Killing:
    """One kill and what came of it. left: temporary files that lay there; wrong: in words."""

    kill: Kill
    killed: bool
    left: int
    wrong: tuple[str, ...]


def kill_all(
    operations: Sequence[Operation],
    shop: Workshop,
    faults: Faults,
    drawn: Callable[[Operation, float, dict[Kind, int]], Iterator[Kill]],
    done: Callable[[list[Killing]], None] = lambda _found: None,
) -> list[Killing]:
    """Every kill that is drawn for a verb, given its processor time and its calls of each kind.

    done: told all so far, after every verb.
    """
    found: list[Killing] = []
    for operation in operations:
        expected = undisturbed(operation, faults)
        seconds, calls = _cost(operation, faults)
        for kill in drawn(operation, seconds, calls):
            found.append(_kill(operation, kill, shop, faults, expected))
        done(found)
    return found


def _kill(
    operation: Operation, kill: Kill, shop: Workshop, faults: Faults, expected: str
) -> Killing:
    operation.prepare()
    child = os.fork()
    if not child:
        _work(operation, kill, faults)
    if not kill.kind:
        _await_seconds(child, kill.seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    killed, wrong = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, list[str]()
    if not killed and status:
        wrong.append(f"it ended by itself, with status {status}")
    left = len(shop.parts())
    try:
        wrong += operation.leftovers() if operation.leftovers is not None else []
    except OSError as error:
        wrong.append(f"what was there is gone: {error}")
    again = in_child(lambda: compare(operation, expected), operation.name)
    return Killing(kill, killed, left, (*wrong, *again.wrong))


def _work(operation: Operation, kill: Kill, faults: Faults) -> None:
    """The child: it ends here, killed or not."""
    status = 1
    try:
        if kill.kind:
            faults.arm(Kind[kill.kind.upper()], kill.at, error=-signal.SIGKILL)
        operation.act(None)
        status = 0
    finally:
        os._exit(status)


def _await_seconds(child: int, seconds: float) -> None:
    """Until a child has used so much processor time, or has ended."""
    clock = (~child) << 3 | 2  # as clock_getcpuclockid(3) has it
    while time.clock_gettime(clock) < seconds:
        time.sleep(0.0002)
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return


def _cost(operation: Operation, faults: Faults) -> tuple[float, dict[Kind, int]]:
    """Processor time and file calls of the undisturbed verb."""

    def measure() -> Found:
        operation.prepare()
        faults.arm(Kind.OPEN, 0)
        start = time.process_time()
        operation.act(None)
        seconds = time.process_time() - start
        counts = {int(kind): faults.count(kind) for kind in _CALLS}
        return Found(0, json.dumps([seconds, counts]), ())

    seconds, counts = json.loads(in_child(measure, operation.name).outcome)
    return seconds, {Kind(int(kind)): count for kind, count in counts.items() if count}


def _draw(
    rng: np.random.Generator,
    kills: int,
    calls: int,
    operation: Operation,
    seconds: float,
    counts: dict[Kind, int],
) -> Iterator[Kill]:
    """So many of each, divided among the verbs."""
    for _ in range(kills):
        yield Kill(operation.name, float(rng.uniform(0.0, _LATEST * seconds)))
    kinds = list(counts)
    for _ in range(calls if kinds else 0):
        kind = kinds[int(rng.integers(len(kinds)))]
        yield Kill(operation.name, 0.0, kind.name.lower(), int(rng.integers(1, counts[kind] + 1)))


def main(arguments: Sequence[str]) -> int:
    """Kill, keep what was seen, and exit with 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="at random moments")
    parser.add_argument("--calls", type=int, default=100, help="in random calls")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbs", nargs="+", choices=_VERBS, default=_VERBS)
    parser.add_argument("--go-on", action="store_true", help="beside other verbs that are kept")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "kills.json")
    options = parser.parse_args(arguments)
    if not preloaded():
        restart_preloaded("reliability.kills", arguments)
    native.extension()
    faults, start, verbs = Faults(), time.monotonic(), len(options.verbs)
    with tempfile.TemporaryDirectory() as folder:
        shop = Workshop(Path(folder))
        shop.furnish_in_child()
        Program.load(shop.made / "new.sbn")
        faults.watch_folder(shop.place)
        known = {each.name: each for each in file_operations(shop)}
        operations = [known[name] for name in options.verbs]
        kills, calls = -(-options.kills // verbs), -(-options.calls // verbs)
        draw = functools.partial(_draw, np.random.default_rng(options.seed), kills, calls)
        seconds, kept = _of_others(options.output, options.verbs) if options.go_on else (0.0, [])
        start -= seconds
        keep = functools.partial(_keep, options.output, options.seed, start, kept)
        found = kill_all(operations, shop, faults, draw, keep)
    return 1 if any(each.wrong for each in found) else 0


def _of_others(path: Path, verbs: Sequence[str]) -> tuple[float, list[dict[str, Any]]]:
    """Seconds so far, and the kills of other verbs."""
    if not path.exists():
        return 0.0, []
    document = json.loads(path.read_text(encoding="utf-8"))
    kept = [each for each in document["kills"] if each["kill"]["verb"] not in verbs]
    return document["seconds"], kept


def _keep(
    path: Path, seed: int, start: float, kept: list[dict[str, Any]], found: Sequence[Killing]
) -> None:
    document = {
        "seconds": round(time.monotonic() - start, 1),
        "seed": seed,
        "kills": kept + [dataclasses.asdict(each) for each in found],
        "environment": environment({"signbin": native.version()}),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(document, indent=1) + "\n")
    wrong = [f"{each.kill}: {'; '.join(each.wrong)}" for each in found if each.wrong]
    killed = sum(each.killed for each in found)
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    sys.stdout.write(f"{killed} killed of {len(found)}, {len(wrong)} failures: {path}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
