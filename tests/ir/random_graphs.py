"""Graphs for property tests: a builder, and random small networks from a seed."""

from __future__ import annotations

import numpy as np

from signbin.ir import BATCH, OPS, ConstRef, Graph, Node, TensorType, Value
from signbin.ir.schema import Arguments
from signbin.spec import LowBitWeight


class GraphBuilder:
    """Appends nodes; types follow from the shape rules."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.inputs: list[Value] = []
        self.nodes: list[Node] = []
        self.constants = {}

    def input(self, *extents: int, name: str = "x") -> str:
        self.inputs.append(Value(name, TensorType("f32", (BATCH, *extents))))
        return name

    def const(self, constant, name: str | None = None) -> ConstRef:
        name = name or f"c{len(self.constants)}"
        self.constants[name] = constant
        return ConstRef(name)

    def vector(self, size: int, low: float = -1.0, high: float = 1.0) -> ConstRef:
        return self.const(self.rng.uniform(low, high, size).astype(np.float32))

    def type_of(self, name: str) -> TensorType:
        return {value.name: value.type for value in (*self.inputs, *self.nodes)}[name]

    def add(self, op: str, *inputs: str, name: str | None = None, source="", **attributes) -> str:
        name = name or f"{op}_{len(self.nodes)}"
        types = tuple(self.type_of(value) for value in inputs)
        draft = Node(name, op, inputs, attributes, TensorType("f32", (BATCH,)), source)
        arguments = Arguments(draft, types, OPS[op].resolve(draft), self.constants)
        for attribute in OPS[op].attributes.values():
            if attribute.shape is not None:
                attribute.shape(arguments)
        type_ = OPS[op].shape_rule(arguments)
        self.nodes.append(Node(name, op, inputs, attributes, type_, source))
        return name

    def graph(self, *outputs: str) -> Graph:
        return Graph(
            "random", tuple(self.inputs), tuple(self.nodes), tuple(outputs), self.constants
        )

    def weight(self, *shape: int):
        """Float, signed-binary, binary or ternary, at random, centred or not."""
        rng, kind = self.rng, self.rng.integers(4)
        if kind == 0:
            return self.const(rng.normal(0, 0.5, shape).astype(np.float32))
        if kind == 1:
            signs = rng.choice([-1, 1], (shape[0],) + (1,) * (len(shape) - 1))
            codes = signs * (rng.random(shape) < rng.random())
        elif kind == 2:
            codes = rng.choice([-1, 1], shape)
        else:
            codes = rng.choice([-1, 0, 1], shape)
        scale = rng.uniform(-1, 1, shape[0]).astype(np.float32)
        offset = rng.uniform(-0.2, 0.2, shape[0]).astype(np.float32)
        centred = rng.random() < 0.5
        return self.const(LowBitWeight(codes.astype(np.int8), scale, offset if centred else None))


def random_network(seed: int) -> Graph:
    """A small network of convolutions, batch norms, shortcuts, activations, biases and pools.

    Mostly a chain; now and then a step reads an earlier value, so that some values have several
    readers and some none.
    """
    builder = GraphBuilder(seed)
    rng = builder.rng
    extents = (int(rng.integers(1, 5)), int(rng.integers(3, 9)), int(rng.integers(3, 9)))
    current = builder.input(*extents)
    images = [current]
    for _ in range(int(rng.integers(2, 12))):
        start = current if rng.random() < 0.85 else images[int(rng.integers(len(images)))]
        current = _image_step(builder, start, images)
        images.append(current)
    outputs = [_head(builder, current)] if rng.random() < 0.7 else [current]
    extra = images[int(rng.integers(len(images)))]
    if rng.random() < 0.3 and extra not in outputs:
        outputs.append(extra)
    return builder.graph(*outputs)


def _image_step(builder: GraphBuilder, value: str, images: list[str]) -> str:
    steps = {
        _conv: 0.25,
        _block: 0.15,
        _batch_norm: 0.1,
        _activation: 0.1,
        _channel_bias: 0.1,
        _pool: 0.05,
        _shortcut: 0.05,
        _identity: 0.05,
        None: 0.15,
    }
    step = builder.rng.choice(list(steps), p=list(steps.values()))
    return _add(builder, value, images) if step is None else step(builder, value)


def _block(builder: GraphBuilder, value: str) -> str:
    """A residual block in the paper's order, each part there or not."""
    rng, shortcut = builder.rng, value
    channels = builder.type_of(value).shape[1]
    value = builder.add(
        "conv2d", value, weight=builder.weight(channels, channels, 3, 3), padding=(1, 1)
    )
    value = _batch_norm(builder, value) if rng.random() < 0.8 else value
    value = builder.add("add", value, shortcut) if rng.random() < 0.8 else value
    for step in (_channel_bias, _activation, _channel_bias):
        value = step(builder, value) if rng.random() < 0.6 else value
    return value


