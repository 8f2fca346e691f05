"""Lane-blocked layouts: how every value of a graph lies in memory while vectors run over it.

The image of a value is cut into as many blocks as a vector has lanes; lane l of every vector
belongs to block l, so that one pixel position of all blocks is one aligned vector, whatever the
window. Values keep this layout from node to node.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from signbin.ir import OPS, Graph, Margins, Node, TensorType, margins, never_negative, resolve
from signbin.ir.graph import ConstRef
from signbin.ir.row_ops import ROW_OPS
from signbin.layout.arena import element_bytes
from signbin.spec import IntegerWeight

__all__ = ["Halo", "LanePlan", "Layout", "Window", "plan_lanes"]

_CRITICAL_BYTES: Final = 2048
_SKEW_VECTORS: Final = 8
_MORE_POSITIONS: Final = 8 / 7
_EXPANDS: Final = 2
"""Outputs per input of a convolution of one pixel whose input is small beside its output."""
_OF_ONE_PIXEL: Final = frozenset(
    {"relu", "leaky_relu", "prelu", "clamp", "batch_norm", "channel_bias", "unary"}
    | {"quantize", "dequantize"}
)
_ROW_OPS: Final = frozenset(row.name for row in ROW_OPS)


@dataclasses.dataclass(frozen=True)
class Halo:
    """Rows above and below, columns left and right of a block."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def joined(self, other: Halo) -> Halo:
        """The least halo that holds both."""
        return Halo(*map(max, dataclasses.astuple(self), dataclasses.astuple(other)))


@dataclasses.dataclass(frozen=True)
class Window:
    """What one output pixel reads: (height, width) pairs, and (top, left, bottom, right)."""

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: Margins = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)


@dataclasses.dataclass(frozen=True)
class _Vectors:
    """Elements per vector, and bytes per element."""

    lanes: int
    element_bytes: int


@dataclasses.dataclass(frozen=True)
class Layout:
    """An array [halo + block_height + halo][halo + block_width + halo][pitch][lanes].

    Lane l holds block (l // blocks_x, l % blocks_x) of the image; blocks_y * blocks_x = lanes.
    Channel c of a pixel is vector c of its ``pitch`` vectors; a few of them may be unused, so that
    the pixels under a window do not compete for the same cache sets. Halo positions repeat pixels
    of neighbouring blocks; positions outside the image hold ``fill``: a number, or a code.
    """

    blocks_y: int
    blocks_x: int
    block_height: int
    block_width: int
    pitch: int
    halo: Halo = Halo()
    fill: float = 0.0
    element_bytes: int = 4

    @property
    def lanes(self) -> int:
        """Elements per vector."""
        return self.blocks_y * self.blocks_x

    @property
    def positions(self) -> int:
        """Vectors of a channel."""
        return self.block_height * self.block_width

    @property
    def size_bytes(self) -> int:
        """Bytes of one image."""
        rows = self.halo.top + self.block_height + self.halo.bottom
        columns = self.halo.left + self.block_width + self.halo.right
        return rows * columns * self.pitch * self.lanes * self.element_bytes

    def covers(self, type_: TensorType) -> bool:
        """Whether every pixel of a value has a place."""
        _, height, width = image_extent(type_)
        return (
            self.blocks_y * self.block_height >= height
            and self.blocks_x * self.block_width >= width
        )

    def cut_for(self, window: Window, output: Layout) -> Layout:
        """The same value, cut so that it serves the windows of an output of as many lanes."""
        return dataclasses.replace(
            self,
            blocks_y=output.blocks_y,
            blocks_x=output.blocks_x,
            block_height=output.block_height * window.stride[0],
            block_width=output.block_width * window.stride[1],
        )

    def serves(self, window: Window, output: Layout) -> bool:
        """Whether the windows of output block b start in block b of this layout.

        Then a halo wide enough lets them read in place; otherwise a private copy is made.
        """
        return (self.blocks_y, self.blocks_x) == (output.blocks_y, output.blocks_x) and (
            self.block_height,
            self.block_width,
        ) == (output.block_height * window.stride[0], output.block_width * window.stride[1])


