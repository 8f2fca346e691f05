"""Exported C computes, bit by bit, what the interpreter computes from the same graph."""

import numpy as np
import pytest

from signbin.c_source import CompiledNetwork, Golden, c_compiler, write_network, write_project
from signbin.errors import SpecError
from signbin.ir import Graph, interpret
from tests.c_source.networks import Builder

needs_compiler = pytest.mark.skipif(c_compiler() is None, reason="no C compiler")
SANITIZED = ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all")


def builder(seed: int, shape: tuple[int, ...], bits: int = 8) -> Builder:
    return Builder(np.random.default_rng(seed), shape, bits)


def computed(graph: Graph, images: np.ndarray) -> np.ndarray:
    values = interpret(graph, {graph.inputs[0].name: images})
    return values[graph.outputs[0]].reshape(len(images), -1)


def exported(graph: Graph, flags: tuple[str, ...] = SANITIZED) -> CompiledNetwork:
    network = write_network(graph, "drawn")
    shape = graph.inputs[0].type.shape[1:]
    nothing = np.zeros((1, *shape), np.float32)
    files = write_project(network, Golden(nothing, np.zeros((1, network.outputs), np.float32)))
    made = CompiledNetwork(files, "drawn", network.outputs, flags)
    assert made.memory_bytes >= network.sizes.ram  # pointers are larger here
    return made


def expect_same(graph: Graph, flags: tuple[str, ...] = SANITIZED) -> None:
    images = np.random.default_rng(9).normal(0, 2, (3, *graph.inputs[0].type.shape[1:]))
    images = images.astype(np.float32)
    np.testing.assert_array_equal(exported(graph, flags)(images), computed(graph, images))


@needs_compiler
@pytest.mark.parametrize("kind", ["signed_binary", "binary", "ternary", "integer"])
@pytest.mark.parametrize("bits", [7, 8])
def test_convolutions_of_every_kind_of_weight_are_exact(kind: str, bits: int) -> None:
    made = builder(1, (5, 9, 7), bits)
    first = made.conv2d(made.quantized(), 11, (3, 3), kind, padding=(1, 1), activation="relu")
    offset = kind != "integer"
    second = made.conv2d(first, 11, (3, 3), kind, padding=(1, 1), residual=first, offset=offset)
    third = made.conv2d(second, 6, (3, 3), kind, stride=(2, 2), padding=(1, 1), offset=offset)
    last = made.conv2d(third, 4, (1, 1), kind, activation="clamp", low=-0.2, high=0.4)
    expect_same(made.graph(made.classified(last, kind=kind)))


@needs_compiler
@pytest.mark.parametrize("seed", range(6))
def test_drawn_convolutions_are_exact(seed: int) -> None:
    extents = np.random.default_rng(seed).integers(3, 14, 3) * (2, 1, 1)
    made = builder(seed, tuple(int(extent) for extent in extents))
    random, source = made.random, made.quantized()
    for _ in range(3):
        channels, height, width = made.type_of(source).shape[1:]
        if min(height, width) < 3:
            break
        kernel = tuple(int(n) for n in random.integers(1, 4, 2))
        groups = 2 if channels % 2 == 0 and random.integers(2) else 1
        source = made.conv2d(
            source,
            int(random.integers(1, 9)) * 2,
            kernel,
            str(random.choice(["signed_binary", "binary", "ternary", "integer"])),
            stride=tuple(int(n) for n in random.integers(1, 3, 2)),
            padding=tuple(int(n) for n in random.integers(0, 3, 2)),
            groups=groups,
            activation=str(random.choice(["none", "relu"])),
        )
    expect_same(made.graph(made.classified(source)))


@needs_compiler
def test_sums_beyond_16_bits_are_added_in_chunks_of_channels() -> None:
    made = builder(3, (64, 4, 4))
    first = made.conv2d(made.quantized(), 8, (3, 3), "binary", padding=(1, 1))
    graph = made.graph(made.classified(first))
    assert ".chunk = 32," in write_network(graph, "drawn").source
    expect_same(graph)


@needs_compiler
def test_filters_that_want_every_input_are_exact() -> None:
    made = builder(4, (40, 5, 5))
    first = made.conv2d(made.quantized(), 6, (3, 3), "signed_binary", padding=(1, 1))
    weight = made.constants["constant_0"]
    made.constants["constant_0"] = type(weight)(
        np.ones_like(weight.codes), weight.scale.copy(), None
    )
    expect_same(made.graph(made.classified(first)))