def _add(builder: GraphBuilder, value: str, images: list[str]) -> str:
    rng = builder.rng
    same = [other for other in images if builder.type_of(other) == builder.type_of(value)]
    other = same[int(rng.integers(len(same)))]
    pair = (value, other) if rng.random() < 0.5 else (other, value)
    return builder.add("add", *pair)


def _channel_bias(builder: GraphBuilder, value: str) -> str:
    return builder.add("channel_bias", value, bias=builder.vector(builder.type_of(value).shape[1]))


def _pool(builder: GraphBuilder, value: str) -> str:
    rng = builder.rng
    _, _, height, width = builder.type_of(value).shape
    kernel = (min(int(rng.integers(1, 4)), height), min(int(rng.integers(1, 4)), width))
    window = {"kernel": kernel, "stride": (1, 2), "padding": (kernel[0] // 2, 0)}
    if rng.random() < 0.4:
        return builder.add("max_pool2d", value, **window)
    if rng.random() < 0.3:
        return builder.add(
            "avg_pool2d", value, kernel=(height, width), stride=(1, 1), padding=(0, 0)
        )
    return builder.add("avg_pool2d", value, **window, count_include_pad=bool(rng.random() < 0.5))


def _shortcut(builder: GraphBuilder, value: str) -> str:
    before, after = (int(count) for count in builder.rng.integers(0, 3, 2))
    return builder.add("subsample_pad", value, channels_before=before, channels_after=after)


def _identity(builder: GraphBuilder, value: str) -> str:
    kind = builder.rng.integers(3)
    if kind == 0:
        return builder.add("clamp", value)
    if kind == 1:
        return builder.add("leaky_relu", value, slope=1.0)
    zeros = builder.const(np.zeros(builder.type_of(value).shape[1], np.float32))
    return builder.add("channel_bias", value, bias=zeros)


def _conv(builder: GraphBuilder, value: str) -> str:
    rng = builder.rng
    _, channels, height, width = builder.type_of(value).shape
    groups = channels if rng.random() < 0.2 else 1
    filters = groups * int(rng.integers(1, 4)) if rng.random() < 0.5 else channels
    kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    attributes = {"weight": builder.weight(filters, channels // groups, *kernel)}
    attributes["padding"] = (int(kernel[0] > height) + kernel[0] // 2, kernel[1] // 2)
    if kernel[1] > width + 2 * attributes["padding"][1]:
        attributes["padding"] = (attributes["padding"][0], kernel[1])
    if rng.random() < 0.3:
        attributes["stride"] = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    if groups > 1:
        attributes["groups"] = groups
    if rng.random() < 0.4:
        attributes["bias"] = builder.vector(filters)
    return builder.add("conv2d", value, source="0.conv", **attributes)


def _batch_norm(builder: GraphBuilder, value: str) -> str:
    channels = builder.type_of(value).shape[1]
    return builder.add(
        "batch_norm",
        value,
        source="0.norm",
        scale=builder.vector(channels, -2, 2),
        bias=builder.vector(channels),
        mean=builder.vector(channels),
        variance=builder.vector(channels, 0.5, 2),
        epsilon=1e-05,
    )


def _activation(builder: GraphBuilder, value: str) -> str:
    kind = builder.rng.integers(4)
    if kind == 0:
        return builder.add("relu", value)
    if kind == 1:
        return builder.add("leaky_relu", value, slope=0.1)
    if kind == 2:
        return builder.add("prelu", value, slope=builder.vector(builder.type_of(value).shape[1]))
    return builder.add("clamp", value, low=-2.0, high=float("inf"))


def _head(builder: GraphBuilder, value: str) -> str:
    rng = builder.rng
    if rng.random() < 0.5:
        value = builder.add("global_avg_pool", value)
    value = builder.add("flatten", value)
    attributes = {
        "weight": builder.weight(int(rng.integers(1, 6)), builder.type_of(value).shape[1])
    }
    if rng.random() < 0.5:
        outputs = builder.constants[attributes["weight"].name].shape[0]
        attributes["bias"] = builder.vector(outputs)
    value = builder.add("linear", value, **attributes)
    if rng.random() < 0.5:
        value = _batch_norm(builder, value)
    return _activation(builder, value) if rng.random() < 0.5 else value


def random_inputs(graph: Graph, images: int = 2, seed: int = 0) -> dict[str, np.ndarray]:
    """Normal float32 inputs that fit the graph."""
    rng = np.random.default_rng(seed)
    return {
        value.name: rng.standard_normal((images, *value.type.shape[1:])).astype(np.float32)
        for value in graph.inputs
    }
