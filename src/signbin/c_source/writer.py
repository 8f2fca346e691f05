"""The body of an exported network while it is written: constants, calls, and what they need."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbin.c_source.images import Image
from signbin.c_source.literals import array, identifier, number, structure
from signbin.ir import Graph, Node, Requantization
from signbin.spec import ActivationKind

__all__ = ["Scratch", "Writer", "ending"]

_ACTIVATIONS = {
    ActivationKind.NONE: "SBC_NONE",
    ActivationKind.RELU: "SBC_RELU",
    ActivationKind.LEAKY_RELU: "SBC_LEAKY",
    ActivationKind.PRELU: "SBC_LEAKY",
    ActivationKind.CLAMP: "SBC_CLAMP",
}
_WEIGHTS = ("ranks", "counts", "weights", "pairs")
_ROUNDED_EXACTLY = 2.0**22
# As a 32-bit processor lays them.
_STRUCTURE_BYTES = {
    "sbc_image": 24,
    "sbc_window": 16,
    "sbc_ending": 40,
    "sbc_low_bit": 84,
    "sbc_dense": 80,
    "sbc_linear": 60,
}


@dataclasses.dataclass(frozen=True)
class Scratch:
    """Elements of what layers of one-bit weights need for themselves, the most of any."""

    sums: int = 0
    totals: int = 0
    places: int = 0
    offsets: int = 0
    ends: int = 0

    def most(self, other: Scratch) -> Scratch:
        """The larger of each."""
        ours, theirs = dataclasses.astuple(self), dataclasses.astuple(other)
        return Scratch(*map(max, ours, theirs))

    @property
    def size_bytes(self) -> int:
        """Of all of it."""
        halves = self.places + self.offsets
        return 4 * (self.sums + self.totals + self.ends) + 4 * -(-halves // 2)


@dataclasses.dataclass
class Writer:
    """What has been written so far.

    images, offsets: where the values of the graph lie, see images.py and arena.py. calls: lines of
    the function that runs the network. layer_bytes: of the constants of every node;
    weight_bytes: of weights alone.
    """

    graph: Graph
    images: Mapping[str, Image]
    offsets: Mapping[str, int]
    definitions: list[str] = dataclasses.field(default_factory=list)
    calls: list[str] = dataclasses.field(default_factory=list)
    kernels: set[str] = dataclasses.field(default_factory=set)
    scratch: Scratch = dataclasses.field(default_factory=Scratch)
    layer_bytes: dict[str, int] = dataclasses.field(default_factory=dict)
    weight_bytes: int = 0
    _names: dict[str, str] = dataclasses.field(default_factory=dict)
    _written: set[str] = dataclasses.field(default_factory=set)

    def name_of(self, value: str) -> str:
        """The value's name in C, of its own."""
        if value not in self._names:
            name, count = identifier(value), 1
            while name in self._names.values():
                count += 1
                name = f"{identifier(value)}_{count}"
            self._names[value] = name
        return self._names[value]

    def array(self, node: Node, what: str, values: NDArray[Any] | None) -> str:
        """Constants of a node; the C expression that names them, NULL where there are none."""
        if values is None:
            return "0"
        name = f"{self.name_of(node.name)}_{what}"
        self.definitions.append(array(name, np.ascontiguousarray(values).reshape(-1)))
        self._note(node.name, values.nbytes)
        if what in _WEIGHTS:
            self.weight_bytes += values.nbytes
        return name

    def structure(self, node: Node, kind: str, members: Mapping[str, object]) -> str:
        """A constant structure of a node; the C expression that points to it."""
        name = f"{self.name_of(node.name)}_layer"
        self.definitions.append(structure(kind, name, members))
        self._note(node.name, _STRUCTURE_BYTES[kind])
        return f"&{name}"

    def initialised(self, node: Node, kind: str, text: str) -> str:
        """A constant structure of a node from its initialiser; a pointer to it."""
        name = f"{self.name_of(node.name)}_{kind.removeprefix('sbc_')}"
        self.definitions.append(f"static const {kind} {name} = {text};\n")
        self._note(node.name, _STRUCTURE_BYTES[kind])
        return f"&{name}"

    def _note(self, name: str, size: int) -> None:
        self.layer_bytes[name] = self.layer_bytes.get(name, 0) + size

    def image(self, value: str) -> str:
        """A pointer to how an image lies."""
        name = f"{self.name_of(value)}_image"
        if name not in self._written:
            self._written.add(name)
            image = self.images[value]
            shown = (
                "channels",
                "height",
                "width",
                "columns",
                "row",
                "top",
                "left",
                "plane",
                "zero",
            )
            members = {each: getattr(image, each) for each in shown}
            self.definitions.append(structure("sbc_image", name, members))
            self._note(value, _STRUCTURE_BYTES["sbc_image"])
        return f"&{name}"

    def words(self, value: str) -> str:
        """Where an image is."""
        return f"values + {self.offsets[value] // 4}"

    def codes(self, value: str) -> str:
        """Where a row of codes is."""
        return f"(uint8_t *)(values + {self.offsets[value] // 4})"

    def call(self, kernel: str, function: str, *arguments: object) -> None:
        """A line of the function. kernel: the file that has it."""
        self.kernels.add(kernel)
        self.calls.append(f"{function}({', '.join(map(str, arguments))});")

    def look(self, which: int, value: str) -> None:
        """A line that shows an image to who watches, if anybody does."""
        shown = f"watch(context, {which}, {self.image(value)}, {self.words(value)});"
        self.calls.append(f"if (watch) {shown}")