@needs_compiler
def test_depthwise_and_dilated_convolutions_are_exact() -> None:
    made = builder(5, (6, 10, 10))
    source = made.quantized()
    for kind in ("integer", "ternary"):
        source = made.conv2d(source, 6, (3, 3), kind, padding=(1, 1), groups=6)
    source = made.conv2d(source, 4, (3, 3), "binary", padding=(2, 2), dilation=(2, 2))
    expect_same(made.graph(made.classified(source)))


@needs_compiler
def test_operations_on_pixels_are_exact() -> None:
    made = builder(6, (4, 17, 17))
    source = made.quantized()
    shape = (4, 17, 17)
    biased = made.add("channel_bias", (source,), shape, bias=made.vector(4))
    held = made.add("clamp", (biased,), shape, low=-1.0, high=1.0)
    total = made.add("add", (held, biased), shape)
    less = made.add("subtract", (total, held), shape)
    bent = made.add("prelu", (less,), shape, slope=made.vector(4, 0.0, 0.3))
    curved = made.add("unary", (bent,), shape, function="silu")
    leaky = made.add("leaky_relu", (curved,), shape, slope=0.1)
    expect_same(made.graph(made.classified(made.add("relu", (leaky,), shape))))


@needs_compiler
def test_pools_are_exact_where_windows_hang_over_the_image() -> None:
    made = builder(7, (3, 11, 9))
    window = {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)}
    most = made.add("max_pool2d", (made.quantized(),), (3, 6, 5), kept=True, **window)
    mean = made.add("avg_pool2d", (most,), (3, 3, 3), **window, count_include_pad=False)
    again = made.add("avg_pool2d", (mean,), (3, 3, 3), kernel=(3, 3), stride=(1, 1), padding=(1, 1))
    small = made.add("global_avg_pool", (again,), (3, 1, 1))
    expect_same(made.graph(made.classified(small)))


@needs_compiler
def test_channels_are_moved_exactly() -> None:
    made = builder(8, (6, 8, 8))
    source = made.quantized()
    part = made.add("slice_channels", (source,), (4, 8, 8), kept=True, first=1, count=4)
    mixed = made.add("channel_shuffle", (part,), (4, 8, 8), kept=True, groups=2)
    bent = made.add("clamp", (part,), (4, 8, 8), low=-1.0, high=1.0)
    both = made.add("concat", (mixed, bent, source), (14, 8, 8))
    same = made.add("concat", (both, both), (28, 8, 8), kept=True)
    both = made.add("slice_channels", (same,), (10, 8, 8), kept=True, first=5, count=10)
    fewer = made.add(
        "subsample_pad",
        (both,),
        (14, 4, 4),
        kept=True,
        stride=(2, 2),
        channels_before=1,
        channels_after=3,
    )
    last = made.conv2d(fewer, 4, (3, 3), "signed_binary", padding=(1, 1))
    expect_same(made.graph(made.classified(last)))


@needs_compiler
def test_a_softmax_at_the_end_needs_no_libm() -> None:
    made = builder(9, (2, 4, 4))
    numbers = made.classified(made.quantized(), 7)
    graph = made.graph(made.add("softmax", (numbers,), (7,), number=True, axis=1))
    images = np.random.default_rng(1).normal(0, 30, (4, 2, 4, 4)).astype(np.float32)
    # its sum is added in another order than the interpreter's, in float32 and not float64
    np.testing.assert_allclose(exported(graph)(images), computed(graph, images), atol=1e-6)


@needs_compiler
@pytest.mark.parametrize(
    "flags",
    [("-O0",), ("-O3", "-march=native", "-ffp-contract=fast")],
    ids=["O0", "contracting"],
)
def test_what_a_compiler_may_do_changes_nothing(flags: tuple[str, ...]) -> None:
    made = builder(2, (3, 12, 12))
    first = made.conv2d(made.quantized(), 7, (3, 3), "signed_binary", padding=(1, 1), offset=True)
    expect_same(made.graph(made.classified(first)), flags)


def test_what_c_cannot_say_is_refused_by_name() -> None:
    made = builder(1, (2, 4, 4))
    source = made.quantized()
    other = made.conv2d(source, 2, (1, 1), "integer")
    product = made.add("multiply", (source, other), (2, 4, 4))
    with pytest.raises(SpecError, match=r"multiply multiply_2 as C: .*allowed: add, avg_pool2d"):
        write_network(made.graph(made.classified(product)), "drawn")


@pytest.mark.parametrize("name", ["", "Net", "int", "a-b", "9a", "x" * 41])
def test_a_name_that_is_none_in_c_is_refused(name: str) -> None:
    made = builder(1, (1, 4, 4))
    with pytest.raises(SpecError, match="name of the exported network"):
        write_network(made.graph(made.classified(made.quantized())), name)
