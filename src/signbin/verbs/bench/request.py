"""What a benchmark is asked to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from signbin.errors import SpecError
from signbin.measure import LIMITS, Schedule, find_family, find_peer

__all__ = ["BenchRequest", "parse_peer_python"]

_UNLIMITED = "auto"


@dataclasses.dataclass(frozen=True)
class BenchRequest:
    """What to time, against what, and how.

    against: names of PEERS. peer_isa: an instruction set to limit those peers to that have a
    switch for it; ``auto`` limits none. peer_python: interpreter by family, default ours.
    calibration: samples that quantised peers take their ranges from and outputs are compared on,
    as ``compile --calibrate`` reads them; None is generated noise. float_model: the .sbn file
    that a model with 8-bit activations was made from; None dequantises the model itself.

    SpecError for a name that is none, twice the same peer, or an interpreter nobody needs.
    """

    model: Path
    against: tuple[str, ...] = ()
    threads: int = 1
    isa: str = "auto"
    jit: bool | None = None
    batch: int = 1
    schedule: Schedule = dataclasses.field(default_factory=Schedule)
    peer_isa: str = _UNLIMITED
    peer_python: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    calibration: Path | None = None
    float_model: Path | None = None

    def __post_init__(self) -> None:
        needed = self._families()
        if len(set(self.against)) != len(self.against):
            raise SpecError("engines to compare with", value=self.against, allowed="each once")
        if self.peer_isa not in (_UNLIMITED, *LIMITS):
            allowed = ", ".join((_UNLIMITED, *LIMITS))
            raise SpecError("--peer-isa", value=self.peer_isa, allowed=allowed)
        for name in sorted(set(self.peer_python) - needed):
            raise SpecError(
                "interpreter of a family of engines",
                value=name,
                allowed=", ".join(sorted(needed)) or "none without --against",
            )

    def _families(self) -> set[str]:
        engines = [find_peer(name) for name in self.against]
        prepared = {each.family.name for engine in engines for each in engine.preparations}
        return {engine.family.name for engine in engines} | prepared


def parse_peer_python(text: str) -> tuple[str, Path]:
    """``FAMILY=PATH`` as given on a command line; SpecError for anything else."""
    name, separator, path = text.partition("=")
    if not separator or not path:
        raise SpecError("--peer-python", value=text, allowed="FAMILY=PATH of a Python interpreter")
    return find_family(name).name, Path(path)
