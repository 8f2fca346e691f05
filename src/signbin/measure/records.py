"""What a benchmark leaves: frozen records that become JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Final

from signbin.measure.agreement import Agreement
from signbin.measure.peers import Engine
from signbin.measure.timing import Ratio, Times
from signbin.measure.worker import Facts

__all__ = [
    "Bench",
    "Chosen",
    "EngineRecord",
    "InstructionSet",
    "NodeAgreement",
    "PeerRecord",
    "instruction_set",
    "not_comparable",
]


_BEYOND: Final[Mapping[str, tuple[str, ...]]] = {
    "avx2": ("avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "amx_int8")
}
"""What a CPU may have beyond an instruction set that engines can be limited to."""


@dataclasses.dataclass(frozen=True)
class NodeAgreement:
    """Our nodes, each against the interpreter on the operands that our program had.

    values, differing: numbers and codes of nodes on codes, and how many are not the interpreter's
    bits. float_nodes: nodes on float32 alone; max_relative_error: of the worst of them.
    """

    values: int
    differing: int
    float_nodes: int
    max_relative_error: float


@dataclasses.dataclass(frozen=True)
class EngineRecord:
    """One engine's times, what it said of itself, and its process's memory in bytes."""

    times: Times
    facts: Facts
    memory: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Times in ms; ``threads``, ``cores``, ``load_ms``, ``peak_bytes``, ``version``...

        What the engine says of itself comes first: it cannot replace what was measured.
        """
        return {
            **self.facts.told,
            **self.times.to_json(),
            "threads": self.facts.threads,
            "cores": list(self.facts.cores),
            "load_ms": self.facts.load_ms,
            "import_ms": self.facts.import_ms,
            **self.memory,
        }


@dataclasses.dataclass(frozen=True)
class Chosen:
    """Which preparation of a model raced, and what came of the others.

    All of them raced; this one had the best ratio. facts: what the preparation said of itself.
    medians_ms: of every candidate. refused: why a candidate could not race.
    """

    name: str
    description: str
    facts: Mapping[str, Any]
    medians_ms: Mapping[str, float]
    refused: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """All of it, as one object."""
        return {
            "name": self.name,
            "description": self.description,
            "facts": dict(self.facts),
            "medians_ms": dict(self.medians_ms),
            "refused": dict(self.refused),
        }


@dataclasses.dataclass(frozen=True)
class InstructionSet:
    """What an engine ran with, who says so, and what it was limited to ("" for nothing)."""

    name: str
    source: str
    limit: str = ""

    def to_json(self) -> dict[str, Any]:
        """``isa``, ``isa_from``, ``isa_limit`` (None for nothing)."""
        return {"isa": self.name, "isa_from": self.source, "isa_limit": self.limit or None}


def instruction_set(
    engine: Engine, told: Mapping[str, Any], flags: Collection[str], limit: str = ""
) -> InstructionSet:
    """What the engine says it runs, else the widest of its own that the CPU's flags have."""
    if isinstance(told.get("isa"), str):
        source = told.get("isa_from")
        return InstructionSet(
            told["isa"], source if isinstance(source, str) else "the engine", limit
        )
    widest = next((isa for isa in engine.instruction_sets if isa in flags), "")
    return InstructionSet(widest or "unknown", "the CPU's flags" if widest else "nothing", limit)


def not_comparable(
    engine: Engine, found: InstructionSet, asked: str, flags: Collection[str]
) -> str:
    """Why an engine's times do not compare where all were limited to ``asked``; "" where they do.

    They do not where the engine has no switch, the CPU has instructions beyond the limit, and
    nothing says that the engine kept to it all the same.
    """
    beyond = [flag for flag in _BEYOND.get(asked, ()) if flag in flags]
    if not beyond or found.limit or found.name == asked:
        return ""
    return (
        f"{engine.name} has no switch that limits it to {asked}, and the CPU has "
        f"{', '.join(beyond)}: it ran {found.name}"
    )


@dataclasses.dataclass(frozen=True)
class PeerRecord:
    """An engine we were compared with, paired: ratio = theirs / ours.

    agreement: its output against the float network's. chosen: where the model was prepared.
    not_comparable: why the ratio says nothing where all were to run one instruction set; "" where
    it does.
    """

    engine: EngineRecord
    ratio: Ratio
    agreement: Agreement
    description: str
    instruction_set: InstructionSet
    chosen: Chosen | None = None
    not_comparable: str = ""

    def to_json(self) -> dict[str, Any]:
        """As :meth:`EngineRecord.to_json`, with ``ratio``, its spread and the agreement."""
        return {
            **self.engine.to_json(),
            **self.ratio.to_json(),
            **dataclasses.asdict(self.agreement),
            **self.instruction_set.to_json(),
            "variables": dict(self.engine.facts.variables),
            "description": self.description,
            "preparation": self.chosen and self.chosen.to_json(),
            "not_comparable": self.not_comparable,
        }


@dataclasses.dataclass(frozen=True)
class Bench:
    """One network timed on one machine, alone or against peers.

    model: name of the network. activations: ``f32`` or ``u8``, inside our program. macs: dense
    multiply-accumulates per image, None where the file has no plan. rounds: turns of every side;
    calm_turns: how many of all turns began on calm cores, None where nobody waited for them.
    accuracy: our output of the first checked image against the interpreter's; tolerance: how far
    it may be from it; nodes: the same, node by node. float_network:
    where the network with float weights and activations came from that the peers were given;
    against_float: our output against that network's. samples: which images outputs were compared
    on (``checked``), and which quantised peers took their ranges from (``calibration``). peers:
    by name. failures: why the other peers that were asked for have no times, by name.
    """

    model: str
    activations: str
    input_shape: tuple[int, ...]
    macs: int | None
    rounds: int
    calm_turns: int | None
    ours: EngineRecord
    accuracy: Agreement
    tolerance: float
    nodes: NodeAgreement
    float_network: str
    against_float: Agreement
    samples: Mapping[str, str]
    peers: Mapping[str, PeerRecord]
    failures: Mapping[str, str]
    environment: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Our record at the top level, ``batch``, ``peers`` and ``environment`` beside it."""
        return {
            "model": self.model,
            "activations": self.activations,
            "input_shape": list(self.input_shape),
            "batch": self.input_shape[0],
            "macs": self.macs,
            "rounds": self.rounds,
            "calm_turns": self.calm_turns,
            **self.ours.to_json(),
            **dataclasses.asdict(self.accuracy),
            "tolerance": self.tolerance,
            "nodes": dataclasses.asdict(self.nodes),
            "float_network": self.float_network,
            "against_float": dataclasses.asdict(self.against_float),
            "samples": dict(self.samples),
            "peers": {name: peer.to_json() for name, peer in self.peers.items()},
            "failures": dict(self.failures),
            "environment": dict(self.environment),
        }
