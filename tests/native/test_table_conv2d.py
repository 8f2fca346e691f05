"""Table lookups for convolutions against the integers: every kernel, odd shapes, threads."""

import numpy as np
import pytest

from signbin import native
from signbin.native import _signbin

ROWS = [
    row
    for row in native.kernels()
    if (row.strategy, row.op, row.activations) == ("table", "conv2d", "u8") and row.usable
]
VALUES = [(0, 1), (-1, 1), (-1, 0, 1), (0, -1), (-1,), (0,)]


def name(row):
    return row.name


def values_id(values):
    return "_".join(map(str, values))


def weight_of(codes, chain):
    return _signbin.Weight(
        strategy=_signbin.Strategy.TABLE,
        codes=np.ascontiguousarray(codes, np.int8).reshape(-1),
        scale=chain.scale,
        offset=chain.offset,
        tile=(1, 1, 1),
    )


def plain_chain(codes_oracle, filters, offset):
    """Scales that leave the sums as they are, so that float32 outputs show them."""
    shifts = np.linspace(-2, 3, filters).astype(np.float32)
    return codes_oracle.Chain(np.ones(filters, np.float32), offset=shifts if offset else None)


def check(codes_oracle, row, drawn, given, *, offset=False, threads=1):
    """What the kernel makes of codes (N, C, H, W), as float32. drawn: conv, codes, q."""
    conv, codes, q = drawn
    chain = plain_chain(codes_oracle, conv.filters, offset)
    shapes = ((conv.channels, *conv.size), (conv.filters, *conv.output))
    layer = codes_oracle.Program(row.isa, shapes, (given, None), threads)
    weight = weight_of(codes, chain)
    layer.builder.add_conv2d(
        layer.input, layer.output, conv.window, conv.groups, weight, chain.epilogue()
    )
    found = layer.run(q)
    assert row.name in layer.kernels
    exact, total = codes_oracle.exact_convolution(q, codes, conv, given.zero)
    np.testing.assert_array_equal(found, chain.finish(exact, total))


def draw(rng, conv, values):
    return rng.choice(np.array(values, np.int8), conv.weight_shape)


# Cells, vectors and blocks that are not full, maps of one pixel and of odd numbers of them, several
# chunks of channels, and several strips of rows.
SHAPES = {
    "one_weight": {"channels": 1, "size": (1, 1), "filters": 1, "kernel": (1, 1)},
    "one_pixel": {"channels": 40, "size": (3, 3), "filters": 33, "kernel": (3, 3)},
    "odd_map": {"channels": 37, "size": (7, 9), "filters": 65, "padding": (1, 1)},
    "blocks": {"channels": 17, "size": (5, 3), "filters": 517, "kernel": (1, 1)},
    "chunks": {"channels": 300, "size": (3, 30), "filters": 31, "padding": (1, 1)},
    "many_channels": {"channels": 1033, "size": (2, 3), "filters": 40, "padding": (1, 1)},
    "strips": {"channels": 3, "size": (47, 61), "filters": 70, "padding": (1, 1)},
}


@pytest.mark.parametrize("values", VALUES, ids=values_id)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("row", ROWS, ids=name)
def test_tables_equal_the_integers(oracle, codes_oracle, row, shape, values):
    """The largest code everywhere under weights of one, then any codes, for two images."""
    rng = np.random.default_rng(len(shape))
    conv = oracle.Conv(**SHAPES[shape])
    codes = draw(rng, conv, values)
    codes[0] = values[-1]
    size = (1, conv.channels, *conv.size)
    drawn = conv, codes, np.full(size, 255)
    check(codes_oracle, row, drawn, codes_oracle.Quantized(0, 255))
    drawn = conv, codes, rng.integers(0, 256, size)
    check(codes_oracle, row, drawn, codes_oracle.Quantized(128, 255), offset=True)
    drawn = conv, codes, rng.integers(0, 128, (2, *size[1:]))
    check(codes_oracle, row, drawn, codes_oracle.Quantized(3, 127))


WINDOWS = {
    "every_other_pixel": {"kernel": (1, 1), "stride": (2, 2), "size": (9, 12)},
    "one_pixel_padded": {"kernel": (1, 1), "stride": (2, 2), "padding": (1, 1)},
    "one_pixel_padded_below": {"kernel": (1, 1), "stride": (2, 2), "padding": (0, 0, 2, 1)},
    "every_third_column": {"kernel": (3, 1), "stride": (1, 3), "padding": (1, 0)},
    "strided": {"stride": (2, 2), "size": (15, 14), "padding": (1, 1)},
    "four_sides": {"kernel": (4, 2), "size": (5, 6), "padding": (1, 0, 2, 3)},
    "rows_between": {"kernel": (2, 3), "stride": (5, 2), "size": (23, 9), "padding": (1, 2)},
    "dilated": {"dilation": (2, 3), "size": (9, 11), "padding": (2, 1)},
    "groups": {"groups": 3, "channels": 60, "filters": 105, "size": (6, 5), "padding": (1, 1)},
    "dilated_groups": {"groups": 2, "dilation": (3, 1), "size": (19, 4), "padding": (2, 1)},
    "depthwise": {"groups": 4, "channels": 4, "filters": 8, "size": (6, 7)},
    "one_row": {"kernel": (1, 5), "size": (1, 40)},
}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("row", ROWS, ids=name)
def test_any_window_is_looked_up(oracle, codes_oracle, row, window):
    rng = np.random.default_rng(2)
    conv = oracle.Conv(**WINDOWS[window])
    for values in ((0, 1), (-1, 1), (-1, 0, 1)):
        given = codes_oracle.Quantized(64, 127)
        q = given.random(rng, (2, conv.channels, *conv.size))
        drawn = conv, draw(rng, conv, values), q
        check(codes_oracle, row, drawn, given, offset=len(values) == 3)


