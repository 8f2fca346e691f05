"""Rows that reduce axes to one element: sums, means, norms, largest and least."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

from signbin.draft import Entry, Unsupported, Variable
from signbin.draft.composed import log_of_sums
from signbin.ir import BATCH
from signbin.onnx_reader.node import OnnxNode, Row, Rows

__all__ = ["REDUCTIONS"]


def _axes(node: OnnxNode, x: Variable) -> list[int] | None:
    """What is reduced; None for nothing."""
    stated = node.stated(1, "axes")
    if not stated:
        if node.attribute("noop_with_empty_axes", 0):
            return None
        stated = list(range(len(x.shape) - node.lead))
    axes = [node.axis(axis, x) for axis in stated]
    if BATCH in axes:
        raise Unsupported("over the images too", "state axes without the batch")
    return axes


def _reduced(
    node: OnnxNode, x: Variable, operator: str, axes: Sequence[int], suffix: str = ""
) -> Variable:
    keep = bool(node.attribute("keepdims", 1))
    made = node.say(operator, self=x, dim=list(axes), keepdim=keep, dtype=None, suffix=suffix)
    assert isinstance(made, Variable)
    return made


def _reduce(operator: str, before: str = "", after: str = "") -> Row:
    """The operator on a function of every element, and a function of what comes out."""

    def row(node: OnnxNode) -> Entry:
        x = node.variable()
        axes = _axes(node, x)
        if before:
            x = _applied(node, x, before, ".before" if axes is not None or after else "")
        if axes is not None:
            x = _reduced(node, x, operator, axes, ".whole" if after else "")
        return _applied(node, x, after, "") if after else x

    return row


def _applied(node: OnnxNode, x: Variable, function: str, suffix: str) -> Variable:
    made = node.say(f"{function}.default", self=x, shape=x.shape, suffix=suffix)
    assert isinstance(made, Variable)
    return made


def _log_sum_exp(node: OnnxNode) -> Entry:
    """The largest, and log of the sum of e^ of what is below it."""
    x = node.variable()
    axes = _axes(node, x)
    if axes is None:
        return x
    call = node.call({})
    _, log = log_of_sums(call, x, axes)
    most = _reduced(node, x, "amax.default", axes, ".most_of_all")
    flat: dict[str, Any] = {"self": Variable(log.name, most.shape, log.stored), "other": most}
    return node.say("add.Tensor", alpha=1, **flat)


REDUCTIONS: Final[Rows] = MappingProxyType(
    {
        "ReduceMean": _reduce("mean.dim"),
        "ReduceSum": _reduce("sum.dim_IntList"),
        "ReduceMax": _reduce("amax.default"),
        "ReduceMin": _reduce("amin.default"),
        "ReduceL1": _reduce("sum.dim_IntList", before="abs"),
        "ReduceL2": _reduce("sum.dim_IntList", before="square", after="sqrt"),
        "ReduceSumSquare": _reduce("sum.dim_IntList", before="square"),
        "ReduceLogSum": _reduce("sum.dim_IntList", after="log"),
        "ReduceLogSumExp": _log_sum_exp,
    }
)
"""Operator of ONNX -> its row."""
