"""Every engine of a benchmark opened and compared, in a process of its own; none timed yet."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin import artifact, interop
from signbin.artifact import Artifact
from signbin.errors import ExecutionError
from signbin.measure import (
    OURS,
    QUANTIZED,
    Agreement,
    Assignment,
    Engine,
    Preparation,
    PrepareTask,
    WorkerProcess,
    agreement,
    prepare_model,
)
from signbin.verbs.bench.float_network import FloatNetwork
from signbin.verbs.bench.images import BenchImages
from signbin.verbs.bench.request import BenchRequest

__all__ = ["Contender", "EngineFiles", "EngineStarter", "Peer"]

_FLOAT_OURS: Final = dataclasses.replace(OURS, name="signbin with float activations")

Output = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Contender:
    """An engine with a model: its process, and its output compared with the float network's.

    preparation, facts: what was done to the model first; None where the engine read the ONNX.
    """

    side: WorkerProcess
    agreement: Agreement
    preparation: Preparation | None = None
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Peer:
    """A peer's contenders, at least one, and why others were refused, by preparation."""

    engine: Engine
    contenders: tuple[Contender, ...]
    refused: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class EngineFiles:
    """Where the engines of one benchmark find the images and the float network."""

    folder: Path

    def write(self, samples: BenchImages, network: FloatNetwork, *, for_peers: bool) -> None:
        """Write the images, and the float network as whoever needs it reads it."""
        for name in ("timed", "checked", "calibration"):
            np.save(self.images(name), getattr(samples, name), allow_pickle=False)
        if for_peers:
            interop.write_onnx(network.graph, self.onnx)
        if not network.is_the_model:
            artifact.write(self.float_model, Artifact(network.graph))

    def images(self, name: str) -> Path:
        """The .npy file of that name."""
        return self.folder / f"{name}.npy"

    def prepared(self, preparation: Preparation) -> Path:
        """What a preparation makes."""
        return self.folder / f"{preparation.name}{preparation.suffix}"

    @property
    def onnx(self) -> Path:
        """The float network for peers."""
        return self.folder / "network.onnx"

    @property
    def float_model(self) -> Path:
        """The float network for our own engine, where it is not the model."""
        return self.folder / "float.sbn"


class EngineStarter:
    """Opens engines on the same cores and files; ``stack`` ends their processes."""

    def __init__(
        self, request: BenchRequest, cores: tuple[int, ...], files: EngineFiles, stack: ExitStack
    ) -> None:
        self._request = request
        self._cores = cores
        self._files = files
        self._stack = stack
        self._prepared: dict[str, Mapping[str, Any]] = {}

    def float_output(self) -> Output:
        """Our engine's output for the float network, where that is not the model."""
        assignment = self._assignment(_FLOAT_OURS, self._files.float_model)
        with WorkerProcess(_FLOAT_OURS, assignment) as side:
            return side.output

    def ours(self, expected: Output | None) -> Contender:
        """Our engine with the model; expected: the float network's output, None for its own.

        ExecutionError where peers are to be held against it and too little of the float network
        is left: without real images, a network calibrated on some may well be lost on others.
        """
        side = self._start(OURS, self._request.model)
        if expected is None:
            return Contender(side, agreement(side.output, side.output))
        found = agreement(side.output, expected)
        if self._request.against:
            QUANTIZED.require(OURS.name, found)
        return Contender(side, found)

    def peer(self, engine: Engine, expected: Output) -> Peer:
        """A peer with the model, once per preparation; expected: the float network's output.

        A preparation that fails, or whose result cannot be run or computes something else, is
        refused, and the others go on; ExecutionError where none is left.
        """
        contenders: list[Contender] = []
        refused: dict[str, ExecutionError] = {}
        for preparation in engine.preparations or (None,):
            try:
                contenders.append(self._contender(engine, preparation, expected))
            except ExecutionError as error:
                refused[preparation.name if preparation else ""] = error
        if not contenders:
            raise next(iter(refused.values()))
        reasons = {name: str(error) for name, error in refused.items()}
        return Peer(engine, tuple(contenders), reasons)

    def _contender(
        self, engine: Engine, preparation: Preparation | None, expected: Output
    ) -> Contender:
        """One preparation's result, running; ExecutionError where it does not compute the same."""
        name = f"{engine.name} ({preparation.name})" if preparation else engine.name
        facts = self._prepare(preparation) if preparation else {}
        model = self._files.prepared(preparation) if preparation else self._files.onnx
        side = self._start(dataclasses.replace(engine, name=name), model)
        try:
            found = agreement(side.output, expected)
            engine.demand.require(name, found)
        except ExecutionError:
            side.close()
            raise
        return Contender(side, found, preparation, facts)

    def _prepare(self, preparation: Preparation) -> Mapping[str, Any]:
        """Once per benchmark: two engines may run the same prepared model."""
        if preparation.name not in self._prepared:
            files = self._files
            calibration, output = files.images("calibration"), files.prepared(preparation)
            task = PrepareTask(files.onnx, calibration, output, self._cores)
            python = self._request.peer_python.get(preparation.family.name)
            self._prepared[preparation.name] = prepare_model(preparation, task, python)
        return self._prepared[preparation.name]

    def _start(self, engine: Engine, model: Path) -> WorkerProcess:
        python = self._request.peer_python.get(engine.family.name)
        process = WorkerProcess(engine, self._assignment(engine, model), python)
        return self._stack.enter_context(process)

    def _assignment(self, engine: Engine, model: Path) -> Assignment:
        return Assignment(
            model=model,
            images=self._files.images("timed"),
            output=self._files.images(f"output of {engine.name}"),
            threads=self._request.threads,
            cores=self._cores,
            options={"isa": self._request.isa, "jit": self._request.jit},
            checked=self._files.images("checked"),
            variables=engine.limits.get(self._request.peer_isa, {}),
        )
