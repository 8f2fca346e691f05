"""What the native library is asked for while its memory, mappings and threads fail."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reliability.fault_library import Kind
from reliability.injection import Operation
from reliability.same_bits import random_networks
from signbin.artifact import Artifact
from signbin.errors import PlanError
from signbin.ir import Graph
from signbin.packed import pack_linear
from signbin.passes import lower
from signbin.plan import Strategy
from signbin.runtime import Program
from signbin.spec import LowBitWeight
from signbin.verbs.compile_graph import compile_graph

__all__ = ["NetworkName", "native_operations"]

_NATIVE: Final = (Kind.ALLOCATION, Kind.MAPPING, Kind.PROTECTION, Kind.THREAD, Kind.OPEN)
_IMAGES: Final = 3

Images = list[NDArray[np.float32]]


@dataclasses.dataclass(frozen=True)
class NetworkName:
    """A random network of the test suite. kind: "float32" or "codes"."""

    kind: str
    seed: int


def native_operations(names: Sequence[NetworkName], *, every_way: bool) -> Iterator[Operation]:
    """Networks planned, built and run; one packed layer.

    every_way: each is built with every strategy that serves it forced in turn, without machine
    code and for the least CPUs, too.
    """
    for name in names:
        yield from _of_network(name, every_way=every_way)
    yield _packing()


def _of_network(name: NetworkName, *, every_way: bool) -> Iterator[Operation]:
    made = random_networks()
    if name.kind == "codes":
        graph = made.random_quantized_network(name.seed)
    else:
        graph = lower(made.random_network(name.seed))
    given = made.random_inputs(graph, images=_IMAGES, seed=name.seed)
    images = [given[value.name] for value in graph.inputs]
    label = f"{name.kind} network {name.seed}"
    yield _compiling(f"{label}: compile", graph, images)
    for way in _ways(graph, every_way=every_way):
        yield _building(f"{label}: load{_words(way)}", graph, images, way)
    for way in ({}, {"threads": 3}):
        yield _running(f"{label}: run{_words(way)}", graph, images, way)


def _ways(graph: Graph, *, every_way: bool) -> Iterator[dict[str, Any]]:
    yield {"threads": 3}
    if not every_way:
        return
    yield {"jit": False}
    for isa in ("scalar", "portable"):
        yield {"isa": isa}
    for strategy in Strategy:
        if strategy is Strategy.QGYM:
            continue
        try:
            Program(Artifact(graph), strategy=strategy)
        except PlanError:  # serves no layer of this network
            continue
        yield {"strategy": strategy}


def _words(way: dict[str, Any]) -> str:
    return "".join(f", {key} {value}" for key, value in way.items())


def _compiling(name: str, graph: Graph, images: Images) -> Operation:
    return Operation(
        name, _NATIVE, lambda: None, lambda _nothing: _outputs(compile_graph(graph), images)
    )


def _building(name: str, graph: Graph, images: Images, way: dict[str, Any]) -> Operation:
    data = Program(Artifact(graph)).to_bytes()
    return Operation(
        name,
        _NATIVE,
        lambda: None,
        lambda _nothing: _outputs(Program.from_bytes(data, **way), images),
    )


def _running(name: str, graph: Graph, images: Images, way: dict[str, Any]) -> Operation:
    def prepare() -> Program:
        return Program(Artifact(graph), **way)

    return Operation(name, _NATIVE, prepare, lambda program: _outputs(program, images))


def _packing() -> Operation:
    rng = np.random.default_rng(0)
    codes = rng.integers(-1, 2, (16, 24)).astype(np.int8)
    weight = LowBitWeight(codes, np.ones(16, np.float32))
    x = rng.standard_normal((5, 24), np.float32)
    return Operation(
        "packed layer",
        _NATIVE,
        lambda: None,
        lambda _nothing: pack_linear(weight, threads=2)(x).tobytes(),
    )


def _outputs(program: Program, images: Images) -> bytes:
    traced = program.trace(*images)
    return b"".join(traced[name].tobytes() for name in program.graph.outputs)
