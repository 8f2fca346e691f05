"""Which networks may take inputs of any size: those that are one rule at two of them."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from signbin.errors import CaptureError, SignbinError, SpecError, VerifyError
from signbin.ir import (
    Graph,
    Value,
    differing_nodes,
    with_extents,
    with_following_extents,
    with_free_axes,
)
from signbin.passes import lower
from signbin.verbs.graphs import graph_of
from signbin.verbs.source import Source, is_onnx

__all__ = ["FreeSizes", "with_free_sizes"]

_STEP: Final = 32  # networks halve their maps five times, most of them
_SHOWN: Final = 4


FreeSizes: TypeAlias = "bool | Mapping[str, Sequence[int]]"
"""Whether every axis behind the channels is free; or which axes of which inputs are."""


def with_free_sizes(source: Source, graph: Graph, wanted: FreeSizes) -> Graph:
    """The captured graph of a source with some axes of its inputs free.

    The network is captured a second time at another size, and a third time at one that nothing
    divides: lowered, all must be the same function, operation by operation, constants included. One
    extent of a reshape may follow from the size; what was worked out for some sizes alone (a window
    as large as the map, padding that an odd size needs) is refused with its name.

    SpecError where no input has such an axis, or for axes that are none; CaptureError where the
    network cannot be captured at another size, or depends on it.
    """
    axes = _axes(graph, wanted)
    free = with_free_axes(graph, axes)
    extents, other = _at_another_size(source, free)
    rule = with_following_extents(free, other)
    lowered = lower(rule)
    _expect_one_rule(lowered, lower(with_following_extents(other, free)), extents)
    odd = _odd_extents(free.inputs)
    other_still = _at_odd_size(source, free, lowered, odd)
    if other_still is not None:
        _expect_one_rule(lowered, lower(with_following_extents(other_still, free)), odd)
    return rule


def _axes(graph: Graph, wanted: FreeSizes) -> dict[str, tuple[int, ...]]:
    ranks = {value.name: len(value.type.shape) for value in graph.inputs}
    axes: dict[str, tuple[int, ...]] = {}
    if isinstance(wanted, Mapping):
        axes = {str(name): _in_order(given) for name, given in wanted.items()}
    elif wanted is True:
        axes = {name: tuple(range(2, rank)) for name, rank in ranks.items() if rank > 2}
    legal = all(
        name in ranks and given and set(given) <= set(range(1, ranks[name]))
        for name, given in axes.items()
    )
    if not axes or not legal:
        raise SpecError(
            "free sizes",
            value=wanted,
            allowed="True, for inputs (N, C, H, W) or (N, C, L); or axes behind the batch by input"
            + "".join(f", {value.name}: {value.type}" for value in graph.inputs),
            remedy="as {'x': (2, 3)}",
        )
    return axes


def _in_order(given: Any) -> tuple[int, ...]:
    """Axes, each once; none where they are no whole numbers."""
    whole = isinstance(given, Iterable) and all(type(axis) is int for axis in given)
    return tuple(sorted(set(given))) if whole else ()


def _at_another_size(source: Source, graph: Graph) -> tuple[dict[str, tuple[int, ...]], Graph]:
    failure: SignbinError | None = None
    for extents in _other_extents(graph.inputs):
        try:
            return extents, _captured_at(source, graph, extents)
        except SignbinError as error:
            failure = failure or error
    raise CaptureError(
        "free sizes: the network cannot be captured at another size",
        reason=str(failure),
        remedy="compile it for one size",
    ) from failure


def _at_odd_size(
    source: Source, graph: Graph, rule: Graph, extents: Mapping[str, tuple[int, ...]]
) -> Graph | None:
    """None where the network does not take such a size, or a program refuses it by name."""
    try:
        with_extents(rule, extents)
        return _captured_at(source, graph, extents)
    except SignbinError:
        return None


def _captured_at(source: Source, graph: Graph, extents: Mapping[str, tuple[int, ...]]) -> Graph:
    made = [_example(source, value, extents[value.name]) for value in graph.inputs]
    with _quiet_tracing():
        return graph_of(dataclasses.replace(source, example_inputs=tuple(made)))


@contextlib.contextmanager
def _quiet_tracing() -> Iterator[None]:
    """A size that a network cannot take is an answer here, no crash for PyTorch to print."""
    loud = logging.getLogger("torch._subclasses.fake_tensor")
    before, loud.disabled = loud.disabled, True
    try:
        yield
    finally:
        loud.disabled = before


def _other_extents(inputs: tuple[Value, ...]) -> Iterator[dict[str, tuple[int, ...]]]:
    """Larger ones: by some pixels, more in width than in height; then twice as large."""
    for times, step in ((1, _STEP), (2, 0)):
        yield {
            value.name: tuple(
                extent * times + step * axis if axis in value.free else extent
                for axis, extent in enumerate(value.type.shape[1:], start=1)
            )
            for value in inputs
        }


def _odd_extents(inputs: tuple[Value, ...]) -> dict[str, tuple[int, ...]]:
    """Larger ones of 32 n - 1 along even axes, 32 n + 1 along others.

    The first stay odd however often they are halved downwards, the others upwards.
    """
    return {
        value.name: tuple(
            (extent // _STEP + 2) * _STEP + (1 if axis % 2 else -1)
            if axis in value.free
            else extent
            for axis, extent in enumerate(value.type.shape[1:], start=1)
        )
        for value in inputs
    }


def _example(source: Source, value: Value, extents: tuple[int, ...]) -> Any:
    """Zeros in the source's own kind of array; two, so that no batch of one is baked in."""
    if is_onnx(source.model):
        return np.zeros((2, *extents), np.float32)
    import torch  # noqa: PLC0415 - the source is a module: torch is there

    return torch.zeros(2, *extents)


def _expect_one_rule(one: Graph, other: Graph, extents: Mapping[str, tuple[int, ...]]) -> None:
    try:
        resized = with_extents(one, extents)
    except VerifyError as error:
        raise _other_network(str(error)) from error
    found = list(differing_nodes(resized, other))
    if not found:
        found = [
            f"{first.source or 'forward'}: {first.op} {first.name} gives {first.type}, "
            f"but {second.type} at another size"
            for first, second in zip(resized.nodes, other.nodes, strict=True)
            if first.type != second.type
        ]
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise _other_network("; ".join(found[:_SHOWN]) + more)


def _other_network(reason: str) -> CaptureError:
    return CaptureError(
        "free sizes: the network is another one at another size",
        reason=reason,
        allowed="operations that do not depend on height and width",
        remedy="use AdaptiveAvgPool2d(1) for windows as large as the map and scale_factor for "
        "resizing, or compile it for one size",
    )
