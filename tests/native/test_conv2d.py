"""Every conv2d row of kernels.def against numpy, over the shapes that break kernels."""

import dataclasses
import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin import native
from signbin.native import _signbin

ROWS = [
    row
    for row in native.kernels()
    if (row.op, row.activations, row.usable) == ("conv2d", "f32", True)
    and row.strategy != "sums"
    and (not row.generated or _signbin.generates())
]
BUCKET = [row for row in ROWS if row.strategy == "bucket"]
DENSE = [row for row in ROWS if row.strategy == "dense"]
VALUE_SETS = ["signed_binary", "binary", "ternary", "centred"]

SHAPES = {
    "1x1": {"kernel": (1, 1)},
    "3x3": {"padding": (1, 1)},
    "5x5": {"size": (9, 7), "kernel": (5, 5), "padding": (2, 2)},
    "7x7_stride2": {"size": (15, 15), "kernel": (7, 7), "stride": (2, 2), "padding": (3, 3)},
    "stride3": {"size": (11, 10), "stride": (3, 3), "padding": (1, 1)},
    "stride2_even": {"size": (8, 8), "stride": (2, 2), "padding": (1, 1)},
    "uneven_window": {"kernel": (1, 3), "stride": (2, 1), "padding": (0, 2)},
    "dilation": {"size": (11, 12), "dilation": (2, 3), "padding": (2, 3)},
    "groups": {"channels": 6, "filters": 4, "groups": 2, "padding": (1, 1)},
    "depthwise": {"channels": 5, "filters": 5, "groups": 5, "padding": (1, 1)},
    "one_channel": {"channels": 1, "padding": (1, 1)},
    "one_filter": {"filters": 1, "padding": (1, 1)},
    "one_pixel": {"size": (1, 1), "padding": (1, 1)},
    "one_of_all": {"channels": 1, "size": (1, 1), "filters": 1, "kernel": (1, 1)},
    "odd_13x17": {"channels": 7, "size": (13, 17), "filters": 13, "padding": (1, 1)},
    "padding3": {"size": (2, 3), "padding": (3, 3)},
    "below_right": {"size": (8, 7), "stride": (2, 2), "padding": (0, 0, 1, 1)},
    "above_left": {"size": (7, 8), "stride": (2, 2), "padding": (1, 1, 0, 0)},
    "four_sides": {"size": (5, 6), "kernel": (4, 2), "padding": (1, 0, 2, 3)},
    "many_channels": {"channels": 70, "size": (3, 4), "filters": 9, "padding": (1, 1)},
    # Dense: more than one chunk of channels and group of filters; filters in the lanes but for the
    # last.
    "small_map": {"channels": 40, "size": (7, 7), "filters": 70, "padding": (1, 1)},
    "small_map_1x1": {"channels": 300, "size": (5, 9), "filters": 66, "kernel": (1, 1)},
    "small_map_groups": {"channels": 34, "size": (7, 7), "filters": 66, "groups": 2},
    "small_map_stride2": {
        "channels": 40,
        "size": (14, 13),
        "filters": 70,
        "stride": (2, 2),
        "padding": (1, 1),
    },
    "wide_map": {"channels": 40, "size": (20, 19), "filters": 29, "padding": (1, 1)},
}
# Depthwise windows of which strips of seven columns are taken, by two rows of a block or one, with
# and without columns left over; the last has two filters of a channel.
STRIPS = {
    "7x7_14x14": {"channels": 19, "size": (14, 14), "kernel": (7, 7), "padding": (3, 3)},
    "7x7_56x56": {"channels": 2, "size": (56, 56), "kernel": (7, 7), "padding": (3, 3)},
    "7x7_uneven": {"channels": 3, "size": (15, 28), "kernel": (7, 7), "padding": (3, 2, 1, 3)},
    "7x7_7x7": {"channels": 17, "size": (7, 7), "kernel": (7, 7), "padding": (3, 3)},
    "5x5_28x28": {"channels": 18, "size": (28, 28), "kernel": (5, 5), "padding": (2, 2)},
    "5x5_14x27": {"channels": 3, "size": (14, 27), "kernel": (5, 5), "padding": (2, 2)},
    "5x5_21x28": {"channels": 3, "size": (21, 28), "kernel": (5, 5), "padding": (2, 2)},
    "5x5_two_filters": {
        "channels": 5,
        "filters": 10,
        "size": (14, 14),
        "kernel": (5, 5),
        "padding": (2, 2),
    },
}
# Every window at every stride, with every padding it may have up to 3.
WINDOWS = {
    f"{window}x{window}": [
        {
            "size": (13, 17),
            "kernel": (window, window),
            "stride": (stride, stride),
            "padding": (padding, padding),
        }
        for stride in (1, 2, 3)
        for padding in range(4)
    ]
    for window in (1, 3, 5, 7)
}


