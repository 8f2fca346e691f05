"""The layout plan, without any native code: grids cover images, windows stay inside buffers."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.ir import resolve
from signbin.layout import plain_bytes, plan_lanes
from signbin.layout.lanes import Halo, Window
from signbin.passes import lower
from signbin.spec import ActivationSpec, IntegerWeight, LowBitWeight

SEEDS = st.integers(0, 2**32 - 1)
LANES = st.sampled_from([1, 4, 8, 16])


def image(graph, name):
    return graph.type_of(name).shape[1:]


@pytest.fixture(scope="session", params=["f32", "u8"])
def lowered_network(request, random_network, random_quantized_network):
    """seed -> a random lowered network, of numbers or of codes."""
    if request.param == "u8":
        return random_quantized_network
    return lambda seed: lower(random_network(seed))


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, lanes=LANES)
def test_the_blocks_of_every_value_cover_its_image(lowered_network, seed, lanes):
    graph = lowered_network(seed)
    for name, layout in plan_lanes(graph, lanes).layouts.items():
        if layout is None:
            continue
        channels, height, width = image(graph, name)
        of_codes = graph.type_of(name).dtype == "u8"
        assert layout.lanes == (2 * lanes if of_codes and lanes > 1 else lanes)
        assert layout.blocks_y * layout.block_height >= height
        assert layout.blocks_x * layout.block_width >= width
        assert layout.pitch >= channels
        assert layout.size_bytes >= (2 if of_codes else 4) * channels * height * width


def windows_inside(layout, output, attributes, kernel):
    """Every window of every output position of a block, within rows and columns of the input."""
    axes = (
        (layout.block_height, output.block_height, layout.halo.top, layout.halo.bottom),
        (layout.block_width, output.block_width, layout.halo.left, layout.halo.right),
    )
    dilations = attributes.get("dilation", (1, 1))
    for axis, (size, count, before, after) in enumerate(axes):
        start = -attributes["padding"][axis]
        stop = start + (count - 1) * attributes["stride"][axis]
        stop += (kernel[axis] - 1) * dilations[axis]
        if start < -before or stop >= size + after:
            return False
    return True


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, lanes=LANES)
def test_a_consumer_with_the_same_blocks_reads_in_place_and_inside(lowered_network, seed, lanes):
    graph = lowered_network(seed)
    layouts = plan_lanes(graph, lanes).layouts
    for node in graph.nodes:
        source, target = layouts[node.inputs[0]], layouts[node.name]
        attributes = resolve(node)
        if node.op not in ("conv2d", "avg_pool2d") or source is None or target is None:
            continue
        if node.op == "conv2d":
            kernel = graph.constants[attributes["weight"].name].shape[2:]
        else:
            kernel = attributes["kernel"]
        blocks = (target.block_height, target.block_width)
        wanted = tuple(np.multiply(blocks, attributes["stride"]))
        same = (source.blocks_y, source.blocks_x) == (target.blocks_y, target.blocks_x)
        spec = graph.type_of(node.inputs[0]).quantization
        zero = 0 if spec is None else spec.zero_point
        if same and wanted == (source.block_height, source.block_width) and source.fill == zero:
            assert windows_inside(source, target, attributes, kernel)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_inputs_outputs_and_values_of_linear_layers_are_plain(random_network, seed):
    graph = lower(random_network(seed))
    plan = plan_lanes(graph, 8)
    plain = {name for name, layout in plan.layouts.items() if layout is None}
    assert {value.name for value in graph.inputs} <= plain
    assert set(graph.outputs) <= plain
    assert plan.batch <= plain
    outside = {value.name for value in graph.inputs} | set(graph.outputs)
    for node in graph.nodes:
        if node.name in plan.whole_batch:
            assert {node.name, *node.inputs} <= plan.batch | outside
            assert all(reader.name in plan.whole_batch for reader in graph.consumers(node.name))
        elif node.op == "linear":  # rows of values, or an image depends on it
            assert len(node.type.shape) > 2 or graph.consumers(node.name)


@pytest.mark.parametrize(
    ("size", "blocks", "block"),
    [
        ((56, 56), (4, 2), (14, 28)),
        ((28, 28), (4, 2), (7, 14)),
        ((14, 14), (4, 2), (4, 7)),
        ((7, 7), (8, 1), (1, 7)),
        ((1, 17), (1, 8), (1, 3)),
        ((13, 1), (8, 1), (2, 1)),
    ],
)
def test_the_grid_computes_the_fewest_positions(graph_builder, size, blocks, block):
    builder = graph_builder()
    value = builder.add("relu", builder.add("relu", builder.input(16, *size)))
    layout = plan_lanes(builder.graph(value), 8).layouts["relu_0"]
    assert (layout.blocks_y, layout.blocks_x) == blocks
    assert (layout.block_height, layout.block_width) == block
    least = min(math.ceil(size[0] / y) * math.ceil(size[1] / (8 // y)) for y in (1, 2, 4, 8))
    assert layout.block_height * layout.block_width == least


def test_what_lies_between_operations_along_axes_is_plain(graph_builder):
    builder = graph_builder()
    rectified = builder.add("relu", builder.input(3, 20, 24))
    turned = builder.add("transpose", rectified, order=(1, 3, 2))
    weights = builder.add("softmax", turned, axis=3)
    shown = builder.add("relu", weights)
    over_channels = builder.add("softmax", builder.add("transpose", shown, order=(1, 3, 2)))
    graph = builder.graph(builder.add("relu", over_channels))
    layouts = plan_lanes(graph, 8).layouts
    assert layouts[turned] is None
    for name in (rectified, weights, shown, over_channels):
        assert layouts[name] is not None, name


def test_a_maximum_wants_minus_infinity_around_it_unless_nothing_is_negative(graph_builder):
    pooling = {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)}
    builder = graph_builder()
    x = builder.input(4, 16, 16)
    rectified = builder.add("relu", x)
    signed = builder.add("leaky_relu", x, slope=0.5)
    pools = [builder.add("max_pool2d", value, **pooling) for value in (rectified, signed)]
    layouts = plan_lanes(builder.graph(builder.add("add", *pools)), 8).layouts
    assert layouts[rectified].fill == 0
    assert layouts[signed].fill == -math.inf
    assert layouts[rectified].halo == layouts[signed].halo == Halo(top=1, left=1)


@pytest.mark.parametrize("padded_reader", [False, True])
@pytest.mark.parametrize("zero_point", [0, 128])
def test_codes_are_surrounded_by_what_their_readers_want(graph_builder, zero_point, padded_reader):
    builder = graph_builder()
    spec = ActivationSpec(0.5, zero_point, 8)
    codes = builder.add("quantize", builder.input(4, 16, 16), codes=spec)
    pooling = {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)}
    readers = [builder.add("max_pool2d", codes, **pooling)]
    if padded_reader:
        readers.append(builder.add("avg_pool2d", codes, codes=spec, **pooling))
    last = builder.add("add", readers[0], readers[-1], codes=spec)
    layout = plan_lanes(builder.graph(builder.add("dequantize", last)), 8).layouts[codes]
    assert layout.fill == (zero_point if padded_reader else 0)
    assert layout.halo == Halo(top=1, left=1)


def test_an_image_of_codes_takes_half_the_bytes(graph_builder):
    builder = graph_builder()
    value = builder.add("quantize", builder.input(64, 56, 56), codes=ActivationSpec(0.5, 0, 8))
    graph = builder.graph(builder.add("dequantize", value))
    layout = plan_lanes(graph, 8).layouts[value]
    assert (layout.lanes, layout.pitch) == (16, 72)
    assert layout.size_bytes == 56 * 56 * 72 * 2
    assert plain_bytes(graph.type_of(value)) == 56 * 56 * 64 * 2


def test_codes_of_one_byte_take_a_quarter_and_their_own_pitch(graph_builder):
    builder = graph_builder()
    value = builder.add("quantize", builder.input(128, 56, 56), codes=ActivationSpec(0.5, 0, 8))
    graph = builder.graph(builder.add("dequantize", value))
    layout = plan_lanes(graph, 8, code_bytes=1).layouts[value]
    assert (layout.lanes, layout.pitch) == (16, 136)
    assert layout.size_bytes == 56 * 56 * 136
    assert plain_bytes(graph.type_of(value), code_bytes=1) == 56 * 56 * 128


@pytest.mark.parametrize("reader", ["dense", "low_bit", "max_pool2d", "residual"])
def test_codes_of_the_input_are_plain_where_only_dense_layers_read_them(graph_builder, reader):
    builder, spec, rng = graph_builder(), ActivationSpec(0.5, 0, 8), np.random.default_rng(0)
    codes = builder.add("quantize", builder.input(4, 16, 16), codes=spec)
    weight = rng.normal(0, 0.5, (4, 4, 3, 3)).astype(np.float32)
    dense = builder.const(IntegerWeight.from_float(weight))
    made = builder.add("conv2d", codes, weight=dense, padding=(1, 1), codes=spec)
    if reader == "low_bit":
        low_bit = builder.const(LowBitWeight(np.sign(weight).astype(np.int8), np.ones(4, "f4")))
        other = builder.add("conv2d", codes, weight=low_bit, padding=(1, 1), codes=spec)
        made = builder.add("add", made, other, codes=spec)
    elif reader == "max_pool2d":
        other = builder.add("max_pool2d", codes, kernel=(3, 3), stride=(1, 1), padding=(1, 1))
        made = builder.add("add", made, other, codes=spec)
    elif reader == "residual":
        made = builder.add("conv2d", made, codes, weight=dense, padding=(1, 1), codes=spec)
    layout = plan_lanes(builder.graph(builder.add("dequantize", made)), 8).layouts[codes]
    assert (layout is None) == (reader == "dense")


def strided(graph_builder, size, *, depthwise=True, second=None, codes=None):
    """1x1 convolution of 4 channels, relu, 3x3 in steps of two, in an odd place of a graph."""
    builder, channels = graph_builder(), 4 if second == "narrow" else 16
    grown = np.ones((16, channels, 1, 1), np.float32)
    window = np.ones((16, 1 if depthwise else 16, 3, 3), np.float32)
    if codes:
        grown, window = IntegerWeight.from_float(grown), IntegerWeight.from_float(window)
    coded = {"codes": codes} if codes else {}
    value = builder.add("relu", builder.input(channels, *size))
    if codes:
        value = builder.add("quantize", value, codes=codes)
    if second == "narrow":
        value = builder.add("conv2d", value, weight=builder.const(grown), **coded)
    made = builder.add(
        "conv2d",
        value,
        weight=builder.const(window),
        stride=(2, 2),
        padding=(1, 1),
        groups=16 if depthwise else 1,
        **coded,
    )
    if second == "reader":
        other = builder.add("avg_pool2d", value, kernel=(2, 2), stride=(2, 2), padding=(0, 0))
        made = builder.add("add", made, other)
    if codes:
        made = builder.add("dequantize", made)
    graph = builder.graph(builder.add("relu", made))
    reader = next(node for node in graph.consumers(value) if node.op == "conv2d")
    layouts = plan_lanes(graph, 16, 16).layouts
    window = Window((3, 3), (2, 2), (1, 1, 1, 1))
    return layouts[value], layouts[value].serves(window, layouts[reader.name])


@pytest.mark.parametrize("depthwise", [True, False])
@pytest.mark.parametrize("second", [None, "narrow"])
@pytest.mark.parametrize(("size", "block"), [((14, 14), (4, 4)), ((28, 28), (4, 14))])
def test_what_a_convolution_alone_reads_in_steps_has_its_blocks(
    graph_builder, size, block, second, depthwise
):
    layout, serves = strided(graph_builder, size, depthwise=depthwise, second=second)
    assert serves
    assert (layout.block_height, layout.block_width) == block
    assert layout.halo == Halo(1, 0, 1, 0)


@pytest.mark.parametrize("size", [(14, 14), (28, 28)])
@pytest.mark.parametrize("case", ["another reads it, too", "codes that become bytes"])
def test_other_values_have_the_fewest_positions_though_read_in_steps(graph_builder, size, case):
    second = "reader" if case.startswith("another") else None
    codes = None if second else ActivationSpec(0.5, 0, 8)
    layout, serves = strided(graph_builder, size, depthwise=not codes, second=second, codes=codes)
    assert not serves
    assert layout.positions == (14 if size == (14, 14) else 49)


def test_blocks_for_steps_may_have_a_seventh_more_positions_and_no_more(graph_builder):
    for size in itertools.product(range(7, 40), repeat=2):
        layout, serves = strided(graph_builder, size)
        least = min(
            math.ceil(size[0] / y) * math.ceil(size[1] / (16 // y)) for y in (1, 2, 4, 8, 16)
        )
        assert layout.positions <= least * 8 / 7
        assert serves or layout.positions == least


def test_codes_that_a_depthwise_convolution_reads_in_steps_have_its_blocks(graph_builder):
    assert strided(graph_builder, (14, 14), codes=ActivationSpec(0.5, 0, 8))[1]


def test_wide_pixels_are_skewed(graph_builder):
    for channels, pitch in ((64, 72), (128, 136), (48, 48), (3, 3)):
        builder = graph_builder()
        value = builder.add("relu", builder.add("relu", builder.input(channels, 8, 8)))
        assert plan_lanes(builder.graph(value), 8).layouts["relu_0"].pitch == pitch
