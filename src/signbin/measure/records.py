"""What a benchmark leaves: frozen records that become JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from signbin.measure.agreement import Agreement
from signbin.measure.timing import Ratio, Times
from signbin.measure.worker import Facts

__all__ = ["Bench", "EngineRecord", "PeerRecord"]


@dataclasses.dataclass(frozen=True)
class EngineRecord:
    """One engine's times, what it said of itself, and its process's memory in bytes."""

    times: Times
    facts: Facts
    memory: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Times in ms; ``threads``, ``cores``, ``load_ms``, ``peak_bytes``, ``version``..."""
        return {
            **self.times.to_json(),
            "threads": self.facts.threads,
            "cores": list(self.facts.cores),
            "load_ms": self.facts.load_ms,
            "import_ms": self.facts.import_ms,
            **self.memory,
            **self.facts.told,
        }


@dataclasses.dataclass(frozen=True)
class PeerRecord:
    """An engine we were compared with, paired: ratio = theirs / ours."""

    engine: EngineRecord
    ratio: Ratio
    agreement: Agreement
    description: str

    def to_json(self) -> dict[str, Any]:
        """As :meth:`EngineRecord.to_json`, with ``ratio``, its spread and the agreement."""
        return {
            **self.engine.to_json(),
            **self.ratio.to_json(),
            **dataclasses.asdict(self.agreement),
            "description": self.description,
        }


@dataclasses.dataclass(frozen=True)
class Bench:
    """One network timed on one machine, alone or against peers.

    model: name of the network. macs: dense multiply-accumulates per image, None where the file
    has no plan. rounds: turns of every side. accuracy: our output of the first image against the
    interpreter's. peers: by name.
    """

    model: str
    input_shape: tuple[int, ...]
    macs: int | None
    rounds: int
    ours: EngineRecord
    accuracy: Agreement
    peers: Mapping[str, PeerRecord]
    environment: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Our record at the top level, ``batch``, ``peers`` and ``environment`` beside it."""
        return {
            "model": self.model,
            "input_shape": list(self.input_shape),
            "batch": self.input_shape[0],
            "macs": self.macs,
            "rounds": self.rounds,
            **self.ours.to_json(),
            **dataclasses.asdict(self.accuracy),
            "peers": {name: peer.to_json() for name, peer in self.peers.items()},
            "environment": dict(self.environment),
        }
