"""A network in parts, ready to run: signbin's parts packed for this CPU, the others in sessions."""

from __future__ import annotations

import copy
import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.artifact import Artifact
from signbin.artifact.file import read_file, write_file
from signbin.errors import ExecutionError, SpecError
from signbin.hybrid.container import decode_parts, encode_parts
from signbin.hybrid.content import HybridContent, Part, PartedNetwork
from signbin.hybrid.ports import bind
from signbin.hybrid.session import RuntimePart
from signbin.ir.form import filled
from signbin.runtime import Program
from signbin.runtime.budget import MOST_MEMORY, MOST_SECONDS, TRUSTED, budget_of
from signbin.runtime.inputs import ArrayLike
from signbin.sums import Budget

__all__ = ["HybridProgram", "PartTime"]

_MILLISECONDS: Final = 1e3
_Runner = Callable[[Sequence[Any]], list[Any]]


@dataclasses.dataclass(frozen=True)
class PartTime:
    """One part: who ran it, its number of nodes, milliseconds from arrays to arrays."""

    name: str
    engine: str
    nodes: int
    ms: float
    why: str


class HybridProgram:
    """A network of which signbin runs the parts it is faster at, ONNX Runtime the rest.

    Called as any program: ``program(images)``; several inputs in order or by name. Outputs come in
    the form that the model hands them back. isa, threads and jit are as for
    :class:`signbin.Program`; as many threads are ONNX Runtime's, which run while it is their turn.

    Immutable; any number of Python threads may call it at once. Raises ExecutionError where ONNX
    Runtime is needed and not installed, or cannot run its part, and whatever a Program raises.
    """

    def __init__(
        self,
        content: HybridContent,
        *,
        isa: str = "auto",
        threads: int = 1,
        jit: bool | None = None,
        budget: Budget = TRUSTED,
    ) -> None:
        self._content = content
        self._asked = {"isa": isa, "threads": threads, "jit": jit}
        engines = {part.engine for part in content.network.parts}
        spins = len(engines) == 1  # or the threads of one engine take the cores of the other's
        self._programs: dict[int, Program] = {}
        self._sessions: dict[int, RuntimePart] = {}
        for number, given in enumerate(content.contents):
            if isinstance(given, Artifact):
                self._programs[number] = Program(
                    given, isa=isa, threads=threads, jit=jit, budget=budget
                )
            else:
                self._sessions[number] = RuntimePart(given, threads=threads, spins=spins)
            self._expect_ports(number)
        self._last = _last_readers(content.network)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        isa: str = "auto",
        threads: int = 1,
        jit: bool | None = None,
        max_seconds: float = MOST_SECONDS,
        max_memory: float = MOST_MEMORY,
    ) -> HybridProgram:
        """Read a .sbn file of a network in parts; FormatError where it is not a well-formed one.

        max_seconds, max_memory: of every part of signbin's, see :class:`signbin.Program`. A model
        for ONNX Runtime may name no other file; what ONNX Runtime allocates to run it is bounded
        by nobody: load files of strangers in a process with limits.
        """
        content = read_file(Path(path), decode_parts)
        budget = budget_of(max_seconds, max_memory)
        return cls(content, isa=isa, threads=threads, jit=jit, budget=budget)

    @classmethod
    def from_bytes(
        cls,
        data: bytes | bytearray | memoryview,
        *,
        isa: str = "auto",
        threads: int = 1,
        jit: bool | None = None,
        max_seconds: float = MOST_SECONDS,
        max_memory: float = MOST_MEMORY,
    ) -> HybridProgram:
        """:meth:`load` for the content of a .sbn file that is in memory already."""
        budget = budget_of(max_seconds, max_memory)
        return cls(decode_parts(data), isa=isa, threads=threads, jit=jit, budget=budget)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write a .sbn file; :func:`signbin.load` reads it on every CPU."""
        write_file(Path(path), self.to_bytes, overwrite=overwrite)

    def to_bytes(self) -> bytes:
        """What :meth:`save` writes."""
        return encode_parts(self._content)

    def __copy__(self) -> HybridProgram:
        same = object.__new__(HybridProgram)
        same.__dict__.update(self.__dict__)
        return same

    def __deepcopy__(self, _memo: dict[int, Any]) -> HybridProgram:
        return self  # nothing can change it

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self.to_bytes(), self._asked)

    def __call__(self, *inputs: ArrayLike | Mapping[str, ArrayLike], **named: ArrayLike) -> Any:
        """Outputs for a batch, in the form of the model's own; errors as a Program's."""
        values = self._run(inputs, named)
        return filled(self._content.form, [values[port.name] for port in self.network.outputs])

    def values(
        self, *inputs: ArrayLike | Mapping[str, ArrayLike], **named: ArrayLike
    ) -> dict[str, Any]:
        """Every value that crosses a cut, by name: inputs, what parts hand over, outputs."""
        return self._run(inputs, named, keep=True)

    def profile(
        self, *inputs: ArrayLike | Mapping[str, ArrayLike], repeats: int = 20, **named: ArrayLike
    ) -> tuple[PartTime, ...]:
        """Median milliseconds of every part over some runs, from arrays to arrays."""
        if repeats < 1:
            raise SpecError("repeats", value=repeats, allowed="1 or more")
        times: list[list[float]] = [[] for _ in self.parts]
        for _ in range(repeats):
            self._run(inputs, named, times=times)
        medians = [float(np.median(each)) if each else 0.0 for each in times]
        return tuple(
            PartTime(self.name_of(number), part.engine.value, len(part.nodes), ms, part.why)
            for number, (part, ms) in enumerate(zip(self.parts, medians, strict=True))
        )

    def with_content(self, content: HybridContent) -> HybridProgram:
        """This program under another description; SpecError where it is of other parts."""
        if content.contents != self._content.contents:
            raise SpecError("content", value="other parts", allowed="the program's own")
        described = copy.copy(self)
        described._content = content
        return described

    @property
    def network(self) -> PartedNetwork:
        """The parts, in order, what was decided, and what travels with the network."""
        return self._content.network

    @property
    def content(self) -> HybridContent:
        """What the program was made from."""
        return self._content

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts, in the order in which they run."""
        return self.network.parts

    @property
    def isa(self) -> str:
        """What was asked for, ``auto`` or a name; of signbin's parts."""
        return self._asked["isa"]  # type: ignore[return-value]  # what the constructor took

    @property
    def threads(self) -> int:
        """Threads that share the work of one call."""
        return self._asked["threads"]  # type: ignore[return-value]  # what the constructor took

    def name_of(self, number: int) -> str:
        """What a part is called in tables: its place among the parts, from 1."""
        return f"part {number + 1}"

    def program_of(self, number: int) -> Program | None:
        """The program of a part, from 0; None where ONNX Runtime runs it."""
        return self._programs.get(number)

    def explain(self) -> str:
        """What runs where, and why: the decision, then a line per part."""
        lines = [self.network.decision.why]
        for number, part in enumerate(self.parts):
            count = f"{len(part.nodes)} node" + ("s" if len(part.nodes) != 1 else "")
            lines.append(f"{self.name_of(number)}: {part.engine.value}, {count}: {part.why}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        ours = len(self._programs)
        return (
            f"HybridProgram({self.network.name}: {len(self.parts)} parts, {ours} of signbin, "
            f"threads={self.threads})"
        )

    def _expect_ports(self, number: int) -> None:
        """A file may claim what it likes of how many values its parts take and give."""
        part = self.parts[number]
        program, session = self._programs.get(number), self._sessions.get(number)
        wanted: object = (len(part.inputs), len(part.outputs))
        found: object = None
        if program is not None:
            found = (len(program.graph.inputs), len(program.graph.outputs))
        elif session is not None:
            wanted = (sorted(part.inputs), list(part.outputs))
            found = (sorted(session.inputs), list(session.outputs))
        if found != wanted:
            what = f"inputs and outputs of {self.name_of(number)}"
            raise ExecutionError(what, value=found, allowed=str(wanted))

    def _run(
        self,
        inputs: Sequence[ArrayLike | Mapping[str, ArrayLike]],
        named: dict[str, ArrayLike],
        *,
        keep: bool = False,
        times: list[list[float]] | None = None,
    ) -> dict[str, Any]:
        values: dict[str, Any] = dict(bind(self.network.inputs, inputs, named))
        for number, part in enumerate(self.parts):
            start = time.perf_counter()
            found = self._run_part(number, {name: values[name] for name in part.inputs})
            if times is not None:
                times[number].append(_MILLISECONDS * (time.perf_counter() - start))
            values.update(zip(part.outputs, found, strict=True))
            if not keep:
                for name in self._last[number]:
                    del values[name]
        return values

    def _run_part(self, number: int, arrays: dict[str, NDArray[Any]]) -> list[Any]:
        program = self._programs.get(number)
        if program is None:
            return self._sessions[number](arrays)
        found = program(*arrays.values())
        return [found] if len(self.parts[number].outputs) == 1 else list(found)


def _last_readers(network: PartedNetwork) -> tuple[tuple[str, ...], ...]:
    """Per part the values that nobody reads after it."""
    wanted = {port.name for port in network.outputs}
    found: list[tuple[str, ...]] = []
    for part in reversed(network.parts):
        ended = {name for name in (*part.inputs, *part.outputs) if name not in wanted}
        found.append(tuple(sorted(ended)))
        wanted.update(ended)
    return tuple(reversed(found))


def _unpickled(data: bytes, asked: dict[str, Any]) -> HybridProgram:
    return HybridProgram(decode_parts(data), **asked)