def name(row):
    return row.name


def tile_of(row, value_set="", chunk=64):
    return (min(row.filters, 4) if value_set == "ternary" else row.filters, row.vectors, chunk)


@dataclasses.dataclass(frozen=True)
class Case:
    """A convolution and what numpy makes of it: the same for every row, so computed once."""

    conv: object
    weights: object
    x: np.ndarray
    expected: np.ndarray
    magnitude: np.ndarray
    """sum of |x| of every window for a walk, of |w x| for a dense kernel"""


def draw_walk(oracle, value_set, seed, density=0.4, **geometry):
    rng = np.random.default_rng(seed)
    conv = oracle.Conv(**geometry)
    weights = oracle.low_bit(rng, conv.weight_shape, value_set, density)
    x = conv.input(rng)
    magnitude = oracle.convolve(np.abs(x), np.ones(conv.weight_shape), conv)
    return Case(conv, weights, x, oracle.convolve(x, weights.values, conv), magnitude)


walk_case = functools.cache(draw_walk)


@functools.cache
def dense_case(oracle, seed, **geometry):
    rng = np.random.default_rng(seed)
    conv = oracle.Conv(**geometry)
    values = rng.standard_normal(conv.weight_shape).astype(np.float32)
    x = conv.input(rng)
    products = oracle.convolve(np.abs(x), np.abs(values), conv)
    return Case(conv, values, x, oracle.convolve(x, values, conv), products)


def check_bucket(oracle, row, case, tile):
    weight = case.weights.native(tile, generated=row.generated)
    actual, kernel = oracle.run_conv2d(row.isa, case.conv, weight, case.x)
    allowed = oracle.walk_tolerance(case.magnitude, case.conv.taps, tile[0], case.weights)
    error = np.abs(actual - case.expected)
    assert np.all(error <= allowed), (
        f"{error.max()} against {allowed.min()}: {row.name}, tile {tile}, {case.conv}"
    )
    return kernel


def check_dense(oracle, row, case):
    weight = oracle.float_weight(case.weights)
    actual, kernel = oracle.run_conv2d(row.isa, case.conv, weight, case.x)
    assert kernel == row.name
    error = np.abs(actual - case.expected)
    allowed = oracle.dense_tolerance(case.magnitude, case.conv.taps)
    assert np.all(error <= allowed), f"{row.name}, {case.conv}"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("row", BUCKET, ids=name)
def test_a_bucket_walk_equals_the_convolution(oracle, row, shape):
    for value_set in VALUE_SETS:
        case = walk_case(oracle, value_set, len(shape), **SHAPES[shape])
        kernel = check_bucket(oracle, row, case, tile_of(row, value_set))
        assert kernel == row.name, value_set


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("value_set", VALUE_SETS)
@pytest.mark.parametrize("row", BUCKET, ids=name)
def test_a_bucket_walk_takes_any_stride_and_padding(oracle, row, value_set, window):
    for seed, geometry in enumerate(WINDOWS[window]):
        case = walk_case(oracle, value_set, seed, **geometry)
        kernel = check_bucket(oracle, row, case, tile_of(row, value_set))
        assert kernel == row.name, geometry


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("row", DENSE, ids=name)
def test_a_dense_kernel_equals_the_convolution(oracle, row, shape):
    check_dense(oracle, row, dense_case(oracle, len(shape), **SHAPES[shape]))


@pytest.mark.parametrize("shape", STRIPS)
@pytest.mark.parametrize("row", DENSE, ids=name)
def test_large_depthwise_windows_equal_the_convolution_on_any_number_of_threads(oracle, row, shape):
    geometry = STRIPS[shape]
    channels = geometry["channels"]
    case = dense_case(oracle, 3, **{"filters": channels, "groups": channels, **geometry})
    check_dense(oracle, row, case)
    weight = oracle.float_weight(case.weights)
    alone, _ = oracle.run_conv2d(row.isa, case.conv, weight, case.x)
    for threads in (2, 3, 7):
        together, _ = oracle.run_conv2d(row.isa, case.conv, weight, case.x, threads=threads)
        np.testing.assert_array_equal(together, alone, err_msg=f"{threads} threads")


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("row", DENSE, ids=name)
def test_a_dense_kernel_takes_any_stride_and_padding(oracle, row, window):
    for seed, geometry in enumerate(WINDOWS[window]):
        check_dense(oracle, row, dense_case(oracle, seed, **geometry))