@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize("row", ROWS, ids=name)
def test_threads_share_rows_or_filters(oracle, codes_oracle, row, threads):
    rng = np.random.default_rng(threads)
    given = codes_oracle.Quantized(5, 255)
    for shape in (
        {"channels": 20, "size": (60, 61), "filters": 9, "padding": (1, 1)},
        {"channels": 19, "size": (3, 4), "filters": 600},
        {"channels": 40, "size": (12, 11), "filters": 350, "groups": 2, "stride": (2, 1)},
        {"channels": 9, "size": (2, 2), "filters": 3, "kernel": (1, 1)},
    ):
        conv = oracle.Conv(**shape)
        q = given.random(rng, (1, conv.channels, *conv.size))
        drawn = conv, draw(rng, conv, (-1, 1)), q
        check(codes_oracle, row, drawn, given, threads=threads)


@pytest.mark.parametrize("threads", [2, 4])
@pytest.mark.parametrize("row", ROWS, ids=name)
def test_a_share_of_an_odd_number_of_positions_leaves_the_next_one_alone(
    oracle, codes_oracle, row, threads
):
    """Of 38 rows and 8 columns, 16 lanes make 19 positions in a column; kernels finish two each."""
    rng = np.random.default_rng(threads)
    given = codes_oracle.Quantized(5, 255)
    conv = oracle.Conv(channels=9, size=(38, 8), filters=5, padding=(1, 1))
    q = given.random(rng, (8, conv.channels, *conv.size))
    check(codes_oracle, row, (conv, draw(rng, conv, (-1, 1)), q), given, threads=threads)


ACTIVATIONS = {
    "none": {},
    "relu": {"activation": _signbin.Activation.RELU},
    "leaky": {"activation": _signbin.Activation.LEAKY_RELU, "slope": 0.3},
    "clamp": {"activation": _signbin.Activation.CLAMP, "low": -20.0, "high": 30.0},
    "post_bias": {"activation": _signbin.Activation.RELU, "post_bias": True},
}


@pytest.mark.parametrize("zero", [0, 12])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("row", ROWS, ids=name)
def test_the_epilogue_is_the_chain(oracle, codes_oracle, row, activation, zero):
    """With a residual of codes or none, codes and float32 out, bit for bit."""
    rng = np.random.default_rng(len(activation))
    given = codes_oracle.Quantized(zero, 255)
    conv = oracle.Conv(channels=75, size=(6, 7), filters=75, padding=(1, 1))
    stated = dict(ACTIVATIONS[activation])
    if stated.get("post_bias"):
        stated["post_bias"] = rng.normal(0, 9, conv.filters).astype(np.float32)
    for values in ((0, 1), (-1, 1), (-1, 0, 1)):
        codes = draw(rng, conv, values)
        codes[::3] *= -1
        for offset, added in ((None, None), (rng.normal(0, 0.01, 75), None), (None, 0.37)):
            chain = codes_oracle.Chain(
                rng.normal(0, 0.1, 75).astype(np.float32),
                rng.normal(0, 30, 75).astype(np.float32),
                None if offset is None else offset.astype(np.float32),
                residual_scale=np.float32(added or 1.0),
                **stated,
            )
            drawn = conv, codes, given.random(rng, (1, conv.channels, *conv.size))
            check_chain(codes_oracle, row, drawn, chain, given, adds=added is not None)


def check_chain(codes_oracle, row, drawn, chain, given, *, adds):
    conv, codes, q = drawn
    exact, total = codes_oracle.exact_convolution(q, codes, conv, given.zero)
    for result in (None, codes_oracle.Quantized(100, 255), codes_oracle.Quantized(0, 255)):
        layer = codes_oracle.Program(
            row.isa, ((conv.channels, *conv.size), (conv.filters, *conv.output)), (given, result)
        )
        epilogue = chain.epilogue(layer.input) if adds else chain.epilogue()
        weight = weight_of(codes, chain)
        layer.builder.add_conv2d(
            layer.input, layer.output, conv.window, conv.groups, weight, epilogue
        )
        expected = chain.finish(
            exact, total, residual=q - given.zero if adds else None, output=result
        )
        np.testing.assert_array_equal(layer.run(q), expected)


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_layers_that_follow_one_another_agree(oracle, codes_oracle, row):
    """The bytes of the second layer are made from lanes that the first one wrote."""
    rng = np.random.default_rng(8)
    given = codes_oracle.Quantized(9, 255)
    conv = oracle.Conv(channels=33, size=(9, 10), filters=33, padding=(1, 1))
    chain = codes_oracle.Chain(np.full(33, 0.05, np.float32), np.zeros(33, np.float32))
    codes = [draw(rng, conv, values) for values in ((-1, 1), (0, 1))]
    layer = codes_oracle.Program(row.isa, ((33, 9, 10), (33, 9, 10)), (given, given), 2)
    between = layer.value((33, 9, 10), given)
    for source, target, own in (
        (layer.input, between, codes[0]),
        (between, layer.output, codes[1]),
    ):
        layer.builder.add_conv2d(
            source, target, conv.window, 1, weight_of(own, chain), chain.epilogue()
        )
    q = given.random(rng, (2, 33, 9, 10))
    expected = q
    for own in codes:
        expected = chain.finish(
            *codes_oracle.exact_convolution(expected, own, conv, 9), output=given
        )
    np.testing.assert_array_equal(layer.run(q), expected)