def ending(writer: Writer, node: Node, constants: Requantization, largest: float) -> str:
    """The ending of a node as an initialiser. largest: of |A|, and of |T| where it counts."""
    output = constants.output
    zero, top = (output.zero_point, output.top) if output is not None else (0, 0)
    bias = constants.bias if np.any(constants.bias) else np.zeros_like(constants.bias)
    bounded = _reach(constants, largest) < _ROUNDED_EXACTLY
    members = {
        "scale": writer.array(node, "scale", constants.scale),
        "bias": writer.array(node, "bias", bias),
        "offset": writer.array(node, "offset", constants.offset),
        "slope": writer.array(node, "slope", constants.slope),
        "post_bias": writer.array(node, "post_bias", constants.post_bias),
        "residual_scale": number(constants.residual_scale),
        "low": number(constants.low),
        "high": number(constants.high),
        "residual_zero": constants.residual_zero,
        "activation": _ACTIVATIONS[constants.activation],
        "zero": zero,
        "top": top,
        "how": _how(constants) if bounded else "0",
    }
    return "{" + ", ".join(f".{name} = {value}" for name, value in members.items()) + "}"


def _how(constants: Requantization) -> str:
    """Which of the usual endings of bounded numbers it is, see ``sbc.h``; 0 where it is none."""
    output, total = constants.output, constants.offset is not None
    if output is None:
        return "0"
    if constants.slope is not None:
        return "SBC_BOUNDED_LEAKY" if constants.post_bias is not None and not total else "0"
    relu = constants.activation is ActivationKind.RELU and output.zero_point == 0
    if constants.post_bias is None and (relu or constants.activation is ActivationKind.NONE):
        return "SBC_PLAIN | SBC_WITH_TOTAL" if total else "SBC_PLAIN"
    return "0"


def _reach(constants: Requantization, largest: float) -> float:
    """Bound of |f|."""
    reach = largest * _most(constants.scale) + _most(constants.bias)
    reach += largest * _most(constants.offset) + 255 * abs(constants.residual_scale)
    return reach * max(1.0, _most(constants.slope)) + _most(constants.post_bias)


def _most(vector: NDArray[np.float32] | None) -> float:
    return 0.0 if vector is None else float(np.abs(vector.astype(np.float64)).max())
