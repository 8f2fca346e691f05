"""THE grid: which layers, weights and activations are held against other engines.

A linear layer is a :class:`benchmarks.layers.Shape` of one pixel and a number of rows; convolutions
are the lines of shapes/grid.txt, one image each.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Final

from benchmarks.layers import Shape, read_shapes

__all__ = ["QUICK_EVERY", "SCHEMES", "TYPES", "GridLayer", "Scheme", "grid", "slice_of"]

TYPES: Final = ("f32", "u8")
"""Activations."""
QUICK_EVERY: Final = 6
"""One layer of so many is in the quick pass."""
_SQUARES: Final = (64, 128, 256, 512, 1024, 2048, 4096)
_LONG: Final = ((8192, 2048), (2048, 8192))
_BATCHES: Final = (1, 4, 16, 64)
# Filters and inputs: classifiers, transformers from tiny to large, recommenders.
_OTHERS: Final = (
    (10, 512),
    (1000, 512),
    (1000, 2048),
    (192, 768),
    (768, 192),
    (576, 192),
    (768, 3072),
    (3072, 768),
    (2304, 768),
    (1024, 4096),
)
_FEW_BATCHES: Final = (1, 16)


@dataclasses.dataclass(frozen=True)
class Scheme:
    """A kind of weights (layers.KINDS) and the density of its codes."""

    kind: str
    density: float = 1.0

    def __str__(self) -> str:
        return self.kind if self.density == 1.0 else f"{self.kind} {self.density:.2f}"


SCHEMES: Final = (
    Scheme("float"),
    Scheme("binary"),
    Scheme("signed_binary", 0.36),
    Scheme("signed_binary", 0.12),
    Scheme("ternary", 0.5),
)


@dataclasses.dataclass(frozen=True)
class GridLayer:
    """A convolution of one image, or a linear layer of so many rows."""

    shape: Shape
    op: str = "conv2d"
    rows: int = 1

    @property
    def kind(self) -> str:
        """What it is called in tables: linear, depthwise, grouped, stem, or its window."""
        if self.op == "linear":
            return "linear"
        shape = self.shape
        if shape.groups > 1:
            return "depthwise" if shape.groups == shape.channels == shape.filters else "grouped"
        if shape.channels <= 3:
            return "stem"
        return f"{shape.kernel_height}x{shape.kernel_width}"

    @property
    def macs(self) -> int:
        """Dense multiply-accumulates of a call."""
        return self.rows * self.shape.macs

    def __str__(self) -> str:
        if self.op == "linear":
            return f"{self.shape.channels}->{self.shape.filters} linear, {self.rows} rows"
        return str(self.shape)


def grid() -> tuple[GridLayer, ...]:
    """All layers, linear ones first, each once."""
    squares = [(size, size) for size in _SQUARES]
    every = itertools.product([*squares, *_LONG], _BATCHES)
    some = itertools.product(_OTHERS, _FEW_BATCHES)
    linear = (_linear(*extents, rows) for extents, rows in (*every, *some))
    return (*linear, *(GridLayer(shape) for shape in read_shapes("grid")))


def slice_of(layers: tuple[GridLayer, ...], every: int) -> tuple[GridLayer, ...]:
    """One layer of ``every`` in turn, so that each kind is in it as often as in the whole."""
    return layers[every // 2 :: every]


def _linear(filters: int, inputs: int, rows: int) -> GridLayer:
    shape = Shape("linear", filters, inputs, 1, 1, 1, 1, 1, 0, 1)
    return GridLayer(shape, "linear", rows)
