"""What a network in parts is made of, as frozen objects; what its file holds."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from signbin.artifact import Artifact
from signbin.errors import SpecError
from signbin.ir.form import Form, numbers_of
from signbin.spec import Preprocessing

__all__ = [
    "IN_EIGHT_BITS",
    "Decision",
    "HybridContent",
    "Part",
    "PartEngine",
    "PartedNetwork",
    "Port",
    "TimedWay",
]

IN_EIGHT_BITS: Final = "onnxruntime in 8 bits"
"""The way, as a decision calls it, in which ONNX Runtime has all of it as its tool quantised it."""


class PartEngine(enum.Enum):
    """What runs a part."""

    SIGNBIN = "signbin"
    ONNX_RUNTIME = "onnxruntime"


@dataclasses.dataclass(frozen=True)
class Port:
    """An input or output of the whole network: dtype as numpy calls it; extents, -1 where free."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Part:
    """One engine's share: names of nodes, values handed over, and why this engine runs it."""

    engine: PartEngine
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    why: str


@dataclasses.dataclass(frozen=True)
class TimedWay:
    """A way to run the network that was timed: milliseconds of its fastest call."""

    name: str
    least_ms: float


@dataclasses.dataclass(frozen=True)
class Decision:
    """Which way was chosen, in a sentence with figures, and all that were timed."""

    chosen: str
    why: str
    ways_timed: tuple[TimedWay, ...] = ()


@dataclasses.dataclass(frozen=True)
class PartedNetwork:
    """The parts in the order in which they run, and what people need around them."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    parts: tuple[Part, ...]
    decision: Decision
    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] = ()
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))
        known = {port.name for port in self.inputs}
        for number, part in enumerate(self.parts, 1):
            _require(f"inputs of part {number}", part.inputs, known)
            if not part.outputs or known.intersection(part.outputs):
                raise SpecError(
                    f"outputs of part {number}",
                    value=part.outputs,
                    allowed="one or more values that no part before has",
                )
            known.update(part.outputs)
        _require("outputs of the network", tuple(port.name for port in self.outputs), known)


@dataclasses.dataclass(frozen=True, eq=False)
class HybridContent:
    """A network in parts with what each engine runs.

    form: how outputs are handed back, by number. contents: per part an Artifact for signbin, the
    bytes of an ONNX model for ONNX Runtime. SpecError where they do not fit one another.
    """

    network: PartedNetwork
    form: Form
    contents: tuple[Artifact | bytes, ...]

    def __post_init__(self) -> None:
        kinds = [type(content) for content in self.contents]
        wanted = [_CONTENT[part.engine] for part in self.network.parts]
        if kinds != wanted:
            raise SpecError(
                "contents of the parts",
                value=[kind.__name__ for kind in kinds],
                allowed=str([kind.__name__ for kind in wanted]),
            )
        count = len(self.network.outputs)
        if set(numbers_of(self.form)) != set(range(count)):
            raise SpecError(
                "form of the outputs", value=self.form, allowed=f"all of 0..{count - 1}"
            )


_CONTENT = {PartEngine.SIGNBIN: Artifact, PartEngine.ONNX_RUNTIME: bytes}


def _require(what: str, names: tuple[str, ...], known: set[str]) -> None:
    for name in names:
        if name not in known:
            raise SpecError(what, value=name, allowed="inputs of the network, outputs of parts")
