"""Dense layers on codes, at the edges of their 16-bit sums and of their blocks."""

import itertools

import numpy as np
import pytest

from signbin import native
from signbin.native import _signbin

ROWS = [row for row in native.kernels() if row.activations == "u8" and row.usable]
CONV = [row for row in ROWS if (row.strategy, row.op) == ("dense", "conv2d")]
LINEAR = [row for row in ROWS if (row.strategy, row.op) == ("dense", "linear")]
BATCH = _signbin.Place.BATCH


def name(row):
    return row.name


def chain_for(codes_oracle, codes, offset=False):
    """Scales that leave the sums as they are, so that float32 outputs show them."""
    filters = codes.shape[0]
    return codes_oracle.Chain(
        np.ones(filters, np.float32),
        offset=np.linspace(-2, 3, filters).astype(np.float32) if offset else None,
    )


def integers(codes, chain):
    flat = np.ascontiguousarray(codes.reshape(-1))
    return _signbin.Weight(
        strategy=_signbin.Strategy.DENSE,
        integers=flat,
        scale=chain.scale,
        offset=chain.offset,
        tile=(1, 1, 1),
    )


def blocked(layer, row, conv, blocks_x):
    """The input in lanes, with a halo and a pitch of its own; returns the value."""
    lanes = _signbin.isa_lanes(row.isa, "u8")
    blocks_x = min(blocks_x, lanes)
    height, width = -(-conv.size[0] // (lanes // blocks_x)), -(-conv.size[1] // blocks_x)
    form = (lanes, lanes // blocks_x, blocks_x, height, width, 1, 0, 2, 1, conv.channels + 3)
    shape = (conv.channels, *conv.size)
    value = layer.value(shape, layer.given, layout=form, fill=layer.given.zero)
    layer.builder.add_direct("flatten", layer.input, value)
    return value


def check_conv2d(codes_oracle, row, conv, codes, given, **how):
    """Every output as float32 against int64: sums below 2^24 have no rounding."""
    chain = chain_for(codes_oracle, codes, how.get("offset", False))
    layer = codes_oracle.Program(
        row.isa,
        ((conv.channels, *conv.size), (conv.filters, *conv.output)),
        (given, None),
        how.get("threads", 1),
    )
    layer.builder.add_conv2d(
        blocked(layer, row, conv, how["blocks_x"]) if "blocks_x" in how else layer.input,
        layer.output,
        conv.window,
        conv.groups,
        integers(codes, chain),
        chain.epilogue(),
    )
    q = how["q"]
    actual = layer.run(q)
    exact, total = codes_oracle.exact_convolution(q, codes, conv, given.zero)
    np.testing.assert_array_equal(actual, chain.finish(exact, total))
    assert row.name in layer.kernels


EXTREMES = {
    "all_largest": lambda rng, shape: np.full(shape, 63),
    "all_least": lambda rng, shape: np.full(shape, -63),
    "signs_by_step": lambda rng, shape: 63 - 126 * (np.arange(np.prod(shape)) // 4 % 2),
    "two_large_of_eight": lambda rng, shape: np.where(np.arange(np.prod(shape)) % 8 < 2, 63, 1),
    "on_the_bound": lambda rng, shape: np.full(shape, 32),
    "past_the_bound": lambda rng, shape: np.full(shape, 33),
    "few": lambda rng, shape: np.where(rng.random(shape) < 0.02, 63, 0),
    "none": lambda rng, shape: np.zeros(shape),
    "random": lambda rng, shape: rng.integers(-63, 64, shape),
}


@pytest.mark.parametrize("top", [127, 255])
@pytest.mark.parametrize("kind", EXTREMES)
@pytest.mark.parametrize("row", CONV, ids=name)
def test_no_16_bit_sum_overflows(oracle, codes_oracle, row, kind, top):
    rng = np.random.default_rng(1)
    given = codes_oracle.Quantized(0, top)
    for channels, kernel in ((16, (3, 3)), (3, (5, 5)), (37, (1, 1))):
        conv = oracle.Conv(channels=channels, size=(7, 9), filters=21, kernel=kernel)
        codes = EXTREMES[kind](rng, conv.weight_shape).reshape(conv.weight_shape).astype(np.int8)
        q = rng.choice([0, 1, top], (2, channels, 7, 9), p=[0.1, 0.1, 0.8])
        check_conv2d(codes_oracle, row, conv, codes, given, q=q)


@pytest.mark.parametrize("filters", [1, 7, 8, 9, 16, 17, 33, 64, 65, 97, 130])
@pytest.mark.parametrize("row", CONV, ids=name)
def test_any_number_of_filters_is_served(oracle, codes_oracle, row, filters):
    rng = np.random.default_rng(filters)
    given = codes_oracle.Quantized(128, 255)
    conv = oracle.Conv(channels=6, size=(5, 13), filters=filters, padding=(1, 1))
    codes = rng.integers(-63, 64, conv.weight_shape).astype(np.int8)
    codes[filters // 2] = 0
    check_conv2d(codes_oracle, row, conv, codes, given, q=given.random(rng, (2, 6, 5, 13)))


WINDOWS = {
    "every_other_pixel": {"kernel": (1, 1), "stride": (2, 2), "size": (9, 12)},
    "every_third_column": {"kernel": (3, 1), "stride": (1, 3), "padding": (1, 0)},
    "one_pixel_padded": {"kernel": (1, 1), "stride": (2, 2), "padding": (1, 1)},
    "one_pixel_padded_below": {"kernel": (1, 1), "stride": (2, 2), "padding": (0, 0, 2, 1)},
    "below_right": {"stride": (2, 2), "size": (8, 7), "padding": (0, 0, 1, 1)},
    "four_sides": {"kernel": (4, 2), "size": (5, 6), "padding": (1, 0, 2, 3)},
    "every_fourth_of_one_row": {"kernel": (1, 1), "stride": (4, 4), "size": (1, 9)},
    "strided_windows": {"kernel": (2, 3), "stride": (3, 2), "padding": (1, 2)},
    "dilated_groups": {"groups": 2, "dilation": (2, 3), "size": (9, 11), "padding": (2, 1)},
    "three_channels": {"channels": 3, "kernel": (7, 7), "size": (31, 29), "stride": (2, 2)},
    "seventeen_channels": {"channels": 17, "size": (20, 21)},
    "many_pixels": {"channels": 5, "size": (40, 43), "padding": (1, 1)},
}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("row", CONV, ids=name)
def test_any_window_is_read_from_bytes(oracle, codes_oracle, row, window):
    rng = np.random.default_rng(2)
    given = codes_oracle.Quantized(64, 127)
    conv = oracle.Conv(**WINDOWS[window])
    codes = rng.integers(-63, 64, conv.weight_shape).astype(np.int8)
    q = given.random(rng, (2, conv.channels, *conv.size))
    for offset in (False, True):
        check_conv2d(codes_oracle, row, conv, codes, given, q=q, offset=offset)
    for blocks_x in (1, 2, 16):
        check_conv2d(codes_oracle, row, conv, codes, given, q=q, blocks_x=blocks_x)


# Where bytes go depends on the size and on the channels, hardly on both: at most sizes few of them.
ALL_CHANNELS = [1, 2, 3, 5, 15, 16, 17, 33, 48]
BYTES = [
    pytest.param(
        size, channels, marks=[] if size == (3, 50) or channels in (1, 17) else pytest.mark.wide
    )
    for size in [(1, 1), (3, 50), (16, 16), (28, 28), (31, 37)]
    for channels in ALL_CHANNELS
]


@pytest.mark.parametrize(("size", "channels"), BYTES)
@pytest.mark.parametrize("row", CONV, ids=name)
def test_bytes_are_the_codes_of_any_blocks(oracle, codes_oracle, row, size, channels):
    rng = np.random.default_rng(channels)
    given = codes_oracle.Quantized(64, 127)
    q = given.random(rng, (1, channels, *size))
    for blocks_x, stride, threads in itertools.product((1, 4, 32), (1, 2), (1, 3)):
        conv = oracle.Conv(
            channels=channels, size=size, filters=2, kernel=(1, 1), stride=(stride, stride)
        )
        codes = rng.integers(-63, 64, conv.weight_shape).astype(np.int8)
        how = {"q": q, "blocks_x": blocks_x, "threads": threads}
        check_conv2d(codes_oracle, row, conv, codes, given, **how)


@pytest.mark.parametrize("multiplier", [1, 2, 3])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 5), (9, 9)])
@pytest.mark.parametrize("row", CONV, ids=name)
def test_a_depthwise_layer_equals_the_integers(oracle, codes_oracle, row, kernel, multiplier):
    rng = np.random.default_rng(multiplier)
    given = codes_oracle.Quantized(128, 255)
    conv = oracle.Conv(
        channels=5,
        filters=5 * multiplier,
        groups=5,
        kernel=kernel,
        size=(11, 14),
        stride=(1, 2),
        padding=(1, 0),
    )
    codes = rng.choice([-63, 63, 5], conv.weight_shape).astype(np.int8)
    q = rng.choice([0, 128, 255], (2, 5, 11, 14))
    for offset in (False, True):
        check_conv2d(codes_oracle, row, conv, codes, given, q=q, offset=offset)


@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize("row", CONV, ids=name)
def test_threads_share_pixels_or_filters(oracle, codes_oracle, row, threads):
    rng = np.random.default_rng(threads)
    given = codes_oracle.Quantized(0, 255)
    for shape in (
        {"channels": 8, "size": (60, 61), "filters": 9},
        {"channels": 19, "size": (3, 4), "filters": 150},
        {"channels": 6, "size": (12, 11), "filters": 6, "groups": 6},
    ):
        conv = oracle.Conv(padding=(1, 1), **shape)
        codes = rng.integers(-63, 64, conv.weight_shape).astype(np.int8)
        q = given.random(rng, (2, conv.channels, *conv.size))
        check_conv2d(codes_oracle, row, conv, codes, given, q=q, threads=threads)


def check_linear(codes_oracle, row, weight, chain, codes, how):
    given, q = how["given"], how["q"]
    layer = codes_oracle.Program(
        row.isa,
        ((codes.shape[1],), (codes.shape[0],)),
        (given, None),
        how.get("threads", 1),
        place=BATCH,
    )
    layer.builder.add_linear(layer.input, layer.output, weight, chain.epilogue())
    steps = q - given.zero
    exact = steps @ codes.astype(np.int64).T
    total = np.broadcast_to(steps.sum(axis=1, keepdims=True), exact.shape)
    np.testing.assert_array_equal(layer.run(q), chain.finish(exact, total))
    assert layer.kernels[1] == row.name


@pytest.mark.parametrize("batch", [1, 3, 16, 17, 40])
@pytest.mark.parametrize("kind", EXTREMES)
@pytest.mark.parametrize("row", LINEAR, ids=name)
def test_products_of_images_equal_the_integers(codes_oracle, row, kind, batch):
    rng = np.random.default_rng(batch)
    given = codes_oracle.Quantized(0, 255)
    for channels, filters in ((129, 70), (7, 1)):
        codes = EXTREMES[kind](rng, (filters, channels)).reshape(filters, channels).astype(np.int8)
        q = rng.choice([0, 255], (batch, channels), p=[0.2, 0.8])
        chain = chain_for(codes_oracle, codes, offset=batch == 3)
        how = {"given": given, "q": q, "threads": 1 + batch % 3}
        check_linear(codes_oracle, row, integers(codes, chain), chain, codes, how)
