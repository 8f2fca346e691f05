"""Programs made, dropped, shared, forked and spawned for long: answers stay, and so does memory.

    python -m reliability.soak                    # all parts; goes on where it was stopped
    python -m reliability.soak --parts churn fork

- churn: 10,000 programs are read from files, answer, and are dropped;
- threads: 64 threads call mixed programs, shared ones and ones of their own;
- fork: while 8 threads call them, the process is forked, and the child calls and reads them;
- spawn: programs are sent to processes started anew, which call them;
- soak: 30 minutes of reading, calling at any batch and size, and closing, on 4 threads.

Every answer is compared bit for bit. What the process holds is measured after each round, when its
threads have ended: memory by the median of the last quarter of rounds less that of the second.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress

from reliability import RESULTS, ROOT
from reliability.specimens import Case, Runnable, Specimen, specimens
from reliability.steady import Held, growth, held, slope
from signbin import native
from signbin.environment import environment
from signbin.errors import SignbinError
from signbin.files import write_text

__all__ = ["PARTS", "Part", "Round", "fork_once", "part_of", "rounds", "summary_of"]

_LOG: Final = ROOT / "build" / "reliability" / "soak.jsonl"
_MOST_GROWTH: Final = 8 * 1024**2
"""Of memory, over a part, that is no leak: fragments, and what threads cached."""
_SHARE_READ: Final = 0.2
_PATIENCE: Final = 120
"""Seconds, after which a child is stuck; the longest takes a few."""
_CALLED: Final = 4
"""Of the specimens, those that a child calls, drawn anew for each."""


@dataclasses.dataclass
class Round:
    """What was done. done: in the unit of the part; wrong: what was not right, in words."""

    done: float = 0
    answers: int = 0
    refused: int = 0
    wrong: list[str] = dataclasses.field(default_factory=list)

    def ask(self, specimen: Specimen, program: Runnable, case: Case) -> None:
        """Compare one answer."""
        self.answers += 1
        if not case.is_answered_by(program) and len(self.wrong) < 100:
            self.wrong.append(f"{specimen.name}: another answer")

    def add(self, other: Round) -> None:
        """Count what another thread did."""
        self.answers += other.answers
        self.wrong += other.wrong


@dataclasses.dataclass(frozen=True)
class Part:
    """run: one round. unit: what is counted towards the goal."""

    name: str
    unit: str
    goal: float
    run: Callable[[Shared, random.Random], Round]


class Shared:
    """The specimens, and a program of each that all threads call."""

    def __init__(self, made: Sequence[Specimen]) -> None:
        self.specimens = tuple(made)
        self.programs = {specimen.name: specimen.load() for specimen in made}
        for specimen in made:  # those of free sizes keep as many as they ever will
            for case in specimen.cases:
                case.is_answered_by(self.programs[specimen.name])

    def draw(self, chance: random.Random) -> tuple[Specimen, Case]:
        """Any specimen, any of its cases."""
        specimen = chance.choice(self.specimens)
        return specimen, chance.choice(specimen.cases)


def churn(shared: Shared, chance: random.Random, programs: int = 200) -> Round:
    """So many programs read, asked once, and dropped."""
    done = Round()
    for _ in range(programs):
        specimen, case = shared.draw(chance)
        done.ask(specimen, specimen.load(), case)
        done.done += 1
    return done


def in_threads(
    shared: Shared, chance: random.Random, threads: int = 64, seconds: float = 10
) -> Round:
    """Threads that call shared programs, and now and then read one of their own."""
    start = time.monotonic()
    end = start + seconds

    def work(seed: int) -> Round:
        mine, own = Round(), random.Random(seed)
        while time.monotonic() < end:
            specimen, case = shared.draw(own)
            read = own.random() < _SHARE_READ
            mine.ask(specimen, specimen.load() if read else shared.programs[specimen.name], case)
        return mine

    done = _of_all(work, chance, threads)
    done.done = time.monotonic() - start
    return done


def _of_all(work: Callable[[int], Round], chance: random.Random, threads: int) -> Round:
    """What threads did together, each with a seed of its own."""
    done = Round()
    with ThreadPoolExecutor(threads) as pool:
        for mine in pool.map(work, [chance.getrandbits(64) for _ in range(threads)]):
            done.add(mine)
    return done


def soak(shared: Shared, chance: random.Random, threads: int = 4, seconds: float = 15) -> Round:
    """Threads that open programs, call them for a while at any batch and size, and close them."""
    start = time.monotonic()
    end = start + seconds

    def work(seed: int) -> Round:
        mine, own = Round(), random.Random(seed)
        while time.monotonic() < end:
            specimen = own.choice(shared.specimens)
            program = specimen.load()
            for _ in range(own.randint(1, 40)):
                mine.ask(specimen, program, own.choice(specimen.cases))
        return mine

    done = _of_all(work, chance, threads)
    done.done = time.monotonic() - start
    return done


@contextmanager
def _busy(shared: Shared, threads: int) -> Iterator[None]:
    """Meanwhile so many threads call and read programs."""
    over = threading.Event()

    def work(seed: int) -> None:
        own = random.Random(seed)
        while not over.is_set():
            specimen, case = shared.draw(own)
            read = own.random() < _SHARE_READ
            case.is_answered_by(specimen.load() if read else shared.programs[specimen.name])

    pool = [threading.Thread(target=work, args=(seed,)) for seed in range(threads)]
    for thread in pool:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in pool:
            thread.join()


def fork_once(work: Callable[[], bool], patience: float = _PATIENCE) -> str:
    """How a forked child ended: ``right``, ``wrong``, ``refused``, ``died``, or ``stuck``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that this is done on purpose
        child = os.fork()
    if child == 0:
        status = 4
        try:
            status = 0 if work() else 1
        except SignbinError:
            status = 3
        finally:
            os._exit(status)
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            code = os.waitstatus_to_exitcode(status)
            return {0: "right", 1: "wrong", 3: "refused"}.get(code, "died")
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "stuck"


