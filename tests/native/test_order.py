"""Regrouped filters give the same sums: exactly on whole numbers, whoever shares a walk."""

import numpy as np
import pytest

from signbin import native
from signbin.native import _signbin

ROWS = [row for row in native.kernels() if row.strategy == "bucket" and row.usable]
VALUE_SETS = ["signed_binary", "binary", "ternary"]


def name(row):
    return row.name


def random_order(rng, groups, chunks, filters):
    rows = [rng.permutation(filters) for _ in range(groups * chunks)]
    return np.concatenate(rows).astype(np.int32)


def weight_of(codes, scale, tile, order):
    return _signbin.Weight(
        strategy=_signbin.Strategy.BUCKET,
        codes=codes.reshape(-1),
        scale=scale,
        tile=tile,
        order=order,
    )


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("value_set", VALUE_SETS)
@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.op == "conv2d" and row.activations == "f32"], ids=name
)
def test_any_order_of_every_chunk_gives_the_same_convolution(oracle, row, value_set, threads):
    rng = np.random.default_rng(threads)
    for shape in (
        {"channels": 10, "filters": 19, "size": (7, 5), "padding": (1, 1)},
        {"channels": 8, "filters": 12, "groups": 2, "size": (3, 3), "padding": (1, 1)},
    ):
        conv = oracle.Conv(**shape)
        weights = oracle.low_bit(rng, conv.weight_shape, value_set)
        x = rng.integers(-9, 10, (2, conv.channels, *conv.size)).astype(np.float32)
        scale = np.ones(conv.filters, np.float32)
        for filters, chunk in ((4, 3), (3, 100), (1, 4)):
            depth = conv.channels // conv.groups
            chunks = -(-depth // chunk)
            order = random_order(rng, conv.groups, chunks, conv.filters // conv.groups)
            weight = weight_of(weights.codes, scale, (filters, row.vectors, chunk), order)
            layer = oracle.OneLayer(
                row.isa, (conv.channels, *conv.size), (conv.filters, *conv.output)
            )
            layer.builder = _signbin.Builder(row.isa, 0, 0, threads)
            source = layer.builder.add_value((conv.channels, *conv.size), _signbin.Place.INPUT)
            target = layer.builder.add_value((conv.filters, *conv.output), _signbin.Place.OUTPUT)
            layer.builder.add_conv2d(
                source, target, conv.window, conv.groups, weight, _signbin.Epilogue()
            )
            expected = oracle.convolve(x, weights.codes, conv)
            np.testing.assert_array_equal(layer.run(x), expected)


@pytest.mark.parametrize("value_set", VALUE_SETS)
@pytest.mark.parametrize("row", [row for row in ROWS if row.activations == "u8"], ids=name)
def test_any_order_gives_the_same_codes(codes_oracle, oracle, row, value_set):
    rng = np.random.default_rng(2)
    given, linear = codes_oracle.Quantized(0, 255), row.op == "linear"
    filters, channels, chunk = 13, 40, 8
    shape = (filters, channels) if linear else (filters, channels, 1, 1)
    weights = oracle.low_bit(rng, shape, value_set)
    order = random_order(rng, 1, 5, filters)
    if linear:
        order = np.tile(order[:filters], 5)
    scale = np.full(filters, 0.01, np.float32)
    chain = codes_oracle.Chain(scale)
    layer = codes_oracle.Program(
        row.isa,
        ((channels,) if linear else (channels, 3, 3), (filters,) if linear else (filters, 3, 3)),
        (given, given),
        place=_signbin.Place.BATCH if linear else _signbin.Place.ARENA,
    )
    weight = weight_of(weights.codes, scale, (4, row.vectors, chunk), order)
    q = given.random(rng, (9, channels) if linear else (2, channels, 3, 3))
    if linear:
        layer.builder.add_linear(layer.input, layer.output, weight, chain.epilogue())
        exact = q @ weights.codes.astype(np.int64).T
    else:
        conv = oracle.Conv(channels, (3, 3), filters, kernel=(1, 1))
        layer.builder.add_conv2d(
            layer.input, layer.output, conv.window, 1, weight, chain.epilogue()
        )
        exact, _ = codes_oracle.exact_convolution(q, weights.codes, conv, 0)
    np.testing.assert_array_equal(layer.run(q), chain.finish(exact, output=given))


@pytest.mark.parametrize(
    "order",
    [
        [0, 1, 2],
        [0, 1, 2, 3, 3, 2, 1],
        [0, 1, 2, 3, 0, 1, 2, 2],
        [0, 1, 2, 3, 0, 1, 2, 4],
        [0, 1, 2, 3, 0, 1, 2, -1],
        [0, 1, 2, 3, 0, 1, 2, 2**31 - 1],
    ],
    ids=str,
)
def test_what_is_no_order_is_refused(oracle, order):
    conv = oracle.Conv(channels=4, filters=4, size=(3, 3), kernel=(1, 1))
    codes = np.ones(conv.weight_shape, np.int8)
    x = np.ones((1, 4, 3, 3), np.float32)
    numbers = np.array(order, np.int32)
    weight = weight_of(codes, np.ones(4, np.float32), (4, 1, 2), numbers)
    if not order:
        return oracle.run_conv2d("portable", conv, weight, x)
    with pytest.raises(_signbin.StatusError, match="order of filters"):
        oracle.run_conv2d("portable", conv, weight, x)
    return None


def test_a_linear_layer_is_refused_an_order_per_chunk(oracle):
    x = np.ones((1, 4), np.float32)
    codes = np.ones((2, 4), np.int8)
    order = np.array([0, 1, 1, 0], np.int32)
    weight = weight_of(codes, np.ones(2, np.float32), (2, 1, 2), order)
    with pytest.raises(_signbin.StatusError, match="for a linear layer all the same"):
        oracle.run_linear("portable", weight, x, 2)
