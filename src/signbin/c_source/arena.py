"""Where every value of an exported network lives: bytes of one array that values share in turn.

What is combined pixel by pixel with an operand that nothing reads later takes that operand's place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from signbin.ir import Graph, Node
from signbin.layout.arena import Block, tightest_gap

__all__ = ["Arena", "plan_arena"]

_IN_PLACE = ("add", "subtract", "relu", "leaky_relu", "prelu", "clamp", "channel_bias", "unary")
_WORD = 4


@dataclasses.dataclass(frozen=True)
class Arena:
    """size_bytes: of the array. offsets: in bytes, by name. fullest: what it holds when full."""

    size_bytes: int
    offsets: Mapping[str, int]
    fullest: tuple[str, ...]


def plan_arena(graph: Graph, sizes: Mapping[str, int], same: Mapping[str, str]) -> Arena:
    """Largest first, each in the tightest gap that its lifetime leaves.

    sizes: in bytes, by name. same: values that are another one under a new name.
    """
    last = {name: step for step, node in enumerate(graph.nodes) for name in node.inputs}
    place: dict[str, str] = {}
    blocks: dict[str, Block] = {}
    for step, node in enumerate(graph.nodes):
        if node.name not in sizes:
            continue
        size, until = -(-sizes[node.name] // _WORD) * _WORD, last.get(node.name, step)
        taken = same.get(node.name) or _replaced(node, step, last, sizes, place)
        root = node.name if taken is None else place[taken]
        place[node.name] = root
        held = blocks.get(root, Block(0, size, step, step))
        blocks[root] = dataclasses.replace(held, last=max(held.last, until))
    placed = _placed(blocks)
    end = max((block.offset + block.size for block in placed.values()), default=0)
    offsets = {name: placed[root].offset for name, root in place.items()}
    return Arena(end, offsets, _fullest(graph, placed))


def _replaced(
    node: Node,
    step: int,
    last: Mapping[str, int],
    sizes: Mapping[str, int],
    place: Mapping[str, str],
) -> str | None:
    """The operand whose place the node's value takes."""
    operands = node.inputs[1:] if node.op == "conv2d" else node.inputs
    if node.op not in (*_IN_PLACE, "conv2d"):
        return None
    for name in operands:
        single = node.inputs.count(name) == 1
        if name in place and last[name] == step and single and sizes[name] == sizes[node.name]:
            return name
    return None


def _placed(blocks: Mapping[str, Block]) -> dict[str, Block]:
    placed: dict[str, Block] = {}
    for name, block in sorted(blocks.items(), key=lambda item: (-item[1].size, item[1].first)):
        neighbours = [other for other in placed.values() if other.shares_time(block)]
        placed[name] = dataclasses.replace(block, offset=tightest_gap(neighbours, block.size))
    return placed


def _fullest(graph: Graph, placed: Mapping[str, Block]) -> tuple[str, ...]:
    """Names of the values at the step where most bytes are live."""
    live = [
        tuple(name for name, block in placed.items() if block.first <= step <= block.last)
        for step in range(len(graph.nodes))
    ]
    return max(live, key=lambda names: sum(placed[name].size for name in names), default=())
