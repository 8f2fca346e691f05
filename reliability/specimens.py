"""Mixed programs in files, each with inputs of several batches and sizes, and the right answers.

An answer is right where it has the bits of the first one, and that one was the interpreter's: equal
where codes are computed, within 1e-4 of it where float32 numbers are.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import signbin
from reliability.same_bits import random_networks
from signbin.artifact import Artifact
from signbin.calibrate import QuantizedActivations
from signbin.diagnose import measure_exactness, measure_float_nodes
from signbin.errors import ExecutionError, PlanError
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value, with_extents
from signbin.ir.form import collected, default_form
from signbin.passes import lower
from signbin.plan import Strategy
from signbin.runtime import Program
from signbin.spec import LowBitWeight
from signbin.verbs.compile import quantize_program

__all__ = ["Case", "Specimen", "specimens"]

Runnable = signbin.Program | signbin.HybridProgram

_FLOATS: Final = 1e-4
_BATCHES: Final = (1, 2, 5)
_SIZES: Final = ((8, 6), (2, 2), (20, 34), (12, 8), (16, 16), (4, 10))
"""More than a program keeps: some are laid out and planned again and again."""


@dataclasses.dataclass(frozen=True)
class Case:
    """Inputs, and the outputs that are right."""

    inputs: tuple[NDArray[Any], ...]
    outputs: tuple[NDArray[Any], ...]

    def is_answered_by(self, program: Runnable) -> bool:
        """Whether the program gives these outputs, bit for bit."""
        return _same(_outputs(program, self.inputs), self.outputs)


@dataclasses.dataclass(frozen=True)
class Specimen:
    """A program in a file. how: the arguments of :func:`signbin.load`."""

    name: str
    path: Path
    how: Mapping[str, Any]
    cases: tuple[Case, ...]

    def load(self) -> Runnable:
        """The program, read and packed anew."""
        return signbin.load(self.path, **self.how)


def specimens(folder: Path, each: int = 3, seed: int = 0) -> tuple[Specimen, ...]:
    """So many random networks of each kind, in files of a folder, their answers checked.

    Kinds: on float32 and on codes as planned, with machine code; codes without it; codes on two
    threads; every strategy that looks sums up or shares them; one whose sizes are free, on float32
    and on codes; one in parts, where ONNX Runtime is installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(
        _specimen(folder, name, program, how, images)
        for name, program, how, images in _programs(each, seed)
    )


_Images = Sequence[tuple[NDArray[Any], ...]]
_Made = tuple[str, Runnable, dict[str, Any], _Images]


def _programs(each: int, seed: int) -> Iterator[_Made]:
    made = random_networks()
    for number in range(seed, seed + each):
        floats, codes = lower(made.random_network(number)), made.random_quantized_network(number)
        for kind, graph in (("float32", floats), ("codes", codes)):
            images = [_inputs(made, graph, batch) for batch in _BATCHES]
            if not _runs(graph):
                continue
            yield f"{kind} {number}", Program(Artifact(graph)), {}, images
            yield f"{kind} {number} plain", Program(Artifact(graph)), {"jit": False}, images
            yield f"{kind} {number} shared", Program(Artifact(graph)), {"threads": 2}, images
            for strategy in (Strategy.TABLE, Strategy.CSE, Strategy.SUMMERGE):
                try:
                    forced = Program(Artifact(graph), strategy=strategy)
                except PlanError:  # serves no layer of this network
                    continue
                yield f"{kind} {number} {strategy.value}", forced, {}, images
    yield from _of_free_sizes()
    if importlib.util.find_spec("onnxruntime"):
        parts = importlib.import_module("tests.hybrid.parts")
        images = [(_floats(batch, *parts.IMAGE),) for batch in _BATCHES]
        yield "in parts", signbin.HybridProgram(parts.content()), {}, images


def _of_free_sizes() -> Iterator[_Made]:
    program = Program(Artifact(_resizable()))
    images = [(_floats(batch, 3, *size),) for size in _SIZES for batch in _BATCHES[:2]]
    yield "free sizes", program, {}, images
    codes = quantize_program(program, QuantizedActivations(_floats(8, 3, *_SIZES[0])))
    yield "free sizes, codes", codes, {"threads": 2}, images


def _resizable() -> Graph:
    """A float and a low-bit convolution, pooled and enlarged again, for images of any even size."""
    rng = np.random.default_rng(0)
    codes = (rng.random((16, 4, 3, 3)) < 0.4).astype(np.int8)
    constants: dict[str, Any] = {
        "first": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "second": LowBitWeight(codes, np.full(16, 0.25, np.float32)),
    }
    height, width = _SIZES[0]

    def of(channels: int, share: int = 1) -> TensorType:
        return TensorType("f32", (BATCH, channels, height // share, width // share))

    pad = {"padding": (1, 1)}
    halves = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0)}
    nodes = (
        Node("a", "conv2d", ("x",), {"weight": ConstRef("first"), **pad}, of(4)),
        Node("b", "conv2d", ("a",), {"weight": ConstRef("second"), **pad}, of(16)),
        Node("less", "max_pool2d", ("b",), halves, of(16, 2)),
        Node("more", "resize_nearest", ("less",), {"size": (height, width)}, of(16)),
        Node("sum", "add", ("b", "more"), {}, of(16)),
    )
    return Graph("resizable", (Value("x", of(3), free=(2, 3)),), nodes, ("sum",), constants)


def _runs(graph: Graph) -> bool:
    """Whether no output is an input, which programs refuse."""
    return not {value.name for value in graph.inputs} & set(graph.outputs)


def _inputs(made: Any, graph: Graph, batch: int) -> tuple[NDArray[Any], ...]:
    given = made.random_inputs(graph, images=batch, seed=batch)
    return tuple(given[value.name] for value in graph.inputs)


def _floats(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def _specimen(
    folder: Path,
    name: str,
    program: Runnable,
    how: dict[str, Any],
    images: _Images,
) -> Specimen:
    path = folder / f"{name.replace(' ', '-').replace(',', '')}.sbn"
    program.save(path, overwrite=True)
    loaded = signbin.load(path, **how)
    for inputs in images:
        if isinstance(loaded, Program):
            _check(name, loaded, inputs)
    cases = tuple(Case(inputs, _outputs(loaded, inputs)) for inputs in images)
    return Specimen(name, path, how, cases)


def _check(name: str, program: Program, inputs: tuple[NDArray[Any], ...]) -> None:
    """ExecutionError where the program does not compute what the interpreter does."""
    names = [value.name for value in program.graph.inputs]
    extents = {name: array.shape[1:] for name, array in zip(names, inputs, strict=True)}
    graph = program.graph
    if any(value.free for value in graph.inputs):
        graph = with_extents(graph, extents)
    values = program.trace(*inputs)
    exact = measure_exactness(graph, values)
    error = measure_float_nodes(graph, values).max_relative_error
    if (exact is not None and exact.differing) or error > _FLOATS:
        raise ExecutionError(f"answer of {name}", value=error, allowed="the interpreter's")


def _outputs(program: Runnable, inputs: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
    handed = program(*inputs)
    if isinstance(program, Program):
        form = program.graph.form
        count = len(program.graph.outputs)
        arrays = collected(default_form(count) if form is None else form, handed)
        return tuple(arrays[number] for number in sorted(arrays))
    return (handed,)


def _same(found: tuple[NDArray[Any], ...], expected: tuple[NDArray[Any], ...]) -> bool:
    return len(found) == len(expected) and all(
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
        for one, other in zip(found, expected, strict=True)
    )
