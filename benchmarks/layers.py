"""Layers to time: shapes from shapes/*.txt, random weights of a kind, one-layer networks."""

from __future__ import annotations

import collections
import dataclasses
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import FormatError, SpecError
from signbin.ir import BATCH, AttributeValue, Constant, ConstRef, Graph, Node, TensorType, Value
from signbin.spec import LowBitWeight

SHAPES: Final = Path(__file__).parent / "shapes"
KINDS: Final = ("signed_binary", "binary", "ternary", "float")
LAYER: Final = "layer"
"""Name of the node under test in :func:`one_layer`."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """One line of a shape file: filters K, channels C, image H x W, window R x S."""

    name: str
    filters: int
    channels: int
    height: int
    width: int
    kernel_height: int
    kernel_width: int
    stride: int
    padding: int
    groups: int

    @property
    def output(self) -> tuple[int, int]:
        """(P, Q)."""
        extents = ((self.height, self.kernel_height), (self.width, self.kernel_width))
        height, width = ((e + 2 * self.padding - k) // self.stride + 1 for e, k in extents)
        return height, width

    @property
    def weight(self) -> tuple[int, int, int, int]:
        """(K, C/groups, R, S)."""
        depth = self.channels // self.groups
        return self.filters, depth, self.kernel_height, self.kernel_width

    @property
    def macs(self) -> int:
        """Dense multiply-accumulates per image."""
        return int(np.prod(self.weight)) * self.output[0] * self.output[1]

    @property
    def moved_bytes(self) -> int:
        """Input and output image in float32: what a layer must read and write at least."""
        inputs = self.channels * self.height * self.width
        return 4 * (inputs + self.filters * self.output[0] * self.output[1])

    def __str__(self) -> str:
        step = f" /{self.stride}" if self.stride > 1 else ""
        groups = f" g{self.groups}" if self.groups > 1 else ""
        window = f"{self.kernel_height}x{self.kernel_width}"
        return f"{self.channels}->{self.filters} @{self.height}x{self.width} {window}{step}{groups}"


def read_shapes(name: str) -> tuple[Shape, ...]:
    """The shapes of shapes/NAME.txt; of shapes that occur more than once, the first."""
    return tuple(count_shapes(name))


def count_shapes(name: str) -> dict[Shape, int]:
    """How often shapes/NAME.txt has each shape, which goes by the name of its first line."""
    path = SHAPES / f"{name}.txt"
    if not path.is_file():
        names = sorted(file.stem for file in SHAPES.glob("*.txt"))
        raise SpecError("shape file", value=name, allowed=", ".join(names))
    first: dict[tuple[int, ...], Shape] = {}
    found: collections.Counter[Shape] = collections.Counter()
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.partition("#")[0].split()
        if words:
            shape = _shape(words, path)
            found[first.setdefault(dataclasses.astuple(shape)[1:], shape)] += 1
    return dict(found)


def _shape(words: list[str], path: Path) -> Shape:
    count = len(dataclasses.fields(Shape))
    if len(words) != count or not all(word.isdecimal() for word in words[1:]):
        raise FormatError(
            str(path), value=" ".join(words), allowed=f"a name and {count - 1} whole numbers"
        )
    return Shape(words[0], *map(int, words[1:]))


def random_weight(shape: Shape, kind: str, density: float, seed: int = 0) -> Constant:
    """Independent weights of a kind; density is that of signed_binary and ternary codes.

    Scales follow the fan-in, so that outputs are about as large as inputs.
    """
    rng = np.random.default_rng(seed)
    fan_in = int(np.prod(shape.weight[1:]))
    if kind == "float":
        return rng.normal(0, (2 / fan_in) ** 0.5, shape.weight).astype(np.float32)
    if kind not in KINDS:
        raise SpecError("weights", value=kind, allowed=", ".join(KINDS))
    codes = (rng.random(shape.weight) < density).astype(np.int8)
    signs = rng.choice(np.array([-1, 1], np.int8), shape.weight)
    if kind == "binary":
        codes = signs
    elif kind == "ternary":
        codes = codes * signs
    else:
        codes = codes * signs[:, :1, :1, :1]
    share = 1.0 if kind == "binary" else density
    scale = np.full(shape.filters, (2 / (fan_in * share)) ** 0.5, np.float32)
    return LowBitWeight(codes.astype(np.int8), scale)


def one_layer(shape: Shape, weight: Constant, *, alone: bool = False) -> Graph:
    """relu -> conv2d with bias and relu, named ``layer`` -> relu.

    The two outer nodes take the conversions at the edges of the network upon themselves, so that
    the layer reads and writes the layout it would in the middle of one. alone: without them.
    """
    image = TensorType("f32", (BATCH, shape.channels, shape.height, shape.width))
    result = TensorType("f32", (BATCH, shape.filters, *shape.output))
    attributes: dict[str, AttributeValue] = {
        "weight": ConstRef("weight"),
        "bias": ConstRef("bias"),
        "stride": (shape.stride, shape.stride),
        "padding": (shape.padding, shape.padding),
        "groups": shape.groups,
        "activation": "relu",
    }
    layer = Node(LAYER, "conv2d", ("x" if alone else "before",), attributes, result)
    before, after = (
        Node("before", "relu", ("x",), {}, image),
        Node("after", "relu", (LAYER,), {}, result),
    )
    nodes = (layer,) if alone else (before, layer, after)
    constants = {"weight": weight, "bias": bias_of(shape)}
    return Graph(shape.name, (Value("x", image),), nodes, (nodes[-1].name,), constants)


def bias_of(shape: Shape) -> NDArray[np.float32]:
    """The bias of :func:`one_layer`: small numbers of both signs."""
    return np.linspace(-0.1, 0.1, shape.filters, dtype=np.float32)


def images_for(shape: Shape, batch: int = 1) -> NDArray[np.float32]:
    """Normal noise in the shape of the layer's input."""
    extents = (batch, shape.channels, shape.height, shape.width)
    return np.random.default_rng(1).standard_normal(extents, dtype=np.float32)