def _least_halo(window: Window) -> Halo:
    """The halo that windows read in place reach into, whatever the size of the block."""
    below, beyond = (
        max((kernel - 1) * dilation + 1 - padding - stride, 0)
        for kernel, dilation, padding, stride in zip(
            window.kernel, window.dilation, window.padding[:2], window.stride, strict=True
        )
    )
    return Halo(window.padding[0], below, window.padding[1], beyond)


@dataclasses.dataclass(frozen=True)
class LanePlan:
    """Layouts by value name; None for plain values, [C][H][W].

    whole_batch: names of the linear layers that run once for all images, and of what follows them.
    batch: names of values that must exist for the whole batch at once, because these read or write
    them; all others exist for one image at a time. Inputs and outputs of the graph are plain and
    belong to the caller.
    """

    lanes: int
    layouts: Mapping[str, Layout | None]
    batch: frozenset[str]
    whole_batch: frozenset[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layouts", MappingProxyType(dict(self.layouts)))


def plan_lanes(
    graph: Graph, lanes: int, code_lanes: int | None = None, code_bytes: int = 2
) -> LanePlan:
    """Choose the layout of every value of a lowered graph, for vectors of ``lanes`` numbers.

    code_lanes: codes per vector of a u8 value; by default twice the numbers, one for one.
    code_bytes: of a code, as for :func:`signbin.layout.arena.element_bytes`.

    Blocks: fewest positions per block, then the smallest block with a border of one pixel, then
    fewest columns of blocks; a value that one convolution alone reads, in steps, gets the blocks
    that it reads in place, where they have at most a seventh more positions: nearly always less
    work than a copy. Halo and fill: what the consumers that can read in place need; a maximum wants
    the least number outside the image (-infinity, code 0), all others zero (0.0, the zero point),
    which serves a maximum as well where the value cannot be negative. Images of one pixel, values
    that are no images, the graph's inputs and outputs, codes of the input that only dense layers
    read, which turn them into an image of bytes in any case, and what lies between operations that
    go along axes are plain.
    """
    codes = _Vectors(code_lanes or (2 * lanes if lanes > 1 else 1), element_bytes("u8", code_bytes))
    widths = {"f32": _Vectors(lanes, element_bytes("f32")), "u8": codes}
    types = graph.types()
    plain = {value.name for value in graph.inputs} | set(graph.outputs)
    plain |= {node.name for node in graph.nodes if _becomes_bytes(graph, node)}
    late = _of_whole_batch(graph)
    batch = _read_or_written(graph, late) - {value.name for value in graph.inputs}
    plain |= batch | {node.name for node in graph.nodes if node.op == "reshape"}
    plain |= {node.name for node in graph.nodes if _stays_in_rows(graph, node)}
    layouts: dict[str, Layout | None] = {}
    for name, type_ in types.items():
        bare = name in plain or len(type_.shape) != 4 or math.prod(type_.shape[2:]) == 1
        layouts[name] = None if bare else _cut(type_, widths)
    for node in reversed(graph.nodes):
        layouts.update(_cut_for_steps(graph, node, layouts, widths))
    unsigned = never_negative(graph)
    for name, layout in layouts.items():
        if layout is not None:
            fills = _fills(types[name], name in unsigned)
            cuts = {
                consumer.name: layouts[consumer.name] or _cut(types[consumer.name], widths)
                for consumer in graph.consumers(name)
            }
            layouts[name] = _with_halo(graph, name, layout, cuts, fills)
    return LanePlan(lanes, layouts, frozenset(batch - set(graph.outputs)), frozenset(late))


def _becomes_bytes(graph: Graph, node: Node) -> bool:
    """Whether a node makes codes of the input, and convolutions by products are all that reads."""
    readers = graph.consumers(node.name)
    return (
        node.op == "quantize"
        and node.inputs[0] in {value.name for value in graph.inputs}
        and all(_multiplies_bytes(graph, reader, node.name) for reader in readers)
    )


def _stays_in_rows(graph: Graph, node: Node) -> bool:
    """Whether a node and all that reads it go along axes: their kernels take plain values alone."""
    readers = graph.consumers(node.name)
    return _goes_along_axes(graph, node) and all(
        reader.op == "reshape" or _goes_along_axes(graph, reader) for reader in readers
    )


def _goes_along_axes(graph: Graph, node: Node) -> bool:
    if node.op == "softmax":
        return len(graph.type_of(node.name).shape) != 4 or resolve(node)["axis"] != 1
    return node.op in _ROW_OPS


def _multiplies_bytes(graph: Graph, node: Node, name: str) -> bool:
    """Whether all that a node reads of a value is its windows; a residual keeps its lanes."""
    weight = node.attributes.get("weight")
    return (
        node.op == "conv2d"
        and name not in node.inputs[1:]
        and node.attributes.get("groups", 1) == 1
        and isinstance(weight, ConstRef)
        and isinstance(graph.constants[weight.name], IntegerWeight)
    )


def _fills(type_: TensorType, unsigned: bool) -> _Fills:
    if type_.quantization is not None:
        return _Fills(type_.quantization.zero_point, 0.0)
    return _Fills(0.0, 0.0 if unsigned else -math.inf)


def _cut_for_steps(
    graph: Graph, node: Node, layouts: Mapping[str, Layout | None], widths: Mapping[str, _Vectors]
) -> dict[str, Layout]:
    """The values before a convolution that goes in steps, cut so that it reads in place.

    Its input, and what operations on single pixels make that of, back to one that converts its
    input in any case or whose copy is small: a convolution of one pixel that expands its channels.
    Nothing where others read any of them, too: they would copy instead; nor for codes unless it is
    depthwise, as what multiplies them otherwise makes an image of bytes of any blocks.
    """
    window = _window(graph, node)
    if node.op != "conv2d" or window is None or window.stride == (1, 1):
        return {}
    given = graph.type_of(node.inputs[0])
    if given.quantization is not None and given.shape[1] != node.attributes.get("groups", 1):
        return {}
    wanted = layouts[node.name] or _cut(graph.type_of(node.name), widths)
    found: dict[str, Layout] = {}
    name = node.inputs[0]
    while (least := layouts[name]) is not None and least.lanes == wanted.lanes:
        maker = graph.node(name)
        wanted = least.cut_for(window, wanted)
        alone = len(graph.consumers(name)) == 1 and len(maker.inputs) == 1
        most = _MORE_POSITIONS * least.positions
        if not alone or not wanted.covers(graph.type_of(name)) or wanted.positions > most:
            return {}
        found[name] = wanted
        if _expands(graph, maker):
            break
        if maker.op not in _OF_ONE_PIXEL and layouts[maker.inputs[0]] is not None:
            return {}
        window, name = Window(), maker.inputs[0]
    return found


def _expands(graph: Graph, node: Node) -> bool:
    """Whether a node is a convolution of one pixel that makes several channels of each."""
    channels = graph.type_of(node.inputs[0]).shape[1]
    return (
        node.op == "conv2d"
        and _window(graph, node) == Window()
        and node.type.shape[1] >= _EXPANDS * channels
    )


def _cut(type_: TensorType, widths: Mapping[str, _Vectors]) -> Layout:
    lanes, size = dataclasses.astuple(widths[type_.dtype])
    channels, height, width = image_extent(type_)
    candidates = []
    blocks_x = 1
    while blocks_x <= lanes:
        block = (-(-height // (lanes // blocks_x)), -(-width // blocks_x))
        around = (block[0] + 2) * (block[1] + 2)
        candidates.append((block[0] * block[1], around, blocks_x, block))
        blocks_x *= 2
    _, _, blocks_x, block = min(candidates)
    pitch = _pitch(channels, lanes * size)
    return Layout(lanes // blocks_x, blocks_x, *block, pitch, element_bytes=size)


def _pitch(channels: int, vector_bytes: int) -> int:
    """Vectors from pixel to pixel: multiples of 2 KiB would fall into the same cache sets."""
    critical = channels * vector_bytes % _CRITICAL_BYTES == 0
    return channels + _SKEW_VECTORS if critical else channels


def image_extent(type_: TensorType) -> tuple[int, int, int]:
    """(C, H, W) of one image of a value of any rank: what has no image axes has one row.

    >>> image_extent(TensorType("f32", (0, 8))), image_extent(TensorType("f32", (0, 8, 5)))
    ((8, 1, 1), (8, 1, 5))
    >>> image_extent(TensorType("f32", (0, 8, 2, 3, 4)))
    (8, 2, 12)
    """
    channels, *image = type_.shape[1:]
    height = image[0] if len(image) > 1 else 1
    return channels, height, math.prod(image) // height


@dataclasses.dataclass(frozen=True)
class _Fills:
    """What sums and what maxima want outside the image."""

    of_sums: float
    of_maxima: float

    @property
    def serve_both(self) -> bool:
        return self.of_sums == self.of_maxima


def _with_halo(
    graph: Graph, name: str, layout: Layout, cuts: Mapping[str, Layout], fills: _Fills
) -> Layout:
    """The layout with the halo and fill that its consumers can use in place.

    cuts: blocks of the consumers' results. Where a maximum and another padded window want
    different fills, the maximum makes a copy.
    """
    sums: list[Window] = []
    maxima: list[Window] = []
    for consumer in graph.consumers(name):
        window = _window(graph, consumer)
        if window is None or consumer.inputs[0] != name:
            continue
        if layout.serves(window, cuts[consumer.name]):
            (maxima if OPS[consumer.op].pads_with_least else sums).append(window)
    filled_for_sums = fills.serve_both or any(max(window.padding) > 0 for window in sums)
    if filled_for_sums and not fills.serve_both:
        maxima = [window for window in maxima if max(window.padding) == 0]
    halo = Halo()
    for window in (*sums, *maxima):
        halo = halo.joined(_least_halo(window))
    fill = fills.of_sums if filled_for_sums or not maxima else fills.of_maxima
    return dataclasses.replace(layout, halo=halo, fill=float(fill))


def _window(graph: Graph, node: Node) -> Window | None:
    """What the node reads of its first input under one output pixel; None for no window."""
    attributes: Mapping[str, Any] = resolve(node)
    if "kernel" in attributes:
        kernel = attributes["kernel"]
    elif node.op == "conv2d":
        weight: ConstRef = attributes["weight"]
        height, width = graph.constants[weight.name].shape[2:]
        kernel = (int(height), int(width))
    else:
        return None
    dilation = attributes.get("dilation", (1, 1))
    return Window(kernel, attributes["stride"], margins(attributes["padding"]), dilation)


def _of_whole_batch(graph: Graph) -> set[str]:
    """Linear layers of [N, C] values that only such values depend on, and what follows them.

    They read their weights once for all images. Where an image depends on them, as on the gates of
    squeeze-and-excitation, they run image by image.
    """
    types = graph.types()
    heads: set[str] = set()
    for node in reversed(graph.nodes):
        rows = [types[name].shape for name in (node.name, *node.inputs)]
        if all(len(shape) == 2 for shape in rows) and all(
            reader.name in heads for reader in graph.consumers(node.name)
        ):
            heads.add(node.name)
    late: set[str] = set()
    for node in graph.nodes:
        if node.name in heads and (node.op == "linear" or late.intersection(node.inputs)):
            late.add(node.name)
    return late


def _read_or_written(graph: Graph, nodes: set[str]) -> set[str]:
    found = set(nodes)
    for node in graph.nodes:
        if node.name in nodes:
            found.update(node.inputs)
    return found