@pytest.mark.parametrize("shape", ["small_map", "small_map_stride2", "wide_map", "depthwise"])
@pytest.mark.parametrize("row", ROWS, ids=name)
def test_any_number_of_threads_gives_the_same_bits(oracle, row, shape):
    rng = np.random.default_rng(2)
    conv = oracle.Conv(**SHAPES[shape])
    weight = oracle.float_weight(rng.standard_normal(conv.weight_shape))
    if row.strategy == "bucket":
        weights = oracle.low_bit(rng, conv.weight_shape, "centred")
        weight = weights.native(tile_of(row), generated=row.generated)
    x = conv.input(rng)
    alone, _ = oracle.run_conv2d(row.isa, conv, weight, x)
    for threads in (2, 3, 7):
        together, kernel = oracle.run_conv2d(row.isa, conv, weight, x, threads=threads)
        assert kernel == row.name
        np.testing.assert_array_equal(together, alone, err_msg=f"{threads} threads")


@pytest.mark.parametrize("value_set", ["signed_binary", "ternary", "centred"])
@pytest.mark.parametrize("row", BUCKET, ids=name)
def test_every_density_is_served(oracle, row, value_set):
    for density in (0.0, 0.05, 0.35, 0.7, 1.0):
        geometry = {"channels": 9, "filters": 11, "padding": (1, 1)}
        case = walk_case(oracle, value_set, int(100 * density), density, **geometry)
        check_bucket(oracle, row, case, tile_of(row, value_set))


@pytest.mark.parametrize("filters", range(1, 9))
@pytest.mark.parametrize("vectors", range(1, 5))
@pytest.mark.parametrize("isa", list(dict.fromkeys(row.isa for row in ROWS)))
def test_every_tile_a_plan_may_ask_for_is_served(oracle, isa, vectors, filters):
    geometry = {"channels": 10, "size": (7, 5), "filters": 19, "padding": (1, 1)}
    row = next(row for row in ROWS if row.isa == isa)
    for chunk in (1, 3, 10, 1000):
        for value_set in VALUE_SETS:
            if value_set == "ternary" and filters > 4:
                continue
            case = walk_case(oracle, value_set, 1000 * filters + chunk, **geometry)
            check_bucket(oracle, row, case, (filters, vectors, chunk))


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_an_image_gives_the_same_bits_in_any_batch(oracle, row):
    rng = np.random.default_rng(1)
    conv = oracle.Conv(padding=(1, 1))
    weights = oracle.low_bit(rng, conv.weight_shape, "signed_binary")
    weight = (
        oracle.float_weight(weights.values)
        if row.strategy == "dense"
        else weights.native(tile_of(row), generated=row.generated)
    )
    x = conv.input(rng, 9)
    alone = [oracle.run_conv2d(row.isa, conv, weight, x[n : n + 1])[0] for n in range(9)]
    for batch in (1, 2, 3, 8, 9):
        together, _ = oracle.run_conv2d(row.isa, conv, weight, x[:batch])
        np.testing.assert_array_equal(together, np.concatenate(alone[:batch]))


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_the_epilogue_is_scale_bias_residual_activation_post_bias(oracle, row):
    rng = np.random.default_rng(7)
    conv = oracle.Conv(channels=8, filters=8, padding=(1, 1))
    weights = oracle.low_bit(rng, conv.weight_shape, "centred")
    weight = (
        oracle.float_weight(weights.values)
        if row.strategy == "dense"
        else weights.native(tile_of(row), generated=row.generated)
    )
    bias, slope, post = (rng.standard_normal(8).astype(np.float32) for _ in range(3))
    x = conv.input(rng)
    total = oracle.convolve(x, weights.values, conv) + bias.reshape(-1, 1, 1) + x
    expected = {
        _signbin.Activation.NONE: total,
        _signbin.Activation.RELU: np.maximum(total, 0),
        _signbin.Activation.LEAKY_RELU: np.where(total > 0, total, slope.reshape(-1, 1, 1) * total),
        _signbin.Activation.CLAMP: np.clip(total, -0.5, 0.75),
    }
    for activation, value in expected.items():
        actual, _ = oracle.run_conv2d(
            row.isa,
            conv,
            weight,
            x,
            residual=0,
            bias=bias,
            activation=activation,
            low=-0.5,
            high=0.75,
            prelu=slope,
            post_bias=post,
        )
        np.testing.assert_allclose(actual, value + post.reshape(-1, 1, 1), rtol=0, atol=2e-5)


