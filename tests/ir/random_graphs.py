"""Graphs for property tests: a builder, and random small networks from a seed."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from signbin.ir import BATCH, OPS, ConstRef, Graph, Node, TensorType, Value
from signbin.ir.schema import Arguments, TypeRule
from signbin.spec import ActivationSpec, IntegerWeight, LowBitWeight

SMOOTH = ("elu", "gelu", "gelu_tanh", "hard_sigmoid", "hard_swish", "mish", "sigmoid")
SMOOTH += ("silu", "softplus", "tanh", "abs")
"""Functions that grow no faster than their argument, so that rounding stays what it was."""


class GraphBuilder:
    """Appends nodes; types follow from the shape rules."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.inputs: list[Value] = []
        self.nodes: list[Node] = []
        self.constants = {}
        self.made_constants = 0
        self.most_filters = 12

    def input(self, *extents: int, name: str = "x") -> str:
        self.inputs.append(Value(name, TensorType("f32", (BATCH, *extents))))
        return name

    def const(self, constant, name: str | None = None) -> ConstRef:
        name = name or f"c{self.made_constants}"
        self.made_constants += 1
        self.constants[name] = constant
        return ConstRef(name)

    def vector(self, size: int, low: float = -1.0, high: float = 1.0) -> ConstRef:
        return self.const(self.rng.uniform(low, high, size).astype(np.float32))

    def type_of(self, name: str) -> TensorType:
        return {value.name: value.type for value in (*self.inputs, *self.nodes)}[name]

    def add(
        self,
        op: str,
        *inputs: str,
        name: str | None = None,
        source: str = "",
        codes: ActivationSpec | None = None,
        **attributes,
    ) -> str:
        """codes: the spec of a u8 result; ops that keep codes as they are take their input's."""
        name = name or f"{op}_{len(self.nodes)}"
        types = tuple(self.type_of(value) for value in inputs)
        if OPS[op].types is TypeRule.KEPT:
            codes = types[0].quantization
        draft = Node(name, op, inputs, attributes, TensorType("f32", (BATCH,)), source)
        arguments = Arguments(draft, types, OPS[op].resolve(draft), self.constants)
        for attribute in OPS[op].attributes.values():
            if attribute.shape is not None:
                attribute.shape(arguments)
        type_ = TensorType("u8" if codes else "f32", OPS[op].shape_rule(arguments), codes)
        self.nodes.append(Node(name, op, inputs, attributes, type_, source))
        return name

    def keep_used_constants(self) -> None:
        """Forget those that no node refers to."""
        used = {name for node in self.nodes for name in node.constant_names()}
        self.constants = {name: each for name, each in self.constants.items() if name in used}

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
        _moved_channels: 0.02,
        _moved_pixels: 0.03,
        _made_of_pixels: 0.02,
        _add: 0.01,
        _concat: 0.02,
        _gate: 0.05,
    }
    step = builder.rng.choice(list(steps), p=list(steps.values()))
    if step in (_add, _concat):
        return step(builder, value, images)
    return step(builder, value)


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


def _concat(builder: GraphBuilder, value: str, images: list[str], spec=None) -> str:
    """Up to three values of the same image, any of them twice."""
    rng = builder.rng
    image = builder.type_of(value).shape[2:]
    fitting = [other for other in images if builder.type_of(other).shape[2:] == image]
    others = [fitting[int(rng.integers(len(fitting)))] for _ in range(int(rng.integers(1, 3)))]
    parts = [value, *others]
    rng.shuffle(parts)
    return builder.add("concat", *parts, codes=spec)


def _moved_channels(builder: GraphBuilder, value: str) -> str:
    rng, channels = builder.rng, builder.type_of(value).shape[1]
    if rng.random() < 0.5:
        first = int(rng.integers(channels))
        count = int(rng.integers(1, channels - first + 1))
        return builder.add("slice_channels", value, first=first, count=count)
    divisors = [groups for groups in range(1, channels + 1) if channels % groups == 0]
    return builder.add("channel_shuffle", value, groups=int(rng.choice(divisors)))


