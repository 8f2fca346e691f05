"""A compiled network: an artifact, planned and packed for the CPU at hand."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from signbin import artifact as sbn
from signbin import native
from signbin.artifact import Artifact
from signbin.errors import ExecutionError, FormatError, VerifyError
from signbin.ir import Graph, verify, with_extents
from signbin.ir.form import default_form, filled
from signbin.plan import Plan, Strategy, Target, check_limits, make_plan
from signbin.runtime.budget import (
    MOST_MEMORY,
    MOST_SECONDS,
    TRUSTED,
    budget_of,
    check_memory,
    expect_memory,
    within_budget,
)
from signbin.runtime.inputs import ArrayLike, as_batches, as_count, beyond_memory, empty_batch
from signbin.runtime.sizes import Extents, KeptSizes
from signbin.sums import Budget

if TYPE_CHECKING:
    from signbin.native import _signbin

__all__ = ["Program", "StepTime"]


_NANOSECONDS_PER_MS = 1e6


@dataclasses.dataclass(frozen=True)
class StepTime:
    """One node of the lowered graph: the kernel that ran it, and milliseconds."""

    name: str
    kernel: str
    ms: float


class Program:
    """A network ready to run on this CPU: ``program(images) -> output``, of several inputs as well.

    artifact: its graph must be lowered; its plan is used where it was made for this machine and
    instruction set and nothing is forced, else the layers are planned again. isa: ``auto`` (the
    best of this CPU) or a name of ``signbin.native.isas()``: kernels of later instruction sets
    are then never used. strategy: forced wherever it can serve; None lets the planner choose.
    threads: 1 to 64 that share the work of one call; they belong to the program and sleep between
    calls. jit: whether walks may become machine code when the program is built, where the system
    gives memory to run it from; False runs the kernels that read their offsets instead, with the
    same results where the tiles are the same. None generates where that has been measured, on
    x86-64; True on 64-bit ARM as well, where it is exact, but nobody has measured it.
    budget: time and memory for the sums that an artifact's plan asks for; a layer that needs more
    is planned again, and its ``why`` in :attr:`plan` says so. A strategy that is forced takes the
    time it takes. A graph whose values need more memory is refused.

    Inputs whose sizes were left free (see :func:`signbin.compile`) take other extents along these
    axes: the first call with a new size lays out and plans the network for it, which takes as long
    as loading; the last four sizes are kept.

    Immutable. Any number of Python threads may call it at once (each call works in an arena of its
    own, and the GIL is released meanwhile), with any batch of at least one image: the first call
    takes the program's threads, the others meanwhile run on their own. The outputs have the same
    bits whatever the number of threads and the batch.

    Raises ExecutionError (unknown or unsupported isa, number of threads, an output that is an
    input, a graph beyond the budget, missing native library, no memory or threads for the
    program), PlanError (the plan states what no planner would), VerifyError, or MemoryError where
    Python or numpy has none.
    """

    def __init__(  # noqa: PLR0913 - every choice is a keyword of it
        self,
        artifact: Artifact,
        *,
        isa: str = "auto",
        strategy: Strategy | None = None,
        threads: int = 1,
        jit: bool | None = None,
        images: int = 1,
        budget: Budget = TRUSTED,
    ) -> None:
        native.extension()
        from signbin.runtime.build import build_program  # noqa: PLC0415 - needs the extension

        self._asked: dict[str, Any] = {"isa": isa, "strategy": strategy, "threads": threads}
        self._asked |= {"jit": jit, "images": as_count(images, "images per call of a program")}
        self._isa = native.resolve_isa(isa)
        self._threads = _as_threads(threads)
        verify(artifact.graph)
        check_memory(artifact.graph, budget)
        self._artifact = artifact
        target = Target.from_cpu(native.cpu(), self._isa).generating(jit)
        self._plan = _plan_for(artifact, target, strategy, budget, images)
        graph = artifact.graph
        self._made = tuple(graph.type_of(name).shape[1:] for name in graph.outputs)
        self._native, self._values = build_program(
            artifact.graph, self._plan, self._isa, self._threads, jit=jit is not False
        )
        expect_memory(artifact.graph.name, self.arena_bytes, budget)
        self._budget = budget
        self._sizes: KeptSizes[Program] = KeptSizes()

    @classmethod
    def load(  # noqa: PLR0913 - the constructor's, and the budget in numbers
        cls,
        path: str | os.PathLike[str],
        *,
        isa: str = "auto",
        strategy: Strategy | None = None,
        threads: int = 1,
        jit: bool | None = None,
        images: int = 1,
        max_seconds: float = MOST_SECONDS,
        max_memory: float = MOST_MEMORY,
    ) -> Program:
        """Read a .sbn file, from whomever; FormatError where it is not a well-formed one.

        max_seconds, max_memory (in bytes): the budget, see the class.
        """
        return cls(
            sbn.read(Path(path)),
            isa=isa,
            strategy=strategy,
            threads=threads,
            jit=jit,
            images=images,
            budget=budget_of(max_seconds, max_memory),
        )

    @classmethod
    def from_bytes(  # noqa: PLR0913 - the constructor's, and the budget in numbers
        cls,
        data: bytes | bytearray | memoryview,
        *,
        isa: str = "auto",
        strategy: Strategy | None = None,
        threads: int = 1,
        jit: bool | None = None,
        images: int = 1,
        max_seconds: float = MOST_SECONDS,
        max_memory: float = MOST_MEMORY,
    ) -> Program:
        """:meth:`load` for the content of a .sbn file that is in memory already."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise FormatError(
                "content of a .sbn file",
                value=type(data).__name__,
                allowed="bytes",
                remedy="read the file in binary mode, or use Program.load for a path",
            )
        return cls(
            sbn.decode(bytes(data)),
            isa=isa,
            strategy=strategy,
            threads=threads,
            jit=jit,
            images=images,
            budget=budget_of(max_seconds, max_memory),
        )

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write a .sbn file with this program's plan as its hint; it runs on every CPU."""
        sbn.write(Path(path), self._with_plan(), overwrite=overwrite)

    def to_bytes(self) -> bytes:
        """What :meth:`save` writes."""
        return sbn.encode(self._with_plan())

    def __copy__(self) -> Program:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Program:
        return self  # nothing can change it

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as the content of its file; where it is unpickled it is packed for the CPU there.

        What was asked of the constructor is asked again: a forced isa has to exist there.
        """
        return _unpickled, (self.to_bytes(), self._asked)

    def __call__(self, *inputs: ArrayLike | Mapping[str, ArrayLike], **named: ArrayLike) -> Any:
        """Outputs for a batch: (N, ...) float32, N >= 1, in the shapes of graph.inputs/outputs.

        inputs: one array for every input of the graph, in its order, or by name: as keywords or in
        one mapping. Numpy arrays, or any arrays on the CPU that DLPack knows, as PyTorch's tensors;
        ``torch.from_dlpack`` takes the outputs without a copy. Other floating types are cast to
        float32. uint8 images, (N, C, H, W) or (N, H, W, C), are prepared as the network says, where
        it does; anything else is an ExecutionError. A NaN or an infinity makes every output that
        depends on it NaN or infinite.

        What comes back has the form of the network's own result: an array, or arrays in the tuples,
        lists and dicts that it returned.
        """
        batches = self._batches(inputs, named)
        outputs = self._for(batches)._run(batches, [])
        form = self.graph.form
        return filled(default_form(len(outputs)) if form is None else form, outputs)

    def trace(
        self, *inputs: ArrayLike | Mapping[str, ArrayLike], **named: ArrayLike
    ) -> dict[str, NDArray[Any]]:
        """Every value of the graph by name, the inputs included, in execution order.

        inputs: as for a call. float32 numbers, or for u8 values the codes, uint8.
        """
        batches = self._batches(inputs, named)
        return self._for(batches)._trace(batches)

    def _trace(self, batches: list[NDArray[np.float32]]) -> dict[str, NDArray[Any]]:
        values = {name: self._empty(name, len(batches[0])) for name in self._values}
        copies: list[NDArray[np.float32] | None] = [None] * len(self._values)
        for name, index in self._values.items():
            copies[index] = values[name]
        self._run(batches, copies)
        return {name: self._as_typed(name, array) for name, array in values.items()}

    def profile(
        self, *inputs: ArrayLike | Mapping[str, ArrayLike], **named: ArrayLike
    ) -> tuple[StepTime, ...]:
        """Run once and time every node, in execution order; inputs and errors as for a call.

        Times are taken inside the native library, on the calling thread, from the moment a step
        starts until all threads have finished it, for the whole batch.
        """
        step_ns = np.zeros(len(self.graph.nodes))
        batches = self._batches(inputs, named)
        self._for(batches)._run(batches, [], step_ns)
        return tuple(
            StepTime(name, kernel, float(ns) / _NANOSECONDS_PER_MS)
            for (name, kernel), ns in zip(self.kernels.items(), step_ns, strict=True)
        )

    @property
    def graph(self) -> Graph:
        """The lowered graph that runs."""
        return self._artifact.graph

    @property
    def plan(self) -> Plan:
        """What was decided for every layer with weights, and why."""
        return self._plan

    @property
    def artifact(self) -> Artifact:
        """What the program was made from."""
        return self._artifact

    @property
    def isa(self) -> str:
        """The last instruction set whose kernels may run."""
        return self._isa

    @property
    def threads(self) -> int:
        """Threads that share the work of one call."""
        return self._threads

    @property
    def code_bytes(self) -> int:
        """Machine code that was made for the program; it lives as long as the program."""
        return self._native.machine_code_bytes()

    @property
    def kernels(self) -> Mapping[str, str]:
        """Name of the kernel that runs each node, in execution order."""
        names = (node.name for node in self.graph.nodes)
        return MappingProxyType(dict(zip(names, self._native.step_kernels(), strict=True)))

    @property
    def program_bytes(self) -> Mapping[str, int]:
        """Bytes of offsets, counts, words or bitmaps that each node reads beside its values.

        0 for nodes without low-bit weights, and for weights that are dense.
        """
        names = (node.name for node in self.graph.nodes)
        return MappingProxyType(dict(zip(names, self._native.packed_bytes(), strict=True)))

    @property
    def arena_bytes(self) -> int:
        """Working memory of one call with a batch of one: values, then kernel scratch.

        Larger batches add only the values of linear layers: images run one after the other.
        """
        return self._native.arena_bytes(1)

    def __repr__(self) -> str:
        given = ", ".join(str(value.type) for value in self.graph.inputs)
        results = ", ".join(str(self.graph.type_of(name)) for name in self.graph.outputs)
        return (
            f"Program({self.graph.name}: {given} -> {results}, "
            f"isa={self._isa}, threads={self._threads}, {len(self.graph.nodes)} steps)"
        )

    def _batches(
        self,
        inputs: tuple[ArrayLike | Mapping[str, ArrayLike], ...],
        named: Mapping[str, ArrayLike],
    ) -> list[NDArray[np.float32]]:
        return as_batches(inputs, named, self.graph.inputs, self._artifact.preprocessing)

    def _for(self, batches: list[NDArray[np.float32]]) -> Program:
        """The program for inputs of these extents: this one, or one of its kept sizes."""
        extents = tuple(batch.shape[1:] for batch in batches)
        own = tuple(value.type.shape[1:] for value in self.graph.inputs)
        return self if extents == own else self._sizes.of(extents, self._resized)

    def _resized(self, extents: Extents) -> Program:
        names = (value.name for value in self.graph.inputs)
        try:
            graph = with_extents(self.graph, dict(zip(names, extents, strict=True)))
        except VerifyError as error:
            raise ExecutionError(
                "size of the inputs", value=extents, reason=f"this network cannot take it: {error}"
            ) from error
        how = self._asked | {"budget": self._budget}
        return Program(Artifact(graph, provenance=self._artifact.provenance), **how)

    def _with_plan(self) -> Artifact:
        return dataclasses.replace(self._artifact, plan=self._plan)

    _asked: dict[str, Any]
    _native: _signbin.Program
    _values: Mapping[str, int]
    _made: tuple[tuple[int, ...], ...]  # extents of every output

    def _empty(self, name: str, batch: int) -> NDArray[np.float32]:
        return empty_batch(batch, self.graph.type_of(name).shape[1:])

    def _as_typed(self, name: str, array: NDArray[np.float32]) -> NDArray[Any]:
        return array.astype(np.uint8) if self.graph.type_of(name).dtype == "u8" else array

    def _run(
        self,
        batches: list[NDArray[np.float32]],
        copies: list[NDArray[np.float32] | None],
        step_ns: NDArray[np.float64] | None = None,
    ) -> list[NDArray[np.float32]]:
        """The outputs in the order of the graph's."""
        images = len(batches[0])
        outputs = [empty_batch(images, extents) for extents in self._made]
        try:
            self._native.run(batches, outputs, images, copies, step_ns)
        except native.extension().StatusError as error:
            raise beyond_memory(images) from error
        return outputs


def _unpickled(data: bytes, asked: dict[str, Any]) -> Program:
    return Program(sbn.decode(data), **asked)


def _plan_for(
    artifact: Artifact, target: Target, strategy: Strategy | None, budget: Budget, images: int
) -> Plan:
    hint = artifact.plan
    asked = strategy is not None or images > 1
    if hint is not None and not asked and hint.target == str(target):
        check_limits(artifact.graph, hint)
        return within_budget(artifact.graph, hint, target, budget)
    return make_plan(artifact.graph, native.kernels(), target, strategy, images=images)


def _as_threads(threads: int) -> int:
    return as_count(threads, "threads of a program", native.extension().MAX_THREADS)
