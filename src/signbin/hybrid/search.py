"""Which parts of a network signbin can have: as large as can be, and worth the handing over."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from onnx import ModelProto

from signbin.errors import SignbinError
from signbin.hybrid.content import PartEngine
from signbin.hybrid.cut import Cut, Piece, cut_network
from signbin.hybrid.extract import extract
from signbin.hybrid.network import OnnxNetwork
from signbin.ir import ConstRef, Graph
from signbin.runtime import Program

__all__ = ["Found", "NodesRefused", "PartCompiler", "find_parts"]

PartCompiler: TypeAlias = Callable[[Piece, ModelProto], Program]
"""From a piece, and its model, to its program; a SignbinError where it cannot have one.

NodesRefused where it could have one without some nodes.
"""

_LEAST_WORK: Final = 20_000  # multiply-adds: less takes less time than handing values over
_MOVING: Final = frozenset(("Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"))
_WORKING: Final = frozenset(("Conv", "ConvTranspose", "Gemm", "MatMul"))


class NodesRefused(SignbinError):
    """Some nodes of a piece cannot be signbin's; reasons: why, by their numbers in the network."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        super().__init__("nodes of a part", reason="; ".join(dict.fromkeys(reasons.values())))
        self.reasons = reasons


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """A cut, the programs of signbin's pieces, and why nodes are ONNX Runtime's."""

    cut: Cut
    programs: Mapping[Piece, Program]
    reasons: Mapping[int, str]


def find_parts(
    network: OnnxNetwork,
    reasons: Mapping[int, str],
    compile_part: PartCompiler,
    known: Mapping[Piece, Program] | None = None,
) -> Found:
    """The largest pieces that signbin can run and that hold layers with some work.

    reasons: why nodes are ONNX Runtime's, by number; all others are tried. A piece of which some
    nodes are refused is tried again without those; one that is refused as a whole, without the
    reshapes at its ends: what they make of an image may be what no program hands on, and says
    nothing against the layers before them.
    known: programs of pieces that were compiled before.
    """
    compiled, said = dict(known or {}), dict(reasons)
    while True:
        cut = cut_network(network, network.moving_set - said.keys())
        refused: dict[int, str] = {}
        for piece in cut.of(PartEngine.SIGNBIN):
            if piece in compiled:
                continue
            program, why = _program(network, piece, compile_part)
            if program is not None:
                compiled[piece] = program
            elif isinstance(why, str):
                refused |= dict.fromkeys(_last_movers(network, piece) or piece.nodes, why)
            else:
                refused |= why
        if not refused:
            programs = {piece: compiled[piece] for piece in cut.of(PartEngine.SIGNBIN)}
            return Found(cut, programs, said)
        said |= refused


def _last_movers(network: OnnxNetwork, piece: Piece) -> list[int]:
    """Nodes that only rearrange numbers, and whose results leave the piece."""
    return [
        node
        for node in piece.nodes
        if network.nodes[node].op_type in _MOVING and set(network.writes[node]) & set(piece.outputs)
    ]


def _program(
    network: OnnxNetwork, piece: Piece, compile_part: PartCompiler
) -> tuple[Program | None, str | Mapping[int, str]]:
    if not any(network.nodes[node].op_type in _WORKING for node in piece.nodes):
        return None, "no layer with weights among those around it"
    try:
        program = compile_part(piece, extract(network, piece))
    except NodesRefused as error:
        return None, error.reasons
    except SignbinError as error:
        return None, f"signbin refuses it: {error}"
    if _work(program.graph) < _LEAST_WORK:
        return None, "no layer of any size among those around it"
    return program, ""


def _work(graph: Graph) -> int:
    """Multiply-adds of all layers, for one image."""
    total = 0
    for node in graph.nodes:
        reference = node.attributes.get("weight")
        if not isinstance(reference, ConstRef):
            continue
        shape = graph.constants[reference.name].shape
        total += math.prod(shape) * math.prod(node.type.shape[2:])
    return total
