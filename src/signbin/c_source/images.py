"""How every image of codes lies in an exported network: words of four pixels, with borders.

Four pixels of a word are ``columns`` apart, see ``kernels/sbc.h``. A convolution with stride s
reads s words per word it writes, so its input has s times the columns of its output; what is
combined pixel by pixel lies alike, borders included.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from fractions import Fraction

from signbin.c_source.refusal import refusal
from signbin.ir import Graph, Node, margins, resolve

__all__ = ["LANES", "Image", "is_image", "lay_images", "window_of"]

LANES = 4
"""Pixels of a word."""

_LARGEST_NUMBER = 2**16 - 1
_ALIKE = ("add", "subtract", "relu", "leaky_relu", "prelu", "clamp", "channel_bias", "unary")
_CHANNELS = ("concat", "slice_channels", "channel_shuffle")


@dataclasses.dataclass(frozen=True)
class Image:
    """A value of C channels of H x W pixels; extents in rows and words.

    >>> image = Image(1, 8, 8, columns=2, top=1, left=1, bottom=1, right=1, zero=0)
    >>> image.row, image.plane, image.size_bytes
    (4, 40, 160)
    """

    channels: int
    height: int
    width: int
    columns: int
    top: int
    left: int
    bottom: int
    right: int
    zero: int

    @property
    def row(self) -> int:
        """Words from one row to the next."""
        return self.left + self.columns + self.right

    @property
    def plane(self) -> int:
        """Words of a channel."""
        return self.row * (self.top + self.height + self.bottom)

    @property
    def size_bytes(self) -> int:
        """Bytes of all channels."""
        return 4 * self.plane * self.channels


@dataclasses.dataclass(frozen=True)
class NodeWindow:
    """A window of a node: its kernel, and (vertical, horizontal) stride, dilation and padding."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    top: int
    left: int

    @property
    def numbers(self) -> tuple[int, ...]:
        """In the order of sbc_window."""
        return (*self.kernel, *self.stride, *self.dilation, self.top, self.left)


def window_of(graph: Graph, node: Node) -> NodeWindow:
    """The window of a convolution or a pool; SpecError for one that 16 bits cannot say."""
    stated = resolve(node)
    kernel = stated.get("kernel") or graph.constants[stated["weight"].name].shape[2:]  # type: ignore[union-attr]
    top, left, _, _ = margins(stated["padding"])
    dilation = stated.get("dilation", (1, 1))
    window = NodeWindow(tuple(kernel), stated["stride"], dilation, top, left)  # type: ignore[arg-type]
    if max(window.numbers) > _LARGEST_NUMBER:
        raise refusal(node, f"a window of {window.numbers}", allowed=f"at most {_LARGEST_NUMBER}")
    return window


def is_image(graph: Graph, name: str) -> bool:
    """Whether a value lies as an image; others are rows of codes, byte by byte, or numbers."""
    type_ = graph.type_of(name)
    if type_.dtype != "u8" or len(type_.shape) != 4:
        return False
    made_by = {node.name: node.op for node in graph.nodes}.get(name)
    return made_by != "global_avg_pool"


def lay_images(graph: Graph) -> Mapping[str, Image]:
    """Where the pixels of every image lie, by name of the value."""
    names = [node.name for node in graph.nodes if is_image(graph, node.name)]
    columns = _columns(graph, names)
    alike = _Alike(names)
    for node in graph.nodes:
        for first, second in _pairs(graph, node):
            alike.join(first, second)
    borders: dict[str, list[int]] = {alike.of(name): [0, 0, 0, 0] for name in names}
    for node in graph.nodes:
        if node.op == "conv2d" and is_image(graph, node.inputs[0]):
            needed = _border(graph, node, columns)
            held = borders[alike.of(node.inputs[0])]
            borders[alike.of(node.inputs[0])] = [
                max(*each) for each in zip(held, needed, strict=True)
            ]
    return {name: _image(graph, name, columns[name], borders[alike.of(name)]) for name in names}


def _image(graph: Graph, name: str, columns: int, border: list[int]) -> Image:
    type_ = graph.type_of(name)
    assert type_.quantization is not None
    (channels, height, width), (top, left, bottom, right) = type_.shape[1:], border
    zero = type_.quantization.zero_point
    return Image(channels, height, width, columns, top, left, bottom, right, zero)


def _border(graph: Graph, node: Node, columns: Mapping[str, int]) -> list[int]:
    """Rows and words that the windows of a convolution see around its input."""
    window = window_of(graph, node)
    source = node.inputs[0]
    height = graph.type_of(source).shape[2]
    reach = [
        (extent - 1) * step for extent, step in zip(window.kernel, window.dilation, strict=True)
    ]
    below = (node.type.shape[2] - 1) * window.stride[0] + reach[0] - window.top - (height - 1)
    made = columns[node.name] if node.name in columns else -(-node.type.shape[3] // LANES)
    after = (made - 1) * window.stride[1] + reach[1] - window.left - (columns[source] - 1)
    return [window.top, window.left, max(below, 0), max(after, 0)]


def _pairs(graph: Graph, node: Node) -> list[tuple[str, str]]:
    """Images that must lie alike because of a node."""
    if node.op == "conv2d":
        others = node.inputs[1:]
    elif node.op in (*_ALIKE, *_CHANNELS):
        others = node.inputs
    else:
        return []
    return [(node.name, name) for name in others if is_image(graph, name)]


class _Alike:
    """Sets of names."""

    def __init__(self, names: list[str]) -> None:
        self._parent = {name: name for name in names}

    def of(self, name: str) -> str:
        """The name that stands for a set."""
        while self._parent[name] != name:
            name = self._parent[name]
        return name

    def join(self, first: str, second: str) -> None:
        """Both sets as one."""
        self._parent[self.of(first)] = self.of(second)


def _columns(graph: Graph, names: list[str]) -> dict[str, int]:
    """Words of a row of every image: as few as fit, in the ratios that strides want."""
    ratios: dict[str, list[tuple[str, Fraction, Node]]] = {name: [] for name in names}
    for node in graph.nodes:
        for first, second in _pairs(graph, node):
            ratios[first].append((second, Fraction(1), node))
            ratios[second].append((first, Fraction(1), node))
        if node.op == "conv2d" and node.name in ratios and node.inputs[0] in ratios:
            stride = window_of(graph, node).stride[1]
            ratios[node.name].append((node.inputs[0], Fraction(stride), node))
            ratios[node.inputs[0]].append((node.name, Fraction(1, stride), node))
    found: dict[str, int] = {}
    for name in names:
        if name not in found:
            shares = _connected(name, ratios)
            unit = math.lcm(*(share.denominator for share in shares.values()))
            least = max(
                math.ceil(Fraction(graph.type_of(each).shape[3], LANES) / (share * unit))
                for each, share in shares.items()
            )
            found.update({each: int(share * unit) * least for each, share in shares.items()})
    return found


def _connected(
    start: str, ratios: Mapping[str, list[tuple[str, Fraction, Node]]]
) -> dict[str, Fraction]:
    """Columns of all images that hang together with one, in those of that one."""
    shares, waiting = {start: Fraction(1)}, [start]
    while waiting:
        name = waiting.pop()
        for other, ratio, node in ratios[name]:
            if other not in shares:
                shares[other] = shares[name] * ratio
                waiting.append(other)
            elif shares[other] != shares[name] * ratio:
                raise refusal(
                    node,
                    "strides that meet on different ways",
                    allowed="branches that are added or joined with the same strides",
                )
    return shares
