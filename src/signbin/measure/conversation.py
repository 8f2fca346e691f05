"""Requests to an engine's process, and its answers, none of which is trusted."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

from signbin.errors import ExecutionError
from signbin.measure.peers import SERVE, Family

__all__ = ["Conversation", "Partner"]

_PATIENCE_S: Final = 600.0
_STDERR_KEPT: Final = 2_000
_LONGEST_ANSWER: Final = 4 << 20  # ten thousand times are 250 KB


@dataclasses.dataclass(frozen=True)
class Partner:
    """Whom to talk to: the name for messages, the file to load, and where it is installed.

    python: the interpreter of the environment its family is installed in; None is this one.
    """

    name: str
    family: Family
    file: Path
    python: Path | None = None

    @property
    def remedy(self) -> str:
        """What to do where it is not installed."""
        packages = " ".join(self.family.packages)
        if self.python is not None:
            return f"run: {self.python} -m pip install numpy {packages}"
        if not self.family.extra:
            return f"run: pip install {packages}"
        return (
            f"run: pip install 'signbin[{self.family.extra}]' ({packages}); or name the "
            f"interpreter of another environment: --peer-python {self.family.name}=PATH"
        )


class Conversation:
    """A running process of ``serve.py``; ends it on leaving, as a context manager.

    variables: set in the environment of the process alone. ExecutionError, naming the partner
    and its last words, where the process cannot be started, lacks the engine (naming what to
    install), fails, ends, says anything but the answer, or nothing for ten minutes.
    """

    def __init__(self, partner: Partner, variables: Mapping[str, str]) -> None:
        self._partner = partner
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._process = self._start(variables)
        self._unread = b""

    def ask(self, request: Mapping[str, Any], event: str) -> dict[str, Any]:
        """Send a request and wait for the answer of that name."""
        self.send(request)
        return self.receive(event)

    def send(self, request: Mapping[str, Any]) -> None:
        """Send a request."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise self.failed("ended") from error

    def receive(self, event: str) -> dict[str, Any]:
        """The answer of that name."""
        line = self._read_line()
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self.failed(f"said {line[:80]!r} instead of JSON") from error
        if not isinstance(answer, dict) or answer.get("event") not in (event, "failed"):
            raise self.failed(f"answered {line[:80]!r} instead of {event!r}")
        if answer["event"] == "failed":
            raise self._failure(answer)
        return answer

    def number(self, answer: Mapping[str, Any], key: str) -> float:
        """A finite number of at least 0 in an answer; ExecutionError for anything else."""
        return self.numbers({key: [answer.get(key)]}, key, 1)[0]

    def numbers(self, answer: Mapping[str, Any], key: str, count: int) -> list[float]:
        """That many finite numbers of at least 0; ExecutionError for anything else."""
        found = answer.get(key)
        if not isinstance(found, list) or len(found) != count or not all(map(_is_number, found)):
            raise self.failed(f"answered {str(found)[:80]!r} as {key}")
        return [float(each) for each in found]

    def mapping(self, answer: Mapping[str, Any], key: str) -> dict[str, Any]:
        """An object in an answer; ExecutionError for anything else."""
        found = answer.get(key)
        if not isinstance(found, dict):
            raise self.failed(f"answered {str(found)[:80]!r} as {key}")
        return found

    def failed(self, what: str) -> ExecutionError:
        """An error that says what the process did, and the last line it printed."""
        self._errors.seek(0)
        said = self._errors.read()[-_STDERR_KEPT:].decode(errors="replace").strip()
        last = said.splitlines()[-1] if said else "it printed nothing"
        missing = "numpy" in last and "ModuleNotFoundError" in last
        remedy = self._partner.remedy if missing else ""
        return ExecutionError(f"the process of {self._partner.name} {what} ({last})", remedy=remedy)

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                _close_quietly(stream)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def __enter__(self) -> Conversation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
        python = self._partner.python
        # An environment of its own must not see our PYTHONPATH.
        command = [sys.executable] if python is None else [str(python), "-E"]
        try:
            return subprocess.Popen(
                [*command, str(SERVE), str(self._partner.file)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, **variables},
                bufsize=0,
            )
        except OSError as error:
            self._errors.close()
            raise ExecutionError(
                f"interpreter for {self._partner.name}",
                value=str(python or sys.executable),
                allowed="a Python that can be started",
                remedy=f"{error.strerror}; pass --peer-python {self._partner.family.name}=PATH",
            ) from error

    def _read_line(self) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None
        deadline = time.monotonic() + _PATIENCE_S
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise self.failed(f"said nothing for {_PATIENCE_S:.0f} s")
                part = os.read(stdout.fileno(), 1 << 16)
                if not part:
                    raise self.failed("ended")
                self._unread += part
                if len(self._unread) > _LONGEST_ANSWER:
                    raise self.failed(f"said more than {_LONGEST_ANSWER} bytes in one line")
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _failure(self, answer: Mapping[str, Any]) -> ExecutionError:
        missing, name = answer.get("missing"), self._partner.name
        if missing is None:
            return ExecutionError(f"{name} failed ({answer.get('message')})")
        return ExecutionError(
            f"{name} is not installed in the environment it is looked for in",
            value=f"no module {missing}",
            remedy=self._partner.remedy,
        )


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value < math.inf


def _close_quietly(stream: IO[bytes]) -> None:
    with contextlib.suppress(OSError):  # the process may be gone without having read everything
        stream.close()
