"""One fault at a time: a child process each, what it did, and what it left behind."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import hashlib
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from reliability.fault_library import Faults, Kind
from signbin.errors import SignbinError

__all__ = ["Fault", "Found", "Operation", "compare", "in_child", "inject", "undisturbed"]

_ENDING: Final = 10.0
_SECONDS: Final = 300
"""For one child; it ends by a signal then, and the fault is a failure."""


@dataclasses.dataclass(frozen=True)
class Operation:
    """Something that must stand any fault. prepare: undisturbed; act: its result, as bytes.

    kinds: of calls that it makes. leftovers: what is wrong after the fault, in words, before
    anything else is done; None where nothing is looked at. foreign_threads: other libraries start
    some that stay.
    """

    name: str
    kinds: tuple[Kind, ...]
    prepare: Callable[[], Any]
    act: Callable[[Any], bytes]
    leftovers: Callable[[], list[str]] | None = None
    foreign_threads: bool = False


@dataclasses.dataclass(frozen=True)
class Fault:
    """The ``at``-th call of a kind, and those after it where lasting."""

    kind: Kind
    at: int
    lasting: bool = False
    error: int | None = None
    shortened: bool = False

    def __str__(self) -> str:
        what = "cut short" if self.shortened else f"errno {self.error or int(self.kind.error)}"
        return f"{self.kind.name.lower()} {self.at}{' and on' if self.lasting else ''}, {what}"


@dataclasses.dataclass(frozen=True)
class Found:
    """What a fault came to. injected: calls that failed; wrong: in words, empty where all is well.

    outcome: "done" or the name of the exception.
    """

    injected: int
    outcome: str
    wrong: tuple[str, ...]


def undisturbed(operation: Operation, faults: Faults) -> str:
    """The digest of the operation's result, without a fault.

    Modules that it loads are loaded here, too, so that no child has to.
    """
    found = in_child(lambda: _undisturbed(operation, faults), operation.name)
    if found.injected:
        raise RuntimeError(f"{operation.name}, without any fault: {found}")
    for name in found.wrong:
        with contextlib.suppress(Exception):  # some are found by their own package alone
            importlib.import_module(name)
    return found.outcome


def _undisturbed(operation: Operation, faults: Faults) -> Found:
    faults.arm(operation.kinds[0], 0)
    before = set(sys.modules)
    digest = _digest(operation.act(operation.prepare()))
    return Found(0, digest, tuple(sorted(set(sys.modules) - before)))


def compare(operation: Operation, expected: str) -> Found:
    """The operation as it is; wrong is a result of another digest, or none."""
    wrong: list[str] = []
    outcome = _act(operation, None, expected, wrong)
    if outcome != "done":
        wrong.append(f"once more, undisturbed: {outcome}")
    return Found(0, outcome, tuple(wrong))


def _digest(result: bytes) -> str:
    return hashlib.sha256(result).hexdigest()


def inject(operation: Operation, fault: Fault, faults: Faults, expected: str) -> Found:
    """The operation in a child, the fault in it once; then again, undisturbed.

    Wrong is: a crash; an exception of neither ours nor Python's for memory and files; a result
    whose digest is not ``expected``; memory, mappings, threads or open files that are left once
    everything is dropped.
    """
    return in_child(lambda: _inject(operation, fault, faults, expected), str(fault))


def _inject(operation: Operation, fault: Fault, faults: Faults, expected: str) -> Found:
    prepared = operation.prepare()
    wrong: list[str] = []
    open_before, threads_before = _open_files(), _threads()
    how = {"lasting": fault.lasting, "error": fault.error, "shortened": fault.shortened}
    faults.arm(fault.kind, fault.at, **how)  # type: ignore[arg-type]  # each of its own type
    outcome = _act(operation, prepared, expected, wrong)
    faults.rest()
    injected = faults.injected
    gc.collect()
    if operation.leftovers is not None:
        wrong.extend(operation.leftovers())
    again = _act(operation, prepared, expected, wrong)
    if again != "done":
        wrong.append(f"afterwards, undisturbed: {again}")
    del prepared
    gc.collect()
    for what, left in (
        ("pieces of memory", faults.alive),
        ("mappings", faults.mapped),
        ("threads", 0 if operation.foreign_threads else _more_threads(threads_before)),
    ):
        if left > 0:
            wrong.append(f"{left} {what} left")
    wrong.extend(f"left open: {each}" for each in sorted(_open_files() - open_before))
    return Found(injected, outcome, tuple(wrong))


def _act(operation: Operation, prepared: Any, expected: str, wrong: list[str]) -> str:
    """How it ended; an exception and everything that it holds is dropped here."""
    try:
        if _digest(operation.act(prepared)) != expected:
            wrong.append("another result")
    except (SignbinError, MemoryError, OSError) as error:
        return type(error).__name__
    except Exception as error:  # what must not come out
        wrong.append(f"raised {type(error).__name__}: {error}")
        return type(error).__name__
    return "done"


def in_child(work: Callable[[], Found], label: str, seconds: int = _SECONDS) -> Found:
    """What ``work`` found in a process forked from this one; a crash is found, too."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        os.close(reader)
        signal.alarm(seconds)
        try:
            answer = dataclasses.asdict(work())
        except BaseException as error:  # the parent tells
            words = f"the harness: {type(error).__name__}: {error}"
            answer = dataclasses.asdict(Found(1, "none", (words,)))
        with contextlib.suppress(OSError), os.fdopen(writer, "w") as stream:
            json.dump(answer, stream)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    _, status = os.waitpid(child, 0)
    if not text or status:
        ended = signal.Signals(status & 127).name if status & 127 else f"status {status}"
        return Found(1, "crash", (f"{label}: the process ended by {ended}",))
    found = json.loads(text)
    return Found(found["injected"], found["outcome"], tuple(found["wrong"]))


def _more_threads(before: int) -> int:
    """Threads beyond those, once such as have ended are gone: Python does not wait for that."""
    latest = time.monotonic() + _ENDING
    while (more := _threads() - before) > 0 and time.monotonic() < latest:
        time.sleep(0.01)
    return more


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


def _open_files() -> set[str]:
    """Descriptors and what they are; the one that lists them is gone."""
    return set(_descriptors())


def _descriptors() -> Iterator[str]:
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            yield f"{name} {os.readlink(f'/proc/self/fd/{name}')}"
