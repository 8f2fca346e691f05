"""What a server does at most, and how long it waits."""

from __future__ import annotations

import dataclasses
import math

from signbin.errors import SpecError

__all__ = ["ServingLimits"]


@dataclasses.dataclass(frozen=True)
class ServingLimits:
    """Bounds of one server; SpecError for numbers that are none.

    batch: rows that are run together at most. delay_ms: how long the first request of a batch waits
    for others at most. queue: requests that wait for one model. timeout_s: from a request's first
    byte to its answer, and until that is taken. header_s: for its headers. body_bytes: of a
    request, unpacked. stop_s: for requests at work when the server is told to stop. reload_s:
    between looks at files. connections: whose requests are read; times body_bytes, it bounds the
    memory that they take.
    """

    batch: int = 8
    delay_ms: float = 0.0
    queue: int = 256
    timeout_s: float = 30.0
    header_s: float = 10.0
    body_bytes: int = 64 * 2**20
    stop_s: float = 30.0
    reload_s: float = 1.0
    connections: int = 1024

    def __post_init__(self) -> None:
        bounds = {
            "batch": (1, 4096),
            "delay_ms": (0, 10_000),
            "queue": (1, 1_000_000),
            "timeout_s": (0.01, 86_400),
            "header_s": (0.01, 86_400),
            "body_bytes": (1, 2**40),
            "stop_s": (0, 86_400),
            "reload_s": (0.01, 86_400),
            "connections": (1, 1_000_000),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise SpecError(f"limit {name}", value=value, allowed=f"{low}..{high}")
