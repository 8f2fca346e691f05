"""Pooling, elementwise and subsampling kernels against numpy."""

import numpy as np
import pytest

from signbin import native
from signbin.native import _signbin

ISAS = list(
    dict.fromkeys(
        row.isa
        for row in native.kernels()
        if row.usable and (row.activations, row.strategy) == ("f32", "direct")
    )
)
WINDOWS = [  # kernel, stride, padding, dilation, size
    ((2, 2), (2, 2), (0, 0), (1, 1), (6, 6)),
    ((3, 3), (2, 2), (1, 1), (1, 1), (13, 17)),
    ((3, 2), (1, 3), (1, 0), (1, 1), (7, 11)),
    ((3, 3), (2, 2), (0, 0, 1, 1), (1, 1), (8, 12)),
    ((2, 4), (2, 3), (1, 0, 0, 3), (1, 1), (7, 9)),
    ((2, 3), (1, 2), (3, 0, 1, 4), (4, 2), (5, 9)),
    ((3, 3), (1, 1), (1, 1), (2, 3), (9, 12)),
    ((1, 1), (1, 1), (0, 0), (1, 1), (1, 1)),
    ((5, 11), (1, 1), (0, 0), (1, 1), (5, 11)),
]


def pooled(oracle, isa, op, window, x, **takes):
    kernel, stride, padding, dilation, size = window
    conv = oracle.Conv(3, size, 3, kernel, stride, padding, dilation, 3)
    layer = oracle.OneLayer(isa, (3, *size), (3, *conv.output))
    layer.builder.add_direct(op, layer.input, layer.output, conv.window, **takes)
    return layer.run(x), layer.kernels[0], conv


def numbers(size, seed=0, batch=2):
    return np.random.default_rng(seed).standard_normal((batch, 3, *size)).astype(np.float32)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("isa", ISAS)
def test_max_pooling_takes_the_largest_inside_the_image(oracle, isa, window):
    x = numbers(window[4])
    actual, kernel, conv = pooled(oracle, isa, "max_pool2d", window, x)
    assert kernel.startswith("sb_f32_direct_max_pool2d_")
    assert kernel.endswith("__" + isa)
    lowest = np.abs(x).max() + 1
    shifted = oracle.windows_of(x + lowest, conv).max(axis=(3, 4))  # padding is below all numbers
    np.testing.assert_allclose(actual, shifted.reshape(actual.shape) - lowest, atol=1e-6)


@pytest.mark.parametrize("isa", ISAS)
def test_max_pooling_keeps_nan_and_infinities(oracle, isa):
    x = numbers((6, 6))
    x[0, 0, 0, 0], x[0, 1, 3, 3], x[1, 2, :2, :2] = np.nan, np.inf, -np.inf
    x[0, 0, 0, 1] = np.inf
    actual, _, _ = pooled(oracle, isa, "max_pool2d", WINDOWS[0], x)
    expected = x.reshape(2, 3, 3, 2, 3, 2).max(axis=(3, 5))
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("window", [w for w in WINDOWS if w[3] == (1, 1)])
@pytest.mark.parametrize("isa", ISAS)
def test_average_pooling_divides_by_the_taps_it_counts(oracle, isa, window, include):
    x = numbers(window[4])
    actual, kernel, conv = pooled(oracle, isa, "avg_pool2d", window, x, whole=(include,))
    assert kernel.startswith("sb_f32_direct_avg_pool2d_")
    total = oracle.windows_of(x, conv).sum(axis=(3, 4))
    taps = np.ones_like(x) if not include else None
    count = conv.taps if include else oracle.windows_of(taps, conv).sum(axis=(3, 4))
    np.testing.assert_allclose(actual, (total / count).reshape(actual.shape), atol=1e-6)


def elementwise(oracle, isa, x, scale=None, **epilogue):
    layer = oracle.OneLayer(isa, x.shape[1:], x.shape[1:])
    finish = _signbin.Epilogue(**epilogue)
    layer.builder.add_direct("elementwise", layer.input, layer.output, scale=scale, epilogue=finish)
    return layer.run(x)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (29, 31)])
@pytest.mark.parametrize("isa", ISAS)
def test_elementwise_steps_are_their_formulas(oracle, isa, size):
    x = numbers(size)
    scale, bias, slope = (np.linspace(low, 2, 3, dtype=np.float32) for low in (-1, 0.5, -0.25))
    column = (3, 1, 1)
    activation = _signbin.Activation
    cases = [
        (x, {}),
        (x + x, {"residual": 0}),
        (x * scale.reshape(column) + bias.reshape(column), {"scale": scale, "bias": bias}),
        (np.maximum(x, 0), {"activation": activation.RELU}),
        (np.where(x > 0, x, 0.1 * x), {"activation": activation.LEAKY_RELU, "slope": 0.1}),
        (
            np.where(x > 0, x, slope.reshape(column) * x),
            {"activation": activation.LEAKY_RELU, "prelu": slope},
        ),
        (np.clip(x, -0.5, 0.25), {"activation": activation.CLAMP, "low": -0.5, "high": 0.25}),
        (x + bias.reshape(column), {"bias": bias}),
    ]
    for expected, arguments in cases:
        np.testing.assert_allclose(elementwise(oracle, isa, x, **arguments), expected, rtol=1e-6)


