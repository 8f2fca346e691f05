"""Static memory plan: where in one arena every value of a graph lives."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from signbin.ir import Graph, TensorType

__all__ = [
    "ALIGNMENT_BYTES",
    "FLOAT_BYTES",
    "Block",
    "MemoryPlan",
    "element_bytes",
    "find_overlaps",
    "plain_bytes",
    "plan_memory",
    "tightest_gap",
]

ALIGNMENT_BYTES: Final = 64
"""Offsets and sizes are multiples of this: one cache line, one AVX-512 vector."""
FLOAT_BYTES: Final = 4
"""Bytes per float32 number, the largest element there is."""


@dataclasses.dataclass(frozen=True)
class Block:
    """One value's memory. It is live from step ``first`` to step ``last``, both included.

    Step i runs node i; step -1 is before the first node, when inputs are written; the step after
    the last node is when outputs are read.
    """

    offset: int
    size: int
    first: int
    last: int

    def shares_time(self, other: Block) -> bool:
        """Whether both are live at some step."""
        return self.first <= other.last and other.first <= self.last

    def shares_memory(self, other: Block) -> bool:
        """Whether their bytes overlap."""
        return self.offset < other.offset + other.size and other.offset < self.offset + self.size


@dataclasses.dataclass(frozen=True)
class MemoryPlan:
    """Bytes of one image: the arena holds one at a time, whatever the batch.

    arena_bytes: size of the arena. blocks: by name, of every value that was to be placed. Two
    values that are live at the same step never overlap, so a node never writes over its inputs.
    """

    arena_bytes: int
    blocks: Mapping[str, Block]

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", MappingProxyType(dict(self.blocks)))

    @property
    def offsets(self) -> Mapping[str, int]:
        """Byte offset of every placed value in the arena."""
        return MappingProxyType({name: block.offset for name, block in self.blocks.items()})


def plan_memory(graph: Graph, sizes: Mapping[str, int] | None = None) -> MemoryPlan:
    """Place values: largest first, each in the tightest gap its lifetime leaves open.

    sizes: bytes of every value to place, by name, e.g. from its layout; None places all values of
    the graph, inputs and outputs included, in plain order.

    Greedy best fit by size over the lifetimes in execution order (Pisarchyk and Lee, "Efficient
    Memory Management for Deep Neural Net Inference", 2020, greedy by size for offset
    calculation). Not optimal, never below the largest step, never above the sum of all values.
    """
    placed: dict[str, Block] = {}
    lifetimes = _lifetimes(graph, sizes)
    for name, block in sorted(lifetimes.items(), key=lambda item: (-item[1].size, item[1].first)):
        neighbours = [other for other in placed.values() if other.shares_time(block)]
        placed[name] = dataclasses.replace(block, offset=tightest_gap(neighbours, block.size))
    arena = max((block.offset + block.size for block in placed.values()), default=0)
    return MemoryPlan(arena, {name: placed[name] for name in lifetimes})


def find_overlaps(plan: MemoryPlan) -> tuple[tuple[str, str], ...]:
    """Pairs of values that are live at the same step and share memory: none in a sound plan."""
    names = list(plan.blocks)
    return tuple(
        (first, second)
        for index, first in enumerate(names)
        for second in names[index + 1 :]
        if plan.blocks[first].shares_time(plan.blocks[second])
        and plan.blocks[first].shares_memory(plan.blocks[second])
    )


def _lifetimes(graph: Graph, sizes: Mapping[str, int] | None) -> dict[str, Block]:
    """Size, first and last step of every value to place, not placed yet."""
    first = {value.name: -1 for value in graph.inputs}
    last = dict(first)
    for step, node in enumerate(graph.nodes):
        first[node.name] = last[node.name] = step
        last.update(dict.fromkeys(node.inputs, step))
    last.update(dict.fromkeys(graph.outputs, len(graph.nodes)))
    if sizes is None:
        types = graph.types()
        sizes = {name: plain_bytes(type_) for name, type_ in types.items()}
    return {name: Block(0, _aligned(size), first[name], last[name]) for name, size in sizes.items()}


def element_bytes(dtype: str, code_bytes: int = 2) -> int:
    """Bytes per element of a dtype.

    code_bytes: of a u8 code. Where the processor adds 16-bit numbers from memory, programs hold
    codes as such; where its additions widen bytes, as bytes.

    >>> element_bytes("f32"), element_bytes("u8"), element_bytes("u8", code_bytes=1)
    (4, 2, 1)
    """
    return code_bytes if dtype == "u8" else FLOAT_BYTES


def plain_bytes(type_: TensorType, code_bytes: int = 2) -> int:
    """Bytes per image of a value in plain order; code_bytes as for :func:`element_bytes`."""
    return element_bytes(type_.dtype, code_bytes) * math.prod(type_.shape[1:])


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def tightest_gap(neighbours: list[Block], size: int) -> int:
    """Offset of the smallest gap between the neighbours that holds size; else after them all."""
    best_offset, best_slack = -1, -1
    end = 0
    for block in sorted(neighbours, key=lambda block: block.offset):
        slack = block.offset - end - size
        if slack >= 0 and (best_offset < 0 or slack < best_slack):
            best_offset, best_slack = end, slack
        end = max(end, block.offset + block.size)
    return end if best_offset < 0 else best_offset
