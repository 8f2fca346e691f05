"""Whether our program computes its network: asked before anything is timed."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.artifact import Artifact
from signbin.diagnose import measure_exactness, measure_float_nodes, rounds_floats
from signbin.errors import ExecutionError
from signbin.ir import interpret
from signbin.measure import OURS, Agreement, NodeAgreement, agreement
from signbin.runtime import Program
from signbin.verbs.bench.request import BenchRequest

__all__ = ["Checked", "check_program"]

_TOLERANCE: Final = 1e-4
# Some codes of one step more or less, where a float lies in the middle between two: less than what
# rounding to 8 bits costs, and far less than a layer that computes something else would change.
_ROUNDED_TOLERANCE: Final = 0.05


@dataclasses.dataclass(frozen=True)
class Checked:
    """Our output against the interpreter's: as a whole, with its tolerance, and node by node."""

    whole: Agreement
    tolerance: float
    nodes: NodeAgreement


def check_program(
    opened: Artifact,
    request: BenchRequest,
    images: NDArray[np.float32],
    output: NDArray[np.float32],
) -> Checked:
    """Compare a program with the interpreter; output: of the process that is timed, for images.

    Node by node, on the operands the program itself had: nodes that read or write codes to the
    bit, others to 1e-4. As a whole to 1e-4; to 0.05 where codes are made of computed floats: the
    last bit of one may turn a code, which every later layer carries on. ExecutionError where
    one of these does not hold, or the process computes other bits than the same program here.
    """
    program = Program(opened, isa=request.isa, threads=request.threads, jit=request.jit)
    values = program.trace(images)
    nodes = _check_nodes(program, values)
    graph = opened.graph
    if not np.array_equal(values[graph.outputs[0]], output, equal_nan=True):
        raise ExecutionError(
            f"{OURS.name} computes other numbers in the process that is timed",
            allowed="the same bits everywhere",
            remedy="nothing was timed; report it, with the output of signbin doctor",
        )
    expected = interpret(graph, {graph.inputs[0].name: images})[graph.outputs[0]]
    whole = agreement(output, expected)
    tolerance = _ROUNDED_TOLERANCE if rounds_floats(graph) else _TOLERANCE
    whole.require(OURS.name, tolerance)
    return Checked(whole, tolerance, nodes)


def _check_nodes(program: Program, values: dict[str, NDArray[np.generic]]) -> NodeAgreement:
    exact = measure_exactness(program.graph, values)
    floats = measure_float_nodes(program.graph, values)
    if exact is not None and exact.differing:
        raise ExecutionError(
            f"{OURS.name} breaks the contract of whole numbers at node {exact.first}",
            value=f"{exact.differing} of {exact.values} values differ",
            allowed="the interpreter's bits",
            remedy="nothing was timed; report it, with the output of signbin doctor",
        )
    if not floats.max_relative_error <= _TOLERANCE:
        raise ExecutionError(
            f"{OURS.name} does not compute node {floats.worst}: max relative error",
            value=floats.max_relative_error,
            allowed=f"at most {_TOLERANCE:g}",
            remedy="nothing was timed; report it, with the output of signbin doctor",
        )
    return NodeAgreement(
        values=0 if exact is None else exact.values,
        differing=0 if exact is None else exact.differing,
        float_nodes=floats.nodes,
        max_relative_error=floats.max_relative_error,
    )