def _moved_pixels(builder: GraphBuilder, value: str) -> str:
    """A border of any kind, less of the image, or a resize, to a few more pixels at most."""
    rng = builder.rng
    _, _, *extents = builder.type_of(value).shape
    kind = str(rng.choice(["size", "scale", "constant", "reflect", "replicate", "circular"]))
    if kind == "size":
        size = tuple(int(rng.integers(1, min(2 * extent, 14) + 1)) for extent in extents)
        return builder.add("resize_nearest", value, size=size, centred=bool(rng.random() < 0.5))
    if kind == "scale":
        scale = 1.5 if max(extents) < 9 else 0.5 if min(extents) > 1 else 1.0
        size = tuple(int(extent * scale) for extent in extents)
        scales = {"scale_height": scale, "scale_width": scale}
        return builder.add("resize_nearest", value, size=size, **scales)
    least = [1 - extent if kind == "constant" else 0 for extent in extents]
    most = [min(2, extent - 1 if kind == "reflect" else extent) for extent in extents]
    padding = [int(rng.integers(max(least[axis % 2], -1), most[axis % 2] + 1)) for axis in range(4)]
    if any(extent + sum(padding[axis::2]) < 1 for axis, extent in enumerate(extents)):
        padding = [0, 0, 1, 1]
        kind = "constant"
    spec = builder.type_of(value).quantization
    value_of_border = 1.0 if spec is None else spec.scale * (spec.top // 3 - spec.zero_point)
    stated = {"value": float(np.float32(value_of_border))} if rng.random() < 0.5 else {}
    if kind != "constant":
        stated = {"mode": kind}
    return builder.add("pad", value, padding=tuple(padding), **stated)


def _made_of_pixels(builder: GraphBuilder, value: str) -> str:
    """Between pixels, or blocks of pixels as channels and back, a border less."""
    rng = builder.rng
    _, channels, *extents = builder.type_of(value).shape
    blocks = [(d, a) for d in (1, 2, 3) for a in (1, 2) if channels % (d * a) == 0]
    block = blocks[int(rng.integers(len(blocks)))]
    if rng.random() < 0.4 and channels * math.prod(block) <= 40:
        size = [extent // side * side for extent, side in zip(extents, block, strict=True)]
        if min(size) > 0:
            crop = tuple(min(0, made - extent) for made, extent in zip(size, extents, strict=True))
            cut = builder.add("pad", value, padding=(0, 0, *crop)) if any(crop) else value
            return builder.add("space_to_depth", cut, block=block)
    if rng.random() < 0.5 and max(extents) < 9:
        crop = tuple(int(rng.integers(0, 2)) for _ in range(4))
        shape = [extent * side for extent, side in zip(extents, block, strict=True)]
        fits = all(extent > sum(crop[axis::2]) for axis, extent in enumerate(shape))
        stated = {"crop": crop} if fits else {}
        return builder.add("depth_to_space", value, block=block, **stated)
    size = tuple(int(rng.integers(1, min(2 * extent, 14) + 1)) for extent in extents)
    steps = {f"step_{axis}": float(rng.uniform(0, 2)) for axis in ("height", "width")}
    firsts = {f"first_{axis}": float(rng.uniform(-1, 1)) for axis in ("height", "width")}
    return builder.add("resize_linear", value, size=size, **steps, **firsts)


def _channel_bias(builder: GraphBuilder, value: str) -> str:
    return builder.add("channel_bias", value, bias=builder.vector(builder.type_of(value).shape[1]))


def _border(rng: np.random.Generator, most: tuple[int, int]) -> tuple[int, ...]:
    """Padding of at most so many rows and columns on every side; often the same on both."""
    if rng.random() < 0.5:
        return tuple(int(rng.integers(0, each + 1)) for each in most)
    return tuple(int(rng.integers(0, each + 1)) for each in most * 2)


def _pool(builder: GraphBuilder, value: str) -> str:
    rng = builder.rng
    _, _, height, width = builder.type_of(value).shape
    kernel = (min(int(rng.integers(1, 4)), height), min(int(rng.integers(1, 4)), width))
    window = {"kernel": kernel, "stride": (1, 2)}
    window["padding"] = _border(rng, (kernel[0] - 1, kernel[1] - 1))
    if rng.random() < 0.4:
        return builder.add("max_pool2d", value, **window)
    if rng.random() < 0.3:
        return builder.add(
            "avg_pool2d", value, kernel=(height, width), stride=(1, 1), padding=(0, 0)
        )
    return builder.add("avg_pool2d", value, **window, count_include_pad=bool(rng.random() < 0.5))


def _gate(builder: GraphBuilder, value: str) -> str:
    """A product with a gate of channels, of pixels or of both, a difference, or softmax."""
    rng, kind = builder.rng, builder.rng.integers(5)
    if kind == 0:
        return builder.add("softmax", value)
    if kind == 1:
        return builder.add("subtract", value, builder.add("relu", value))
    gate = value
    if kind == 2:
        gate = builder.add("global_avg_pool", value)
    elif kind == 3:
        channels = builder.type_of(value).shape[1]
        gate = builder.add("conv2d", value, weight=builder.weight(1, channels, 1, 1))
    gate = builder.add("unary", gate, function=str(rng.choice(["sigmoid", "hard_sigmoid"])))
    pair = (value, gate) if rng.random() < 0.5 else (gate, value)
    return builder.add("multiply", *pair)


def _shortcut(builder: GraphBuilder, value: str) -> str:
    rng = builder.rng
    if rng.random() < 0.4:  # a border alone, which the windows after it may take in
        alone = {"stride": (1, 1), "channels_before": 0, "channels_after": 0}
        return builder.add("subsample_pad", value, padding=_border(rng, (2, 1)), **alone)
    before, after = (int(count) for count in rng.integers(0, 3, 2))
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
    if rng.random() < 0.3:  # more of it below or right
        more = tuple(int(count) for count in rng.integers(0, 3, 2))
        sides = zip(attributes["padding"], more, strict=True)
        attributes["padding"] += tuple(both + one for both, one in sides)
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
    kind = builder.rng.integers(5)
    if kind == 0:
        return builder.add("relu", value)
    if kind == 1:
        return builder.add("leaky_relu", value, slope=0.1)
    if kind == 4:
        return builder.add("unary", value, function=str(builder.rng.choice(SMOOTH)))
    if kind == 2:
        return builder.add("prelu", value, slope=builder.vector(builder.type_of(value).shape[1]))
    return builder.add("clamp", value, low=-2.0, high=float("inf"))


def _axes(builder: GraphBuilder, value: str, spec=None) -> str:
    """Axes of [N, A, B] turned, ended early or repeated; numbers also combined along them."""
    rng, (rows, columns) = builder.rng, builder.type_of(value).shape[1:]
    kind = int(rng.integers(5 if spec is None else 4))
    if kind == 0:
        return builder.add("transpose", value, order=(2, 1))
    if kind == 3:
        places = rng.integers(0, columns, int(rng.integers(1, 6))).astype(np.float32)
        return builder.add("take", value, axis=2, indices=builder.const(places))
    if kind == 1:
        step = 1 + int(rng.integers(2))
        count = int(rng.integers(1, (columns - 1) // step + 2))
        return builder.add("slice", value, axis=2, first=0, count=count, step=step)
    if kind == 2:
        one = builder.add("slice", value, axis=1, first=rows - 1, count=1)
        return builder.add("expand", one, shape=(int(rng.integers(1, 4)), columns))
    return _combined(builder, value)


def _combined(builder: GraphBuilder, value: str) -> str:
    rng, columns = builder.rng, builder.type_of(value).shape[2]
    last = {"scale": builder.vector(columns), "bias": builder.vector(columns)}
    matrix = builder.const(rng.normal(0, 0.5, (columns, 3)).astype(np.float32))
    axis, function = int(rng.integers(1, 3)), str(rng.choice(["sum", "mean", "max", "min"]))
    steps = {
        "reduce": lambda: builder.add("reduce", value, function=function, axis=axis),
        "softmax": lambda: builder.add("softmax", value, axis=axis),
        "layer_norm": lambda: builder.add("layer_norm", value, axes=1, epsilon=0.5, **last),
        "affine": lambda: builder.add("affine", value, **last),
        "matmul": lambda: builder.add(
            "matmul", value, builder.add("constant", value, value=matrix)
        ),
    }
    made = steps[str(rng.choice(list(steps)))]()
    builder.keep_used_constants()
    return made


def _rows(builder: GraphBuilder, value: str, **stated) -> str:
    """A linear layer over the channels' rows of pixels, whose axes may have been moved before."""
    channels, *image = builder.type_of(value).shape[1:]
    pixels = math.prod(image)
    value = builder.add("reshape", value, shape=(channels, pixels))
    spec = builder.type_of(value).quantization
    for _ in range(int(builder.rng.integers(3))):
        value = _axes(builder, value, spec)
    make = _quantized_weight if spec else GraphBuilder.weight
    filters = int(builder.rng.integers(1, 9))
    stated["weight"] = make(builder, filters, builder.type_of(value).shape[2])
    return builder.add("linear", value, **stated)


def _head(builder: GraphBuilder, value: str) -> str:
    rng = builder.rng
    if rng.random() < 0.5:
        value = builder.add("global_avg_pool", value)
    if rng.random() < 0.3:
        value = _rows(builder, value)
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


def random_quantized_network(seed: int, width: int = 1) -> Graph:
    """A network with u8 values between quantize and its f32 output.

    Windows, strides, groups, signs, densities and scales at random; plain blocks (convolution,
    shortcut, relu) and the paper's (clamp, convolution, shortcut, biases, PReLU); pools and
    shortcuts; integer weights beside low-bit ones; 7 and 8 bits, with and without sign. width:
    how many times the channels and half the pixels of the smallest ones.
    """
    builder = GraphBuilder(seed)
    rng, pixels = builder.rng, 12 + 6 * (width - 1)
    channels = int(rng.integers(1, 1 + 6 * width))
    extents = (channels, int(rng.integers(3, pixels)), int(rng.integers(3, pixels)))
    given = builder.input(*extents)
    builder.most_filters = 12 * width
    values = [builder.add("quantize", given, codes=_spec(rng, 3.0))]
    for _ in range(int(rng.integers(1, 7))):
        start = values[-1] if rng.random() < 0.9 else values[int(rng.integers(len(values)))]
        values.append(_quantized_step(builder, start, values))
    return builder.graph(_quantized_head(builder, values[-1]))


def _spec(rng: np.random.Generator, largest: float, *, signed: bool | None = None):
    """A spec whose codes reach about ``largest``."""
    bits = int(rng.integers(7, 9))
    signed = bool(rng.random() < 0.5) if signed is None else signed
    steps = 2 ** (bits - 1) if signed else 2**bits - 1
    scale = float(np.float32(largest * rng.uniform(0.3, 1.5) / steps))
    return ActivationSpec(scale, 2 ** (bits - 1) if signed else 0, bits)


def _reach(builder: GraphBuilder, value: str) -> float:
    spec = builder.type_of(value).quantization
    return spec.scale * (spec.top - spec.zero_point)


def _quantized_step(builder: GraphBuilder, value: str, values: list[str]) -> str:
    steps = [_quantized_conv] * 4 + [_quantized_block] * 2
    steps += [_quantized_elementwise, _quantized_pool, _quantized_add, _quantized_channels]
    steps += [_quantized_product]
    return steps[int(builder.rng.integers(len(steps)))](builder, value, values)


def _quantized_weight(builder: GraphBuilder, *shape: int) -> ConstRef:
    """A low-bit weight of any set and density, or an integer one."""
    rng = builder.rng
    if rng.random() < 0.25:
        return builder.const(IntegerWeight.from_float(rng.normal(0, 0.5, shape).astype(np.float32)))
    signs = rng.choice([-1, 1], shape)
    kept = rng.random(shape) < rng.choice([0.0, 0.1, 0.35, 0.7, 1.0])
    if rng.random() < 0.5:
        signs = rng.choice([-1, 1], (shape[0],) + (1,) * (len(shape) - 1))
    codes = (signs * kept).astype(np.int8)
    scale = rng.uniform(-1, 1, shape[0]).astype(np.float32)
    offset = rng.uniform(-0.2, 0.2, shape[0]).astype(np.float32)
    return builder.const(LowBitWeight(codes, scale, offset if rng.random() < 0.4 else None))


def _quantized_epilogue(builder: GraphBuilder, filters: int, reach: float) -> dict:
    rng, stated = builder.rng, {}
    if rng.random() < 0.6:
        stated["bias"] = builder.vector(filters, -reach, reach)
    if rng.random() < 0.3:
        stated["post_bias"] = builder.vector(filters, -reach / 4, reach / 4)
    activation = str(rng.choice(["none", "relu", "leaky_relu", "prelu", "clamp"]))
    stated["activation"] = activation
    if activation == "leaky_relu":
        stated["slope"] = float(np.float32(rng.uniform(-0.5, 0.5)))
    elif activation == "prelu":
        stated["prelu"] = builder.vector(filters)
    elif activation == "clamp":
        stated.update(low=float(np.float32(-reach / 3)), high=float(np.float32(reach / 2)))
    return stated


def _quantized_conv(builder: GraphBuilder, value: str, values: list[str]) -> str:
    rng = builder.rng
    _, channels, height, width = builder.type_of(value).shape
    divisors = [groups for groups in range(1, channels + 1) if channels % groups == 0]
    groups = 1 if rng.random() < 0.6 else int(rng.choice(divisors))
    filters = groups * int(rng.integers(1, 1 + max(1, builder.most_filters // groups)))
    kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    dilation = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    reach = [(kernel[axis] - 1) * dilation[axis] + 1 for axis in range(2)]
    least = [-(-(reach[axis] - extent) // 2) for axis, extent in enumerate((height, width))]
    padding = tuple(max(pad, least[side % 2]) for side, pad in enumerate(_border(rng, (2, 2))))
    largest = _reach(builder, value) * 0.4 * np.sqrt(channels // groups * kernel[0] * kernel[1])
    attributes = _quantized_epilogue(builder, filters, largest)
    attributes["weight"] = _quantized_weight(builder, filters, channels // groups, *kernel)
    window = {"padding": padding, "dilation": dilation, "groups": groups}
    window["stride"] = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    made = builder.add("conv2d", value, codes=_spec(rng, largest), **window, **attributes)
    shape = builder.type_of(made).shape
    fitting = [other for other in values if builder.type_of(other).shape == shape]
    if not fitting or rng.random() < 0.4:
        return made
    node = builder.nodes.pop()
    other = fitting[int(rng.integers(len(fitting)))]
    builder.nodes.append(dataclasses.replace(node, inputs=(value, other)))
    return made


def _quantized_block(builder: GraphBuilder, value: str, _values: list[str]) -> str:
    """conv3x3 + shortcut + relu, or clamp, conv3x3, shortcut, biases and PReLU."""
    rng = builder.rng
    channels, reach = builder.type_of(value).shape[1], _reach(builder, value)
    weight = _quantized_weight(builder, channels, channels, 3, 3)
    shortcut, attributes = value, {"weight": weight, "padding": (1, 1)}
    if rng.random() < 0.5:
        attributes["activation"] = "relu"
    else:
        bounds = {"low": float(np.float32(-reach / 2)), "high": float(np.float32(reach / 2))}
        value = builder.add("clamp", value, codes=_spec(rng, reach / 2, signed=True), **bounds)
        attributes |= {"activation": "prelu", "prelu": builder.vector(channels, 0, 0.5)}
        attributes["post_bias"] = builder.vector(channels, -reach / 8, reach / 8)
    attributes["bias"] = builder.vector(channels, -reach / 2, reach / 2)
    spec = _spec(rng, 2 * reach)
    return builder.add("conv2d", value, shortcut, codes=spec, **attributes)


def _quantized_elementwise(builder: GraphBuilder, value: str, _values: list[str]) -> str:
    rng, channels = builder.rng, builder.type_of(value).shape[1]
    spec = _spec(rng, _reach(builder, value))
    kind = builder.rng.integers(6)
    if kind == 5:
        function = str(rng.choice([*SMOOTH, "sign", "binary_sign"]))
        stated = {"alpha": 0.5} if function == "elu" else {}
        return builder.add("unary", value, codes=spec, function=function, **stated)
    if kind == 0:
        return builder.add("relu", value, codes=spec)
    if kind == 1:
        return builder.add("leaky_relu", value, codes=spec, slope=0.1)
    if kind == 2:
        return builder.add("prelu", value, codes=spec, slope=builder.vector(channels))
    if kind == 3:
        return builder.add("channel_bias", value, codes=spec, bias=builder.vector(channels))
    return builder.add("clamp", value, codes=spec, low=-0.5, high=float("inf"))


def _quantized_pool(builder: GraphBuilder, value: str, _values: list[str]) -> str:
    rng = builder.rng
    _, _, height, width = builder.type_of(value).shape
    kernel = (min(int(rng.integers(1, 4)), height), min(int(rng.integers(1, 4)), width))
    window = {"kernel": kernel, "stride": (1, 2)}
    window["padding"] = _border(rng, (kernel[0] - 1, kernel[1] - 1))
    kind = rng.integers(3)
    if kind == 0:
        return builder.add("max_pool2d", value, **window)
    if kind == 1:
        before, after = (int(count) for count in rng.integers(0, 3, 2))
        border = {"padding": _border(rng, (2, 1))} if rng.random() < 0.5 else {}
        channels = {"channels_before": before, "channels_after": after}
        return builder.add("subsample_pad", value, **border, **channels)
    spec = _spec(rng, _reach(builder, value))
    include = bool(rng.random() < 0.5)
    return builder.add("avg_pool2d", value, codes=spec, **window, count_include_pad=include)


def _quantized_add(builder: GraphBuilder, value: str, values: list[str]) -> str:
    shape = builder.type_of(value).shape
    same = [other for other in values if builder.type_of(other).shape == shape]
    other = same[int(builder.rng.integers(len(same)))]
    return builder.add("add", value, other, codes=_spec(builder.rng, _reach(builder, value)))


def _quantized_channels(builder: GraphBuilder, value: str, values: list[str]) -> str:
    """Parts of scales of their own; one of them alone may be the result's as well."""
    rng = builder.rng
    if rng.random() < 0.3:
        return _moved_pixels(builder, value)
    if rng.random() < 0.3:
        return _made_of_pixels(builder, value)
    if rng.random() < 0.4:
        return _moved_channels(builder, value)
    own = builder.type_of(value).quantization
    spec = own if rng.random() < 0.3 else _spec(rng, _reach(builder, value))
    return _concat(builder, value, values, spec)


def _quantized_product(builder: GraphBuilder, value: str, values: list[str]) -> str:
    """A product with codes of channels, of pixels or of both, or a difference."""
    rng, kind, reach = builder.rng, builder.rng.integers(4), _reach(builder, value)
    type_, spec = builder.type_of(value), _spec(builder.rng, 0.3 * reach * reach)
    same = [other for other in values if builder.type_of(other).shape == type_.shape]
    other = same[int(rng.integers(len(same)))]
    if kind == 0:
        return builder.add("subtract", value, other, codes=_spec(rng, reach))
    if kind == 1:
        other = builder.add("global_avg_pool", value, codes=_spec(rng, reach))
    elif kind == 2:
        weight = _quantized_weight(builder, 1, type_.shape[1], 1, 1)
        other = builder.add("conv2d", value, codes=_spec(rng, reach), weight=weight)
    pair = (value, other) if rng.random() < 0.5 else (other, value)
    return builder.add("multiply", *pair, codes=spec)


def _quantized_head(builder: GraphBuilder, value: str) -> str:
    """A linear layer on pooled or flattened codes, or codes as numbers."""
    rng = builder.rng
    if rng.random() < 0.2:
        return builder.add("dequantize", value)
    if rng.random() < 0.5:
        kind = None if rng.random() < 0.3 else _spec(rng, _reach(builder, value))
        value = builder.add("global_avg_pool", value, codes=kind)
        if kind is None:
            value = builder.add("quantize", value, codes=_spec(rng, 2.0))
    if rng.random() < 0.3:
        value = _rows(builder, value, codes=_spec(rng, 2.0))
    value = builder.add("flatten", value)
    features = builder.type_of(value).shape[1]
    outputs = int(rng.integers(1, 12))
    if rng.random() < 0.5:
        weight, spec = _quantized_weight(builder, outputs, features), _spec(rng, 4.0)
        stated = _quantized_epilogue(builder, outputs, 1.0)
        value = builder.add("linear", value, codes=spec, weight=weight, **stated)
        features = outputs
    weight = _quantized_weight(builder, int(rng.integers(1, 12)), features)
    return builder.add("linear", value, weight=weight)


def random_inputs(graph: Graph, images: int = 2, seed: int = 0) -> dict[str, np.ndarray]:
    """Normal float32 inputs that fit the graph."""
    rng = np.random.default_rng(seed)
    return {
        value.name: rng.standard_normal((images, *value.type.shape[1:])).astype(np.float32)
        for value in graph.inputs
    }
