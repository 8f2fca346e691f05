"""Where a network is cut: into parts that signbin runs, and as few for ONNX Runtime as can be.

Every node gets a level: the number of times the engine changes on the way to it, where it changes
most often. Even levels are ONNX Runtime's, odd ones signbin's. A value never flows to a lower
level, so the nodes of one level can run together, after those of the level before; for ONNX
Runtime they are one part, for signbin every connected group of them is one. Any chain of nodes from
a part back to itself stays on one level and is therefore inside the part: parts are convex.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Set
from typing import Final

from signbin.hybrid.content import PartEngine
from signbin.hybrid.network import OnnxNetwork

__all__ = ["Cut", "CutLimits", "Piece", "cut_network"]


@dataclasses.dataclass(frozen=True)
class Piece:
    """A part of a network: its nodes in order, and the values it is handed and hands on."""

    engine: PartEngine
    nodes: tuple[int, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Cut:
    """The pieces of a network, in an order in which they can run."""

    pieces: tuple[Piece, ...]

    def of(self, engine: PartEngine) -> tuple[Piece, ...]:
        """The pieces that an engine runs."""
        return tuple(piece for piece in self.pieces if piece.engine is engine)


@dataclasses.dataclass(frozen=True)
class CutLimits:
    """How many values a piece of signbin's may be handed, and hand on; None: any number."""

    inputs: int | None = None
    outputs: int | None = None


_ANY: Final = CutLimits()


def cut_network(network: OnnxNetwork, ours: Set[int], limits: CutLimits = _ANY) -> Cut:
    """Cut so that signbin runs the nodes of ``ours``, and ONNX Runtime all others.

    ours: numbers of nodes; fixed ones need not be named. Where a piece would have more inputs or
    outputs than the limits, its longest run between two places at which a single value flows is
    kept, and the nodes around it go to ONNX Runtime. A network whose outputs are its inputs has no
    piece at all.
    """
    chosen = set(ours) & network.moving_set
    while True:
        pieces = _pieces(network, chosen)
        refused = {
            node
            for piece in pieces
            if piece.engine is PartEngine.SIGNBIN and not _within(piece, limits)
            for node in set(piece.nodes) - set(_single_run(network, piece))
        }
        if not refused:
            return Cut(pieces)
        chosen -= refused


def _within(piece: Piece, limits: CutLimits) -> bool:
    most = ((piece.inputs, limits.inputs), (piece.outputs, limits.outputs))
    return all(limit is None or len(values) <= limit for values, limit in most)


def _pieces(network: OnnxNetwork, ours: Set[int]) -> tuple[Piece, ...]:
    levels = _levels(network, ours)
    pieces = []
    for level in sorted(set(levels.values())):
        nodes = [node for node in network.moving if levels[node] == level]
        if level % 2 == 0:
            pieces.append(_piece(network, PartEngine.ONNX_RUNTIME, nodes))
        else:
            groups = _connected(network, nodes)
            pieces += [_piece(network, PartEngine.SIGNBIN, group) for group in groups]
    return tuple(pieces)


def _levels(network: OnnxNetwork, ours: Set[int]) -> dict[int, int]:
    levels: dict[int, int] = {}
    for node in network.moving:
        before = max((levels[need] for need in network.needs[node] if need in levels), default=0)
        levels[node] = before + (before % 2 != (node in ours))
    return levels


def _connected(network: OnnxNetwork, nodes: list[int]) -> list[list[int]]:
    """Groups that values join, in the order of their first nodes."""
    group = {node: node for node in nodes}

    def root(node: int) -> int:
        while group[node] != node:
            group[node] = group[group[node]]
            node = group[node]
        return node

    for node in nodes:
        for need in network.needs[node]:
            if need in group:
                low, high = sorted((root(need), root(node)))
                group[high] = low
    groups: dict[int, list[int]] = {}
    for node in nodes:
        groups.setdefault(root(node), []).append(node)
    return list(groups.values())


def _piece(network: OnnxNetwork, engine: PartEngine, nodes: list[int]) -> Piece:
    inside = {name for node in nodes for name in network.writes[node]}
    read = dict.fromkeys(name for node in nodes for name in network.reads[node])
    inputs = tuple(name for name in read if name not in inside and network.flowing(name))
    return Piece(engine, tuple(nodes), inputs, _outward(network, set(nodes)))


def _outward(network: OnnxNetwork, nodes: set[int]) -> tuple[str, ...]:
    """Values of these nodes that others, or the caller, read."""
    wanted = set(network.outputs)
    for other in network.moving:
        if other not in nodes:
            wanted.update(network.reads[other])
    return tuple(name for node in sorted(nodes) for name in network.writes[node] if name in wanted)


def _single_run(network: OnnxNetwork, piece: Piece) -> tuple[int, ...]:
    """The longest run of a piece's nodes, in order, with one value before it and one after.

    At the place before the i-th node those values are alive that were there before it and are read
    by it or later; what leaves the piece is read at its end. Between two places at which one value
    alone is alive, nothing else comes in or goes out.
    """
    nodes, count = piece.nodes, len(piece.nodes)
    born = dict.fromkeys(piece.inputs, 0)
    last = dict.fromkeys(piece.outputs, count)
    for place, node in enumerate(nodes):
        for name in network.reads[node]:
            last[name] = max(last.get(name, 0), place)
        for name in network.writes[node]:
            born.setdefault(name, place + 1)
    changes = [0] * (count + 2)
    for name, place in born.items():
        if name in last:
            changes[place] += 1
            changes[last[name] + 1] -= 1
    alive, seams = 0, []
    for place in range(count + 1):
        alive += changes[place]
        if alive == 1:
            seams.append(place)
    return nodes[seams[0] : seams[-1]] if len(seams) > 1 else ()
