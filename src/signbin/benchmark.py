"""The doors joined for measuring: a model file -> engines in processes of their own -> records."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin import artifact as sbn
from signbin import interop, native
from signbin.artifact import Artifact
from signbin.errors import SpecError
from signbin.ir import Graph, interpret
from signbin.measure import (
    OURS,
    Agreement,
    Assignment,
    Bench,
    Engine,
    EngineRecord,
    PeerRecord,
    Profile,
    Schedule,
    Times,
    WorkerProcess,
    agreement,
    choose_cores,
    environment,
    find_peer,
    measure_profile,
    paired_ratio,
    take_turns,
)
from signbin.runtime import Program

__all__ = ["BenchRequest", "bench", "parse_peer_python", "profile", "random_images"]

_INTERPRETER_TOLERANCE: Final = 1e-4
_LARGEST_BATCH: Final = 4096


@dataclasses.dataclass(frozen=True)
class BenchRequest:
    """What to time. against: names of PEERS. peer_python: interpreter by peer, default ours."""

    model: Path
    against: tuple[str, ...] = ()
    threads: int = 1
    isa: str = "auto"
    batch: int = 1
    schedule: Schedule = dataclasses.field(default_factory=Schedule)
    peer_python: Mapping[str, Path] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.against:
            find_peer(name)
        if len(set(self.against)) != len(self.against):
            raise SpecError("engines to compare with", value=self.against, allowed="each once")
        unused = set(self.peer_python) - set(self.against)
        if unused:
            raise SpecError(
                "interpreter of a peer", value=sorted(unused), allowed=str(list(self.against))
            )


def bench(request: BenchRequest) -> Bench:
    """Time a compiled model, paired with every peer it is compared with.

    All engines get the same random images (normal, seed 0), threads and cores, each in a
    process of its own. Before anything is timed, our output of the first image is compared with
    the interpreter's and every peer's output with ours. Peers get the network as ONNX with
    float32 weights.

    Raises FormatError for a file that is no model, SpecError, ExecutionError for a missing peer,
    one that computes something else, or more threads than cores.
    """
    native.resolve_isa(request.isa)
    cores = choose_cores(request.threads)
    opened = sbn.read(request.model)
    images = random_images(opened.graph, request.batch)
    with tempfile.TemporaryDirectory(prefix="signbin-bench-") as folder, ExitStack() as stack:
        race = _Race(request, cores, Path(folder), stack)
        np.save(race.images, images, allow_pickle=False)
        ours = race.enter(OURS, request.model)
        accuracy = _against_interpreter(opened.graph, images, ours.output)
        if request.against:
            interop.write_onnx(opened.graph, race.onnx)
        peers = [race.enter(find_peer(name), race.onnx) for name in request.against]
        agreements = {peer.name: _agree(peer, ours) for peer in peers}
        times = take_turns([ours, *peers], request.schedule)
        records = {side.name: _record(side, times[side.name]) for side in (ours, *peers)}
    return Bench(
        model=opened.graph.name,
        input_shape=images.shape,
        macs=_macs(opened),
        rounds=request.schedule.rounds,
        ours=records[OURS.name],
        accuracy=accuracy,
        peers=MappingProxyType(
            {
                name: PeerRecord(
                    records[name],
                    paired_ratio(times[name], times[OURS.name]),
                    found,
                    find_peer(name).description,
                )
                for name, found in agreements.items()
            }
        ),
        environment=environment({"signbin": native.version()}),
    )


def profile(program: Program, *, batch: int = 1, repeats: int = 20) -> Profile:
    """Time every step of a program on random images, beside what its plan says of it."""
    images = random_images(program.graph, batch)
    return measure_profile(program, program.plan.layers, images, repeats=repeats)


def random_images(graph: Graph, batch: int) -> NDArray[np.float32]:
    """Normal noise (mean 0, deviation 1, seed 0) in the shape of the graph's input."""
    if not 1 <= batch <= _LARGEST_BATCH:
        raise SpecError("batch", value=batch, allowed=f"1..{_LARGEST_BATCH}")
    shape = (batch, *graph.inputs[0].type.shape[1:])
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def parse_peer_python(text: str) -> tuple[str, Path]:
    """``NAME=PATH`` as given on a command line; SpecError for anything else."""
    name, separator, path = text.partition("=")
    if not separator or not path:
        raise SpecError("--peer-python", value=text, allowed="NAME=PATH of a Python interpreter")
    return find_peer(name).name, Path(path)


@dataclasses.dataclass(frozen=True)
class _Race:
    """Where the engines of one benchmark find their files."""

    request: BenchRequest
    cores: tuple[int, ...]
    folder: Path
    stack: ExitStack

    @property
    def images(self) -> Path:
        return self.folder / "images.npy"

    @property
    def onnx(self) -> Path:
        return self.folder / "network.onnx"

    def enter(self, engine: Engine, model: Path) -> WorkerProcess:
        assignment = Assignment(
            model=model,
            images=self.images,
            output=self.folder / f"{engine.name}.npy",
            threads=self.request.threads,
            cores=self.cores,
            options={"isa": self.request.isa},
        )
        python = self.request.peer_python.get(engine.name)
        return self.stack.enter_context(WorkerProcess(engine, assignment, python))


def _against_interpreter(
    graph: Graph, images: NDArray[np.float32], output: NDArray[np.float32]
) -> Agreement:
    expected = interpret(graph, {graph.inputs[0].name: images[:1]})[graph.outputs[0]]
    found = agreement(output[:1], expected)
    found.require(OURS.name, _INTERPRETER_TOLERANCE)
    return found


def _agree(peer: WorkerProcess, ours: WorkerProcess) -> Agreement:
    found = agreement(peer.output, ours.output)
    found.require(peer.name, find_peer(peer.name).tolerance)
    return found


def _record(side: WorkerProcess, times: Times) -> EngineRecord:
    return EngineRecord(times, side.facts, side.memory())


def _macs(opened: Artifact) -> int | None:
    return sum(layer.macs for layer in opened.plan.layers) if opened.plan is not None else None
