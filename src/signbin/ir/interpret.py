"""The oracle: runs a graph with the numpy references of the op table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError
from signbin.ir.graph import BATCH, Graph
from signbin.ir.ops import OPS
from signbin.ir.schema import Arguments
from signbin.ir.verify import verify

__all__ = ["interpret"]


def interpret(
    graph: Graph, inputs: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """Every value of the graph by name, inputs included, for the given inputs.

    inputs: float32 arrays [N,...] by input name, the same N >= 1 for all. Each op accumulates in
    float64 and its result is rounded to float32 once, so a chain of ops is as exact as float32
    values between them allow. Raises VerifyError for a graph that breaks the rules and
    ExecutionError for inputs that do not fit. Values outside the range of float32 become inf.
    """
    verify(graph)
    _expect_inputs(graph, inputs)
    values = {value.name: inputs[value.name] for value in graph.inputs}
    types = {value.name: value.type for value in graph.inputs}
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            op = OPS[node.op]
            operand_types = tuple(types[name] for name in node.inputs)
            arguments = Arguments(node, operand_types, op.resolve(node), graph.constants)
            operands = tuple(values[name].astype(np.float64) for name in node.inputs)
            result = op.reference(arguments, operands)
            values[node.name] = np.ascontiguousarray(result, dtype=np.float32)
            types[node.name] = node.type
    return values


def _expect_inputs(graph: Graph, inputs: Mapping[str, NDArray[np.float32]]) -> None:
    names = [value.name for value in graph.inputs]
    if set(inputs) != set(names):
        raise ExecutionError(
            f"inputs of graph {graph.name}", value=sorted(inputs), allowed=", ".join(names)
        )
    batches = set()
    for value in graph.inputs:
        array = inputs[value.name]
        if not isinstance(array, np.ndarray) or array.dtype != np.float32:
            raise ExecutionError(
                f"input %{value.name}",
                value=getattr(array, "dtype", type(array).__name__),
                allowed="a numpy array of float32",
                remedy="convert it with numpy.asarray(x, dtype=numpy.float32)",
            )
        fits = array.ndim == len(value.type.shape) and array.shape[1:] == value.type.shape[1:]
        if not fits or array.shape[0] < 1:
            raise ExecutionError(
                f"shape of input %{value.name}",
                value=array.shape,
                allowed=f"{value.type} with N >= 1",
                remedy="add the batch axis or resize",
            )
        batches.add(array.shape[BATCH])
    if len(batches) > 1:
        raise ExecutionError(
            f"images per input of graph {graph.name}",
            value=sorted(batches),
            allowed="the same number for every input",
        )
