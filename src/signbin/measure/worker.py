"""An engine in a process of its own, as a side that can be timed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.arrays import open_array
from signbin.errors import FormatError
from signbin.measure.conversation import Conversation, Partner
from signbin.measure.peers import Engine, Preparation

__all__ = ["Assignment", "Facts", "PrepareTask", "WorkerProcess", "prepare_model"]

# Libraries that read their thread count from the environment; the others are told by their file.
_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclasses.dataclass(frozen=True)
class Assignment:
    """What a worker is to run: model and input files, threads, and the cores it may use.

    images: the .npy file that is timed. checked: the one whose output is compared, ``images``
    where None. output: where that is written. variables: for the environment of the process.
    """

    model: Path
    images: Path
    output: Path
    threads: int
    cores: tuple[int, ...]
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    checked: Path | None = None
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The ``open`` request of serve.py."""
        return {
            "do": "open",
            "model": str(self.model),
            "input": str(self.images),
            "checked": str(self.checked or self.images),
            "output": str(self.output),
            "threads": self.threads,
            "cores": list(self.cores),
            "options": dict(self.options),
        }


@dataclasses.dataclass(frozen=True)
class Facts:
    """What an engine said of itself when it had opened the model.

    import_ms: loading its library. load_ms: from the model file to something that runs.
    threads, cores: what it was given. told: ``version`` and what else its file reports.
    variables: what was set in its environment besides thread counts.
    """

    import_ms: float
    load_ms: float
    threads: int
    cores: tuple[int, ...]
    told: Mapping[str, Any]
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)


class WorkerProcess:
    """A running engine with a model; a :class:`signbin.measure.timing.Side`.

    python: the interpreter of the environment the engine is installed in; None is this one.
    ExecutionError where the engine is missing (naming what to install), cannot open the model,
    dies, says nothing for ten minutes or something that is no answer. Use it as a context
    manager: leaving ends the process.
    """

    def __init__(self, engine: Engine, assignment: Assignment, python: Path | None = None) -> None:
        self._engine = engine
        threads = dict.fromkeys(_THREAD_VARIABLES, str(assignment.threads))
        self._process = Conversation(
            Partner(engine.name, engine.family, engine.file, python),
            {**threads, **assignment.variables},
        )
        try:
            self.facts = self._open(assignment)
            self.output = self._read_output(assignment.output)
        except BaseException:
            self.close()
            raise

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
        self._count = count
        self._process.send({"do": "run", "count": count})

    def finish(self) -> Sequence[float]:
        """The times that :meth:`start` asked for."""
        answer = self._process.receive("times")
        return self._process.numbers(answer, "seconds", self._count)

    def memory(self) -> dict[str, int]:
        """``peak_bytes``: largest resident size so far; ``baseline_bytes``: before the engine.

        The baseline is Python with numpy and the input.
        """
        answer = self._process.ask({"do": "memory"}, "memory")
        names = ("peak_bytes", "baseline_bytes")
        return {name: int(self._process.number(answer, name)) for name in names}

    def close(self) -> None:
        """End the process."""
        self._process.close()

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, assignment: Assignment) -> Facts:
        ready = self._process.ask(assignment.to_json(), "ready")
        told = self._process.mapping(ready, "facts")
        if not isinstance(told.get("version"), str):
            raise self._process.failed("did not say its version")
        count = len(assignment.cores)
        return Facts(
            import_ms=self._process.number(ready, "import_ms"),
            load_ms=self._process.number(ready, "load_ms"),
            threads=int(self._process.number(ready, "threads")),
            cores=tuple(int(core) for core in self._process.numbers(ready, "cores", count)),
            told=MappingProxyType(told),
            variables=MappingProxyType(dict(assignment.variables)),
        )

    def _read_output(self, path: Path) -> NDArray[np.float32]:
        try:
            array = open_array(path)
        except (OSError, FormatError) as error:
            raise self._process.failed("wrote no output that can be read") from error
        if array.dtype != np.float32 or not array.ndim:
            raise self._process.failed(f"wrote an output of {array.dtype} {array.shape}")
        return np.array(array)


@dataclasses.dataclass(frozen=True)
class PrepareTask:
    """What a preparation is to do: from an .onnx file to a model file, on these cores."""

    model: Path
    calibration: Path
    output: Path
    cores: tuple[int, ...]


def prepare_model(
    preparation: Preparation, task: PrepareTask, python: Path | None = None
) -> dict[str, Any]:
    """Prepare a model in a process of its own; what the preparation says of itself.

    ExecutionError as for :class:`WorkerProcess`.
    """
    family = preparation.family
    name = f"{family.name} ({preparation.name})"
    partner = Partner(name, family, preparation.file, python)
    request = {
        "do": "prepare",
        "model": str(task.model),
        "calibration": str(task.calibration),
        "output": str(task.output),
        "cores": list(task.cores),
    }
    with Conversation(partner, {}) as process:
        facts = process.mapping(process.ask(request, "prepared"), "facts")
        if not task.output.is_file():
            raise process.failed("wrote no model")
    return facts
