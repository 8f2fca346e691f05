"""The oracle: runs a graph with the numpy references of the op table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError
from signbin.ir.graph import BATCH, Constant, Graph, Node, TensorType
from signbin.ir.ops import OPS
from signbin.ir.requantization import Held
from signbin.ir.requantize import requantization_of
from signbin.ir.schema import Arguments, Op, TypeRule
from signbin.ir.verify import verify

__all__ = ["interpret", "interpret_node", "real_values"]


def interpret(graph: Graph, inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[Any]]:
    """Every value of the graph by name, inputs included, for the given inputs.

    inputs: float32 arrays [N,...] by input name, the same N >= 1 for all. f32 values are float32:
    each op accumulates in float64 and its result is rounded to float32 once, so a chain of ops is
    as exact as float32 values between them allow; outside the range of float32 they become inf.
    u8 values are uint8 codes; nodes that read or write them are exact, see requantization.py: every
    kernel gives the same bits. Raises VerifyError for a graph that breaks the rules and
    ExecutionError for inputs that do not fit.
    """
    verify(graph)
    _expect_inputs(graph, inputs)
    values: dict[str, NDArray[Any]] = {value.name: inputs[value.name] for value in graph.inputs}
    types = {value.name: value.type for value in graph.inputs}
    for node in graph.nodes:
        operand_types = tuple(types[name] for name in node.inputs)
        operands = tuple(values[name] for name in node.inputs)
        values[node.name] = _computed(node, operand_types, graph.constants, operands)
        types[node.name] = node.type
    return values


def interpret_node(graph: Graph, node: Node, operands: tuple[Held, ...]) -> Held:
    """What one node of a verified graph makes of operands as :func:`interpret` holds them."""
    types = tuple(graph.type_of(name) for name in node.inputs)
    return _computed(node, types, graph.constants, operands)


def real_values(graph: Graph, values: Mapping[str, Held]) -> dict[str, NDArray[np.float32]]:
    """The numbers that values of the graph stand for: u8 codes dequantised, f32 as they are."""
    types = graph.types()
    real = {}
    for name, held in values.items():
        spec = types[name].quantization
        real[name] = cast(
            NDArray[np.float32],
            held if spec is None else spec.dequantized(cast(NDArray[np.uint8], held)),
        )
    return real


def _computed(
    node: Node,
    types: tuple[TensorType, ...],
    constants: Mapping[str, Constant],
    operands: tuple[Held, ...],
) -> Held:
    op = OPS[node.op]
    arguments = Arguments(node, types, op.resolve(node), constants)
    compute = _integer if arguments.quantized else _real
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(compute(op, arguments, operands))


def _real(op: Op, arguments: Arguments, operands: tuple[Held, ...]) -> NDArray[np.float32]:
    assert op.reference is not None
    wide = tuple(operand.astype(np.float64) for operand in operands)
    return op.reference(arguments, wide).astype(np.float32)


def _integer(op: Op, arguments: Arguments, operands: tuple[Held, ...]) -> Held:
    assert op.integer_reference is not None
    if op.types is TypeRule.JOINED:
        joined = tuple(_part(arguments, index, part) for index, part in enumerate(operands))
        return op.integer_reference(arguments, None, joined)
    keeps_codes = op.types is TypeRule.KEPT
    constants = None if keeps_codes else requantization_of(arguments)
    return op.integer_reference(arguments, constants, operands)


def _part(arguments: Arguments, index: int, codes: Held) -> Held:
    """One of several values that are joined, as what the result holds."""
    constants = requantization_of(arguments, part=index)
    return constants.finish(codes.astype(np.float32) - np.float32(constants.input_zero))


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
