"""Every bit-serial row against integers in numpy: not one value may differ."""

import numpy as np
import pytest

from signbin import native
from signbin.native import _signbin

ROWS = [row for row in native.kernels() if row.strategy == "bitserial" and row.usable]
VALUE_SETS = ["signed_binary", "binary", "ternary", "centred"]
SHAPES = {
    "1x1": {"kernel": (1, 1)},
    "3x3": {"padding": (1, 1)},
    "below_right": {"size": (8, 7), "stride": (2, 2), "padding": (0, 0, 1, 1)},
    "5x5_stride2": {"size": (9, 8), "kernel": (5, 5), "stride": (2, 2), "padding": (2, 2)},
    "uneven_window": {"kernel": (1, 3), "stride": (2, 1), "padding": (0, 2)},
    "dilation": {"size": (11, 12), "dilation": (2, 3), "padding": (2, 3)},
    "groups": {"channels": 6, "filters": 10, "groups": 2, "padding": (1, 1)},
    "one_of_all": {"channels": 1, "size": (1, 1), "filters": 1, "kernel": (1, 1)},
    "63_channels": {"channels": 63, "size": (3, 4), "filters": 3, "padding": (1, 1)},
    "64_channels": {"channels": 64, "size": (3, 4), "filters": 4},
    "300_channels": {"channels": 300, "size": (3, 3), "filters": 5, "padding": (1, 1)},
}


def name(row):
    return row.name


@pytest.mark.parametrize("top", [255, 127])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("row", [row for row in ROWS if row.op == "conv2d"], ids=name)
def test_a_bit_serial_convolution_equals_the_integers(oracle, codes_oracle, row, shape, top):
    rng = np.random.default_rng(len(shape) + top)
    conv = oracle.Conv(**SHAPES[shape])
    for value_set in VALUE_SETS:
        for mode in (_signbin.WalkMode.DEFAULT, _signbin.WalkMode.TWO_GROUPS):
            weights = oracle.low_bit(rng, conv.weight_shape, value_set)
            given = codes_oracle.Quantized(top // 2 + 1 if value_set == "binary" else 0, top)
            scale = (0.3 * weights.scale / np.sqrt(conv.taps)).astype(np.float32)
            offset = None if weights.offset is None else (-0.4 * scale).astype(np.float32)
            chain = codes_oracle.Chain(scale, rng.uniform(0, 99, len(scale)), offset)
            shapes = ((conv.channels, *conv.size), (conv.filters, *conv.output))
            layer = codes_oracle.Program(row.isa, shapes, (given, given), threads=2)
            weight = _signbin.Weight(
                strategy=_signbin.Strategy.BITSERIAL,
                codes=weights.codes.reshape(-1),
                scale=scale,
                offset=offset,
                tile=(1, 1, 1),
                mode=mode,
            )
            chain = codes_oracle.Chain(scale, np.float32(chain.bias), offset)
            layer.builder.add_conv2d(
                layer.input, layer.output, conv.window, conv.groups, weight, chain.epilogue()
            )
            q = given.random(rng, (2, conv.channels, *conv.size))
            actual = layer.run(q)
            assert layer.kernels[1] == row.name
            exact, total = codes_oracle.exact_convolution(q, weights.codes, conv, given.zero)
            np.testing.assert_array_equal(actual, chain.finish(exact, total, output=given))


@pytest.mark.parametrize("row", [row for row in ROWS if row.op == "linear"], ids=name)
def test_a_bit_serial_linear_layer_equals_the_integers(oracle, codes_oracle, row):
    rng = np.random.default_rng(6)
    for value_set in VALUE_SETS:
        for filters, channels in ((1, 1), (13, 70), (4, 2100)):
            weights = oracle.low_bit(rng, (filters, channels), value_set)
            given = codes_oracle.Quantized(128, 255)
            scale = (weights.scale / np.sqrt(channels)).astype(np.float32)
            offset = None if weights.offset is None else (-0.4 * scale).astype(np.float32)
            layer = codes_oracle.Program(
                row.isa,
                ((channels,), (filters,)),
                (given, given),
                threads=3,
                place=_signbin.Place.BATCH,
            )
            weight = _signbin.Weight(
                strategy=_signbin.Strategy.BITSERIAL,
                codes=weights.codes.reshape(-1),
                scale=scale,
                offset=offset,
                tile=(1, 1, 1),
            )
            chain = codes_oracle.Chain(scale, None, offset)
            layer.builder.add_linear(layer.input, layer.output, weight, chain.epilogue())
            q = given.random(rng, (5, channels))
            centred = q - given.zero
            exact = centred @ weights.codes.astype(np.int64).T
            total = np.broadcast_to(centred.sum(axis=1, keepdims=True), exact.shape)
            np.testing.assert_array_equal(layer.run(q), chain.finish(exact, total, output=given))


def test_bit_planes_need_codes_and_are_no_list_of_sums():
    codes = np.ones(4, np.int8)
    scale = np.ones(2, np.float32)
    arrays = ([0, 1, 2], [0, 2], [0, 1], [0, 2])
    sums = _signbin.SumList(*(np.array(array, np.int32) for array in arrays))
    builder = _signbin.Builder("scalar", 0)
    source = builder.add_value((2, 1, 1), _signbin.Place.INPUT)
    target = builder.add_value((2, 1, 1), _signbin.Place.OUTPUT)
    both = _signbin.Weight(
        strategy=_signbin.Strategy.BITSERIAL, codes=codes, scale=scale, tile=(1, 1, 1), sums=sums
    )
    with pytest.raises(
        _signbin.StatusError, match="a list of sums for strategy bitserial; allowed: for sums"
    ):
        builder.add_linear(source, target, both, _signbin.Epilogue())
    on_floats = _signbin.Weight(
        strategy=_signbin.Strategy.BITSERIAL, codes=codes, scale=scale, tile=(1, 1, 1)
    )
    with pytest.raises(_signbin.StatusError, match="no f32 bitserial kernel"):
        builder.add_linear(source, target, on_floats, _signbin.Epilogue())
