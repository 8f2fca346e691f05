"""Hand-made lowered graphs and plans: no other room is needed to make a program."""

import numpy as np
import pytest

from signbin.artifact import Artifact
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.spec import LowBitWeight


class GraphMaker:
    """Adds nodes one after the other; shapes are given, since a graph states them."""

    def __init__(self, *shape):
        self.inputs = (Value("x", TensorType("f32", (BATCH, *shape))),)
        self.nodes, self.constants = [], {}
        self.rng = np.random.default_rng(0)

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants[name] = array if isinstance(array, LowBitWeight) else np.float32(array)
        return ConstRef(name)

    def vector(self, count, low=-1.0, high=1.0):
        return self.constant(self.rng.uniform(low, high, count))

    def low_bit(self, value_set, *shape):
        rng = self.rng
        codes = (rng.random(shape) < 0.4).astype(np.int8)
        signs = rng.choice(np.array([-1, 1], np.int8), shape)
        per_filter = (-1,) + (1,) * (len(shape) - 1)
        filter_signs = np.where(np.arange(shape[0]) % 2, -1, 1).astype(np.int8)
        if value_set == "binary":
            codes = signs
        elif value_set == "ternary":
            codes = codes * signs
        else:
            codes = codes * filter_signs.reshape(per_filter)
        scale = rng.uniform(0.05, 0.2, shape[0]).astype(np.float32)
        offset = None
        if value_set == "centred":
            offset = (-scale * codes.reshape(shape[0], -1).mean(1)).astype(np.float32)
        return self.constant(LowBitWeight(codes.astype(np.int8), scale, offset))

    def node(self, op, inputs, shape, /, **attributes):
        name = f"{op}_{len(self.nodes)}"
        type_ = TensorType("f32", (BATCH, *shape))
        self.nodes.append(Node(name, op, tuple(inputs), attributes, type_, f"layers.{name}"))
        return name

    def graph(self, output):
        return Graph("net", self.inputs, tuple(self.nodes), (output,), self.constants)


def network():
    """Every op of the IR once, in a network with shortcuts."""
    make = GraphMaker(3, 13, 17)
    image = (8, 13, 17)
    stem = make.node(
        "conv2d",
        ["x"],
        image,
        weight=make.constant(make.rng.normal(0, 0.3, (8, 3, 3, 3))),
        bias=make.vector(8),
        padding=(1, 1),
    )
    value = make.node(
        "batch_norm",
        [stem],
        image,
        scale=make.vector(8),
        bias=make.vector(8),
        mean=make.vector(8),
        variance=make.vector(8, 0.5, 2),
        epsilon=1e-5,
    )
    value = make.node("relu", [value], image)
    for value_set in ("signed_binary", "binary", "ternary", "centred"):
        value = make.node(
            "conv2d",
            [value, value],
            image,
            weight=make.low_bit(value_set, 8, 8, 3, 3),
            bias=make.vector(8),
            padding=(1, 1),
            activation="prelu",
            prelu=make.vector(8),
            post_bias=make.vector(8),
        )
    value = make.node("leaky_relu", [value], image, slope=0.1)
    value = make.node("prelu", [value], image, slope=make.vector(8))
    value = make.node("channel_bias", [value], image, bias=make.vector(8))
    value = make.node("clamp", [value], image, low=-2.0, high=3.0)
    value = make.node("add", [value, stem], image)
    value = make.node(
        "max_pool2d", [value], (8, 7, 9), kernel=(3, 3), stride=(2, 2), padding=(1, 1)
    )
    value = make.node("subsample_pad", [value], (12, 4, 5), channels_before=2, channels_after=2)
    value = make.node(
        "avg_pool2d",
        [value],
        (12, 4, 5),
        kernel=(3, 3),
        stride=(1, 1),
        padding=(1, 1),
        count_include_pad=False,
    )
    value = make.node(
        "conv2d",
        [value],
        (12, 2, 3),
        weight=make.low_bit("signed_binary", 12, 1, 3, 3),
        stride=(2, 2),
        padding=(1, 1),
        groups=12,
        activation="clamp",
        low=-1.0,
        high=1.0,
    )
    pooled = make.node("global_avg_pool", [value], (12, 1, 1))
    value = make.node("flatten", [pooled], (12,))
    value = make.node(
        "linear",
        [value],
        (20,),
        weight=make.low_bit("signed_binary", 20, 12),
        bias=make.vector(20),
        activation="leaky_relu",
        slope=0.2,
    )
    weight = make.constant(make.rng.normal(0, 0.3, (10, 20)))
    return make.graph(make.node("linear", [value], (10,), weight=weight, bias=make.vector(10)))


@pytest.fixture(scope="session")
def graph():
    return network()


@pytest.fixture(scope="session")
def artifact(graph):
    return Artifact(graph)


@pytest.fixture(scope="session")
def graph_maker():
    return GraphMaker


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(1).standard_normal((5, 3, 13, 17)).astype(np.float32)