@functools.cache
def case_with_a_bad_number(oracle, value_set, bad):
    rng = np.random.default_rng(3)
    conv = oracle.Conv(channels=5, size=(9, 9), padding=(1, 1))
    weights = oracle.low_bit(rng, conv.weight_shape, value_set)
    x = conv.input(rng, 1)
    x[0, 2, 4, 5] = bad
    return Case(conv, weights, x, oracle.convolve(x, weights.values, conv), np.abs(x))


@pytest.mark.parametrize("value_set", VALUE_SETS)
@pytest.mark.parametrize("row", BUCKET, ids=name)
def test_a_walk_is_finite_exactly_where_numpy_is(oracle, row, value_set):
    for bad in (np.nan, np.inf, -np.inf):
        case = case_with_a_bad_number(oracle, value_set, bad)
        weight = case.weights.native(tile_of(row, value_set), generated=row.generated)
        actual, _ = oracle.run_conv2d(row.isa, case.conv, weight, case.x)
        finite = np.isfinite(actual)
        np.testing.assert_array_equal(finite, np.isfinite(case.expected), err_msg=str(bad))
        if np.isnan(bad):
            np.testing.assert_array_equal(np.isnan(actual), np.isnan(case.expected))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", DENSE, ids=name)
def test_a_dense_kernel_propagates_what_numpy_propagates(oracle, row, bad):
    rng = np.random.default_rng(3)
    conv = oracle.Conv(channels=5, size=(9, 9))
    values = rng.standard_normal(conv.weight_shape).astype(np.float32)
    values[:2] = 0
    x = conv.input(rng, 1)
    x[0, 2, 4, 5] = bad
    actual, _ = oracle.run_conv2d(row.isa, conv, oracle.float_weight(values), x)
    expected = oracle.convolve(x, values, conv)
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    np.testing.assert_array_equal(np.isposinf(actual), np.isposinf(expected))
    np.testing.assert_array_equal(np.isneginf(actual), np.isneginf(expected))


def test_an_outlier_costs_no_precision_in_other_groups_of_filters(oracle):
    conv = oracle.Conv(channels=2, size=(4, 4), filters=2, kernel=(1, 1))
    codes = np.array([[1, 0], [0, 1]], np.int8).reshape(2, 2, 1, 1)
    weight = _signbin.Weight(
        strategy=_signbin.Strategy.BUCKET,
        codes=codes.reshape(-1),
        scale=np.ones(2, np.float32),
        tile=(1, 1, 2),
    )
    x = np.full((1, 2, 4, 4), 0.1, np.float32)
    x[:, 0] = 1e9
    actual, _ = oracle.run_conv2d("portable", conv, weight, x)
    np.testing.assert_array_equal(actual, x)


@st.composite
def convolutions(draw):
    groups = draw(st.integers(1, 3))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    least = [
        max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding, strict=True)
    ]
    return {
        "channels": groups * draw(st.integers(1, 6)),
        "filters": groups * draw(st.integers(1, 10)),
        "groups": groups,
        "size": tuple(draw(st.integers(low, low + 12)) for low in least),
        "kernel": kernel,
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "padding": padding,
        "dilation": dilation,
    }


@settings(max_examples=60, deadline=None)
@given(
    geometry=convolutions(),
    value_set=st.sampled_from(VALUE_SETS),
    tile=st.tuples(st.integers(1, 8), st.integers(1, 4), st.integers(1, 20)),
    seed=st.integers(0, 2**16),
)
def test_any_geometry_agrees_between_all_kernels_and_numpy(oracle, geometry, value_set, tile, seed):
    density = np.random.default_rng(seed).random()
    case = draw_walk(oracle, value_set, seed, density, **geometry)
    if value_set == "ternary":
        tile = (min(tile[0], 4), *tile[1:])
    products = oracle.convolve(np.abs(case.x), np.abs(case.weights.values), case.conv)
    weight = oracle.float_weight(case.weights.values)
    for isa in dict.fromkeys(row.isa for row in BUCKET):
        row = next(row for row in BUCKET if row.isa == isa)
        check_bucket(oracle, row, case, tile)
        dense, _ = oracle.run_conv2d(isa, case.conv, weight, case.x)
        error = np.abs(dense - case.expected)
        assert np.all(error <= oracle.dense_tolerance(products, case.conv.taps + 2)), isa