def fork(shared: Shared, chance: random.Random, forks: int = 10, threads: int = 8) -> Round:
    """Children of a busy process, each of which calls shared programs and reads some anew."""
    done = Round()
    with _busy(shared, threads):
        for _ in range(forks):
            time.sleep(chance.random() / 50)
            asked = [shared.draw(chance) for _ in range(_CALLED)]
            ended = fork_once(lambda asked=asked: _right(shared, asked))  # type: ignore[misc]
            done.done += 1
            done.answers += 2 * _CALLED if ended == "right" else 0
            done.refused += ended == "refused"
            if ended not in ("right", "refused"):
                names = ", ".join(specimen.name for specimen, _ in asked)
                done.wrong.append(f"forked child {ended}: {names}")
    return done


def _right(shared: Shared, asked: Sequence[tuple[Specimen, Case]]) -> bool:
    programs = [shared.programs[specimen.name] for specimen, _ in asked]
    return all(
        case.is_answered_by(program) and case.is_answered_by(specimen.load())
        for program, (specimen, case) in zip(programs, asked, strict=True)
    )


def spawn(shared: Shared, chance: random.Random) -> Round:
    """One process started anew, which is sent programs and asked all their cases."""
    done = Round(done=1)
    sent = chance.sample(shared.specimens, min(8, len(shared.specimens)))
    programs = [shared.programs[specimen.name] for specimen in sent]
    child = multiprocessing.get_context("spawn").Process(target=_spawned, args=(sent, programs))
    with _busy(shared, 2):
        child.start()
        child.join(_PATIENCE)
    if child.exitcode == 0:
        done.answers += sum(len(specimen.cases) for specimen in sent)
    else:
        done.wrong.append(f"spawned process ended with {child.exitcode}")
        child.kill()
    child.join()
    child.close()
    return done


def _spawned(sent: Sequence[Specimen], programs: Sequence[Runnable]) -> None:
    for specimen, program in zip(sent, programs, strict=True):
        if not all(case.is_answered_by(program) for case in specimen.cases):
            sys.exit(1)


PARTS: Final = (
    Part("churn", "programs", 10_000, churn),
    Part("threads", "seconds", 120, in_threads),
    Part("fork", "children", 300, fork),
    Part("spawn", "processes", 20, spawn),
    Part("soak", "seconds", 1800, soak),
)


def part_of(name: str) -> Part:
    """The part of this name."""
    return next(part for part in PARTS if part.name == name)


def rounds(
    part: Part, shared: Shared, seed: int, already: float = 0
) -> Iterator[tuple[Round, Held, float]]:
    """Rounds up to the goal: what was done, what is held after it, seconds it took."""
    chance = random.Random(seed)
    total = already
    while total < part.goal:
        start = time.monotonic()
        done = part.run(shared, chance)
        total += done.done
        yield done, held(), time.monotonic() - start


