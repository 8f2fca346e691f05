"""An engine in a process of its own, as a side that can be timed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError
from signbin.measure.peers import SERVE, Engine

__all__ = ["Assignment", "Facts", "WorkerProcess"]

_PATIENCE_S: Final = 600.0
_STDERR_KEPT: Final = 2_000
# Libraries that read their thread count from the environment; the others are told by their file.
_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclasses.dataclass(frozen=True)
class Assignment:
    """What a worker is to run: model and input files, threads, and the cores it may use."""

    model: Path
    images: Path
    output: Path
    threads: int
    cores: tuple[int, ...]
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The ``open`` request of serve.py."""
        return {
            "do": "open",
            "model": str(self.model),
            "input": str(self.images),
            "output": str(self.output),
            "threads": self.threads,
            "cores": list(self.cores),
            "options": dict(self.options),
        }


@dataclasses.dataclass(frozen=True)
class Facts:
    """What an engine said of itself when it had opened the model.

    import_ms: loading its library. load_ms: from the model file to something that runs.
    told: ``version`` and what else its file reports.
    """

    import_ms: float
    load_ms: float
    threads: int
    cores: tuple[int, ...]
    told: Mapping[str, Any]


class WorkerProcess:
    """A running engine with a model; a :class:`signbin.measure.timing.Side`.

    python: the interpreter of the environment the engine is installed in; None is this one.
    ExecutionError where the engine is missing (naming what to install), cannot open the model,
    dies, or says nothing for ten minutes. Use it as a context manager: leaving ends the process.
    """

    def __init__(self, engine: Engine, assignment: Assignment, python: Path | None = None) -> None:
        self._engine = engine
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._process = self._start(python, assignment.threads)
        self._unread = b""
        try:
            ready = self._ask(assignment.to_json(), "ready")
            self.output: NDArray[np.float32] = np.load(assignment.output, allow_pickle=False)
        except BaseException:
            self.close()
            raise
        self.facts = Facts(
            import_ms=ready["import_ms"],
            load_ms=ready["load_ms"],
            threads=ready["threads"],
            cores=tuple(ready["cores"]),
            told=MappingProxyType(ready["facts"]),
        )

    @property
    def name(self) -> str:
        """The engine's."""
        return self._engine.name

    def run(self, count: int) -> Sequence[float]:
        """Seconds of each of ``count`` calls, measured inside the process."""
        self.start(count)
        return self.finish()

    def start(self, count: int) -> None:
        """Begin ``count`` calls and return at once; :meth:`finish` waits for them."""
        self._send({"do": "run", "count": count})

    def finish(self) -> Sequence[float]:
        """The times that :meth:`start` asked for."""
        return [float(second) for second in self._receive("times")["seconds"]]

    def memory(self) -> dict[str, int]:
        """``peak_bytes``: largest resident size so far; ``baseline_bytes``: before the engine.

        The baseline is Python with numpy and the input.
        """
        answer = self._ask({"do": "memory"}, "memory")
        return {name: int(answer[name]) for name in ("peak_bytes", "baseline_bytes")}

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

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self, python: Path | None, threads: int) -> subprocess.Popen[bytes]:
        # An environment of its own must not see our PYTHONPATH.
        command = [sys.executable] if python is None else [str(python), "-E"]
        variables = dict.fromkeys(_THREAD_VARIABLES, str(threads))
        try:
            return subprocess.Popen(
                [*command, str(SERVE), str(self._engine.file)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, **variables},
                bufsize=0,
            )
        except OSError as error:
            self._errors.close()
            raise ExecutionError(
                f"interpreter for {self.name}",
                value=str(python or sys.executable),
                allowed="a Python that can be started",
                remedy=f"{error.strerror}; pass --peer-python {self.name}=PATH",
            ) from error

    def _ask(self, request: Mapping[str, Any], event: str) -> dict[str, Any]:
        self._send(request)
        return self._receive(event)

    def _send(self, request: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise self._gone("ended") from error

    def _receive(self, event: str) -> dict[str, Any]:
        line = self._read_line()
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise self._gone(f"said {line[:80]!r} instead of JSON") from error
        if not isinstance(answer, dict) or answer.get("event") not in (event, "failed"):
            raise self._gone(f"answered {line[:80]!r} instead of {event!r}")
        if answer["event"] == "failed":
            raise self._failure(answer)
        return answer

    def _read_line(self) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None
        deadline = time.monotonic() + _PATIENCE_S
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise self._gone(f"said nothing for {_PATIENCE_S:.0f} s")
                part = os.read(stdout.fileno(), 1 << 16)
                if not part:
                    raise self._gone("ended")
                self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _failure(self, answer: Mapping[str, Any]) -> ExecutionError:
        missing = answer.get("missing")
        if missing is None:
            return ExecutionError(f"{self.name} failed ({answer.get('message')})")
        return ExecutionError(
            f"{self.name} is not installed in the environment it is looked for in",
            value=f"no module {missing}",
            remedy=f"run: pip install {' '.join(self._engine.packages)}; or name the interpreter "
            f"of another environment: --peer-python {self.name}=PATH",
        )

    def _gone(self, what: str) -> ExecutionError:
        self._errors.seek(0)
        said = self._errors.read()[-_STDERR_KEPT:].decode(errors="replace").strip()
        last = said.splitlines()[-1] if said else "it printed nothing"
        remedy = ""
        if "numpy" in last and "ModuleNotFoundError" in last:
            remedy = f"run: pip install numpy {' '.join(self._engine.packages)}"
        return ExecutionError(f"the process of {self.name} {what} ({last})", remedy=remedy)


def _close_quietly(stream: IO[bytes]) -> None:
    with contextlib.suppress(OSError):  # the process may be gone without having read everything
        stream.close()