@pytest.mark.parametrize("isa", ISAS)
def test_activations_keep_nan_and_infinities(oracle, isa):
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 1], np.float32).reshape(1, 1, 1, 5)
    activation = _signbin.Activation
    relu = elementwise(oracle, isa, x, activation=activation.RELU)
    np.testing.assert_array_equal(relu, np.maximum(x, 0))
    leaky = elementwise(oracle, isa, x, activation=activation.LEAKY_RELU, slope=0.5)
    np.testing.assert_array_equal(leaky, np.where(x > 0, x, 0.5 * x))
    clamped = elementwise(oracle, isa, x, activation=activation.CLAMP, low=-2, high=2)
    np.testing.assert_array_equal(clamped, np.clip(x, -2, 2))


@pytest.mark.parametrize("isa", ISAS)
def test_flatten_is_a_copy_into_another_shape(oracle, isa):
    x = numbers((4, 5))
    layer = oracle.OneLayer(isa, (3, 4, 5), (60,))
    layer.builder.add_direct("flatten", layer.input, layer.output)
    np.testing.assert_array_equal(layer.run(x), x.reshape(2, 60))


@pytest.mark.parametrize("border", [(0, 0, 0, 0), (0, 0, 1, 1), (2, 1, 0, 5)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("isa", ISAS)
def test_subsample_pad_puts_zeros_and_zero_channels_around(oracle, isa, stride, border):
    x = numbers((7, 8))
    top, left, bottom, right = border
    padded = np.pad(x, ((0, 0), (2, 1), (top, bottom), (left, right)))
    expected = padded[:, :, :: stride[0], :: stride[1]]
    layer = oracle.OneLayer(isa, (3, 7, 8), expected.shape[1:])
    window = (1, 1, *stride, *border, 1, 1)
    layer.builder.add_direct("subsample_pad", layer.input, layer.output, window, whole=(2, 1))
    np.testing.assert_array_equal(layer.run(x), expected)


def joined(isa, x, counts, lanes):
    """Channels of x in parts, each laid out on its own or plain, joined again."""
    builder = _signbin.Builder(isa, 1 << 20)
    channels, size = x.shape[1], x.shape[2:]
    source, arena = builder.add_value(x.shape[1:], _signbin.Place.INPUT), _signbin.Place.ARENA
    parts, first = [], 0
    for number, count in enumerate(counts):
        form = None
        if lanes and number % 2 == 0:
            form = (lanes, lanes, 1, -(-size[0] // lanes), size[1], 0, 0, 0, 0, count + number)
        place = number << 16
        parts.append(builder.add_value((count, *size), arena, place, form))
        builder.add_direct("channels", source, parts[-1], whole=(first, 1))
        first += count
    target = builder.add_value((channels, *size), _signbin.Place.OUTPUT)
    builder.add_direct("channels", parts[0], target, whole=(0, 1), more=parts[1:])
    y = np.full_like(x, np.nan)
    builder.finish().run([x], [y], len(x))
    return y


@pytest.mark.parametrize("counts", [(1, 2), (3, 1, 5), (4, 4), (7,)])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (17, 9)])
@pytest.mark.parametrize("isa", ISAS)
def test_channels_taken_apart_come_together_again(isa, size, counts):
    x = np.random.default_rng(2).standard_normal((2, sum(counts), *size)).astype(np.float32)
    x[0, 0, 0, 0], x[1, -1, -1, -1] = np.nan, -np.inf
    for lanes in (0, _signbin.isa_lanes(isa)):
        np.testing.assert_array_equal(joined(isa, x, counts, lanes), x)


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize("isa", ISAS)
def test_channels_of_groups_are_interleaved(oracle, isa, groups):
    x = np.random.default_rng(3).standard_normal((2, 6, 5, 7)).astype(np.float32)
    layer = oracle.OneLayer(isa, x.shape[1:], x.shape[1:])
    layer.builder.add_direct("channels", layer.input, layer.output, whole=(0, groups))
    expected = x.reshape(2, groups, 6 // groups, 5, 7).swapaxes(1, 2).reshape(x.shape)
    np.testing.assert_array_equal(layer.run(x), expected)