def summary_of(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One part: sums over its log, and how what was held went within its longest run."""
    runs: dict[Any, list[dict[str, Any]]] = {}
    for line in lines:
        runs.setdefault(line["run"], []).append(line)
    longest = max(runs.values(), key=len)
    settled = longest[len(longest) // 4 :]
    places = [sum(line["done"] for line in longest[: n + 1]) for n in range(len(longest))]
    memory = [line["rss"] for line in longest]
    grown = growth(memory)
    return {
        "done": round(sum(line["done"] for line in lines)),
        "seconds": round(sum(line["seconds"] for line in lines), 1),
        "answers": sum(line["answers"] for line in lines),
        "refused": sum(line["refused"] for line in lines),
        "runs": len(runs),
        "rss_bytes": memory[-1],
        "rss_growth_bytes": None if grown is None else round(grown),
        "rss_slope_bytes": round(slope(places[-len(settled) :], memory[-len(settled) :]), 1),
        **{name: _ends(settled, name) for name in ("files", "threads", "mappings")},
        "wrong": [words for line in lines for words in line["wrong"]],
        "not_flat": _not_flat(settled, grown),
    }


def _ends(lines: Sequence[dict[str, Any]], name: str) -> list[int]:
    return [lines[0][name], lines[-1][name]]


def _not_flat(settled: Sequence[dict[str, Any]], grown: float | None) -> list[str]:
    """What is held more at the end than when a quarter was done; memory, more than a little."""
    found = [] if grown is None or grown <= _MOST_GROWTH else [f"memory grew by {grown:.0f} bytes"]
    for name in ("files", "threads"):
        first, last = _ends(settled, name)
        if last > first:
            found.append(f"{name} grew from {first} to {last}")
    return found


def _read_log(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _run(part: Part, log: Path, seed: int) -> None:
    """Rounds that the log lacks, each a line of it; specimens that end with the part."""
    lines = [line for line in _read_log(log) if line["part"] == part.name]
    already = sum(line["done"] for line in lines)
    run = len({line["run"] for line in lines})
    with Progress(console=Console(stderr=True)) as bar, log.open("a", encoding="utf-8") as stream:
        task = bar.add_task(f"{part.name}, {part.unit}", total=part.goal, completed=int(already))
        if already >= part.goal:
            return
        shared = Shared(specimens(log.parent / "programs", seed=seed))
        for done, state, seconds in rounds(part, shared, seed + run, already):
            line = {"part": part.name, "run": run, "seconds": round(seconds, 2)}
            line |= dataclasses.asdict(done) | dataclasses.asdict(state)
            stream.write(json.dumps(line) + "\n")
            stream.flush()
            bar.advance(task, done.done)


def main() -> int:
    """Run what is missing, keep what was counted; 1 where an answer was wrong or something grew."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", nargs="*", default=[part.name for part in PARTS])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--log", type=Path, default=_LOG, help="of rounds; removed, all begins anew"
    )
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "soak.json")
    options = parser.parse_args()
    options.log.parent.mkdir(parents=True, exist_ok=True)
    for name in options.parts:
        # In a process of its own: memory is that of the part.
        child = multiprocessing.get_context("spawn").Process(
            target=_run, args=(part_of(name), options.log, options.seed)
        )
        child.start()
        child.join()
        if child.exitcode:
            sys.stderr.write(f"{name} ended with {child.exitcode}\n")
            return 1
    lines = _read_log(options.log)
    found = {
        part.name: {"unit": part.unit, **summary_of(mine)}
        for part in PARTS
        if (mine := [line for line in lines if line["part"] == part.name])
    }
    document = {"parts": found, "environment": environment({"signbin": native.version()})}
    write_text(options.output, json.dumps(document, indent=1) + "\n")
    failures = [f"{name}: {words}" for name, part in found.items() for words in _bad(part)]
    for words in failures:
        sys.stderr.write(f"{words}\n")
    sys.stdout.write(f"{len(failures)} failures: {options.output}\n")
    return 1 if failures else 0


def _bad(part: dict[str, Any]) -> list[str]:
    return [*part["wrong"], *part["not_flat"]]


if __name__ == "__main__":
    sys.exit(main())
