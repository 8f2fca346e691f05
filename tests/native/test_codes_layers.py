"""Every layer on 8-bit codes against integers in numpy: not one value may differ."""

import dataclasses
import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin import native
from signbin.native import _signbin

ROWS = [
    row
    for row in native.kernels()
    if row.activations == "u8"
    and row.usable
    and row.strategy in ("dense", "bucket", "direct", "layout")
    and (not row.generated or _signbin.generates())
]
CONV = [row for row in ROWS if row.op == "conv2d"]
LINEAR = [row for row in ROWS if row.op == "linear"]
VALUE_SETS = ["signed_binary", "binary", "ternary", "centred"]
BATCH = _signbin.Place.BATCH

SHAPES = {
    "1x1": {"kernel": (1, 1)},
    "3x3": {"padding": (1, 1)},
    "5x5": {"size": (9, 7), "kernel": (5, 5), "padding": (2, 2)},
    "7x7_stride2": {"size": (15, 15), "kernel": (7, 7), "stride": (2, 2), "padding": (3, 3)},
    "stride3": {"size": (11, 10), "stride": (3, 3), "padding": (1, 1)},
    "uneven_window": {"kernel": (1, 3), "stride": (2, 1), "padding": (0, 2)},
    "dilation": {"size": (11, 12), "dilation": (2, 3), "padding": (2, 3)},
    "groups": {"channels": 6, "filters": 4, "groups": 2, "padding": (1, 1)},
    "depthwise": {"channels": 5, "filters": 5, "groups": 5, "padding": (1, 1)},
    "one_channel": {"channels": 1, "padding": (1, 1)},
    "one_filter": {"filters": 1, "padding": (1, 1)},
    "one_of_all": {"channels": 1, "size": (1, 1), "filters": 1, "kernel": (1, 1)},
    "odd_13x17": {"channels": 7, "size": (13, 17), "filters": 13, "padding": (1, 1)},
    "padding3": {"size": (2, 3), "padding": (3, 3)},
    "below_right": {"size": (8, 7), "stride": (2, 2), "padding": (0, 0, 1, 1)},
    "above_left": {"size": (7, 8), "stride": (2, 2), "padding": (1, 1, 0, 0)},
    "four_sides": {"size": (5, 6), "kernel": (4, 2), "padding": (1, 0, 2, 3)},
    "many_channels": {"channels": 70, "size": (3, 4), "filters": 9, "padding": (1, 1)},
}


def name(row):
    return row.name


@dataclasses.dataclass(frozen=True)
class Case:
    """Weights, chain and quantisations of one layer."""

    codes: np.ndarray
    chain: object
    given: object
    result: object

    def weight(self, row, tile=None, mode=_signbin.WalkMode.DEFAULT):
        flat = np.ascontiguousarray(self.codes.reshape(-1))
        kind = {"integers": flat} if row.strategy == "dense" else {"codes": flat}
        tile = (row.filters, row.vectors, 64) if tile is None else tile
        chain = self.chain
        factors = {"scale": chain.scale, "offset": chain.offset}
        how = {"tile": tile, "mode": mode, "generated": row.generated}
        strategy = _signbin.Strategy[row.strategy.upper()]
        return _signbin.Weight(strategy=strategy, **factors, **how, **kind)


def draw(oracle, codes_oracle, rng, shape, value_set, density=0.4, **quantisation):
    """A layer whose outputs spread over the codes of its result."""
    bits = quantisation.get("bits", 8)
    zero = 1 << (bits - 1) if quantisation.get("signed") else 0
    given = codes_oracle.Quantized(zero, (1 << bits) - 1)
    result = codes_oracle.Quantized(zero, (1 << bits) - 1)
    if value_set == "integers":
        codes, offset = rng.integers(-63, 64, shape).astype(np.int8), None
    else:
        weights = oracle.low_bit(rng, shape, value_set, density)
        codes, offset = weights.codes, weights.offset
    spread = given.top * np.sqrt(np.prod(shape[1:])) * np.abs(codes).max(initial=1)
    scale = (rng.choice([-1, 1], shape[0]) * rng.uniform(50, 200, shape[0]) / spread).astype(
        np.float32
    )
    bias = rng.uniform(-20, 120, shape[0]).astype(np.float32)
    if offset is not None:
        offset = (-0.4 * scale).astype(np.float32)
    return Case(codes, codes_oracle.Chain(scale, bias, offset), given, result)


def run_conv2d(codes_oracle, row, conv, case, q, **how):
    layer = codes_oracle.Program(
        row.isa,
        ((conv.channels, *conv.size), (conv.filters, *conv.output)),
        (case.given, case.result),
        how.get("threads", 1),
    )
    weight = case.weight(row, how.get("tile"), how.get("mode", _signbin.WalkMode.DEFAULT))
    layer.builder.add_conv2d(
        layer.input,
        layer.output,
        conv.window,
        conv.groups,
        weight,
        case.chain.epilogue(how.get("residual")),
    )
    return layer.run(q), layer.kernels[1]


def expect_conv2d(codes_oracle, conv, case, q):
    exact, total = codes_oracle.exact_convolution(q, case.codes, conv, case.given.zero)
    return case.chain.finish(exact, total, output=case.result)


def walked(row, value_set):
    """The largest tile of a row for a value set; dense rows take any."""
    return (min(row.filters, 4) if value_set == "ternary" else row.filters, row.vectors, 64)


def sets_of(row):
    return ["integers", "centred"] if row.strategy == "dense" else VALUE_SETS


@functools.cache
def conv_case(oracle, codes_oracle, shape, value_set, *, signed):
    """(convolution, case, codes, codes of the result): the same for every row."""
    rng = np.random.default_rng(len(shape) + 100 * signed)
    conv = oracle.Conv(**SHAPES[shape])
    case = draw(oracle, codes_oracle, rng, conv.weight_shape, value_set, signed=signed)
    q = case.given.random(rng, (2, conv.channels, *conv.size))
    return conv, case, q, expect_conv2d(codes_oracle, conv, case, q)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("row", CONV, ids=name)
def test_a_layer_equals_the_integers(oracle, codes_oracle, row, shape):
    for value_set, signed in itertools.product(sets_of(row), (False, True)):
        conv, case, q, expected = conv_case(oracle, codes_oracle, shape, value_set, signed=signed)
        actual, kernel = run_conv2d(codes_oracle, row, conv, case, q, tile=walked(row, value_set))
        assert kernel == row.name, value_set
        np.testing.assert_array_equal(actual, expected, err_msg=f"{value_set}, signed: {signed}")


@functools.cache
def linear_case(oracle, codes_oracle, value_set, shape, batch):
    """(case, codes, codes of the result): the same for every row."""
    rng = np.random.default_rng(batch)
    case = draw(oracle, codes_oracle, rng, shape, value_set, signed=batch == 9)
    q = case.given.random(rng, (batch, shape[1]))
    steps = q - case.given.zero
    exact = steps @ case.codes.astype(np.int64).T
    total = np.broadcast_to(steps.sum(axis=1, keepdims=True), exact.shape)
    return case, q, case.chain.finish(exact, total, output=case.result)


@pytest.mark.parametrize("batch", [1, 2, 9, 33])
@pytest.mark.parametrize("row", LINEAR, ids=name)
def test_a_linear_layer_equals_the_integers(oracle, codes_oracle, row, batch):
    shapes = ((1, 1, 1), (5, 3, 2), (64, 10, 64), (300, 17, 300))
    for value_set, (channels, filters, chunk) in itertools.product(sets_of(row), shapes):
        shape = (filters, channels)
        case, q, expected = linear_case(oracle, codes_oracle, value_set, shape, batch)
        layer = codes_oracle.Program(
            row.isa, ((channels,), (filters,)), (case.given, case.result), place=BATCH
        )
        tile = (*walked(row, value_set)[:2], chunk)
        layer.builder.add_linear(
            layer.input, layer.output, case.weight(row, tile), case.chain.epilogue()
        )
        actual = layer.run(q)
        np.testing.assert_array_equal(actual, expected, err_msg=f"{value_set} {shape}")
        if tile[0] == row.filters or row.strategy != "bucket":
            assert layer.kernels[1] == row.name, value_set


@pytest.mark.parametrize("stored", ["codes", "float32"])
@pytest.mark.parametrize("row", CONV, ids=name)
def test_the_chain_rounds_after_every_operation(oracle, codes_oracle, row, stored):
    rng = np.random.default_rng(7)
    conv = oracle.Conv(channels=8, filters=8, padding=(1, 1))
    value_set = "integers" if row.strategy == "dense" else "centred"
    case = draw(oracle, codes_oracle, rng, conv.weight_shape, value_set, signed=True)
    q = case.given.random(rng, (2, 8, 6, 6))
    exact, total = codes_oracle.exact_convolution(q, case.codes, conv, case.given.zero)
    slope, post = (rng.standard_normal(8).astype(np.float32) for _ in range(2))
    for activation in _signbin.Activation:
        chain = dataclasses.replace(
            case.chain,
            residual_scale=float(np.float32(0.37)),
            activation=activation,
            prelu=slope,
            low=-20.3,
            high=40.7,
            post_bias=post,
        )
        result = case.result if stored == "codes" else None
        changed = dataclasses.replace(case, chain=chain, result=result)
        actual, _ = run_conv2d(codes_oracle, row, conv, changed, q, residual=1)
        expected = chain.finish(exact, total, q - case.given.zero, result)
        np.testing.assert_array_equal(actual, expected)
        assert actual.dtype == expected.dtype


@pytest.mark.parametrize("filters", [9, 16, 21])
@pytest.mark.parametrize("row", CONV, ids=name)
def test_shortcuts_and_activations_are_the_same_for_many_filters_at_once(
    oracle, codes_oracle, row, filters
):
    rng = np.random.default_rng(filters)
    conv = oracle.Conv(channels=filters, filters=filters, size=(5, 7), padding=(1, 1))
    value_set = "integers" if row.strategy == "dense" else "signed_binary"
    case = draw(oracle, codes_oracle, rng, conv.weight_shape, value_set, signed=True)
    q = case.given.random(rng, (2, filters, 5, 7))
    exact, total = codes_oracle.exact_convolution(q, case.codes, conv, case.given.zero)
    for activation, residual in itertools.product(_signbin.Activation, (None, 1)):
        chain = dataclasses.replace(
            case.chain,
            residual_scale=float(np.float32(0.37)) if residual else 1.0,
            activation=activation,
            slope=0.25,
            low=-20.3,
            high=40.7,
        )
        changed = dataclasses.replace(case, chain=chain)
        actual, _ = run_conv2d(codes_oracle, row, conv, changed, q, residual=residual)
        added = q - case.given.zero if residual else None
        np.testing.assert_array_equal(actual, chain.finish(exact, total, added, case.result))


@pytest.mark.parametrize("row", CONV, ids=name)
def test_ties_go_to_even_and_what_is_no_number_to_the_least_code(oracle, codes_oracle, row):
    conv = oracle.Conv(channels=1, size=(16, 17), filters=4, kernel=(1, 1))
    codes = np.ones(conv.weight_shape, np.int8)
    given, result = codes_oracle.Quantized(0, 255), codes_oracle.Quantized(64, 127)
    chain = codes_oracle.Chain(
        np.float32([0.5, -0.5, 3e38, -3e38]), offset=np.float32([0, 0, -3e38, 3e38])
    )
    q = np.arange(272).reshape(1, 1, 16, 17) % 256
    actual, _ = run_conv2d(codes_oracle, row, conv, Case(codes, chain, given, result), q)
    exact, total = codes_oracle.exact_convolution(q, codes, conv, 0)
    np.testing.assert_array_equal(actual, chain.finish(exact, total, output=result))
    np.testing.assert_array_equal(actual[0, 0].reshape(-1)[[1, 3, 5, 126]], [64, 66, 66, 127])
    assert np.all(actual[0, 2:].reshape(2, -1)[:, 2:256] == 0)  # inf - inf


BUCKET = [row for row in CONV if row.strategy == "bucket"]


@functools.cache
def largest_case(oracle, codes_oracle, value_set, bits, channels, kernel):
    rng = np.random.default_rng(3)
    conv = oracle.Conv(channels=channels, size=(27, 27), filters=11, kernel=kernel)
    case = draw(oracle, codes_oracle, rng, conv.weight_shape, value_set, 1.0, bits=bits)
    codes = case.codes * (rng.random(conv.weight_shape) < 0.2)
    codes[::3] = case.codes[::3]
    case = dataclasses.replace(case, codes=codes.astype(np.int8))
    q = np.full((1, channels, 27, 27), case.given.top)
    q[..., 0] = 0
    return conv, case, q, expect_conv2d(codes_oracle, conv, case, q)


@pytest.mark.parametrize("bits", [7, 8])
@pytest.mark.parametrize("value_set", VALUE_SETS)
@pytest.mark.parametrize("row", BUCKET, ids=name)
def test_sums_of_16_bits_never_overflow(oracle, codes_oracle, row, value_set, bits):
    """Every code the largest, dense and sparse filters side by side, one chunk asked for."""
    for channels, kernel in ((257, (1, 1)), (258, (1, 1)), (130, (3, 3)), (1, (26, 26))):
        made = (oracle, codes_oracle, value_set, bits, channels, kernel)
        conv, case, q, expected = largest_case(*made)
        tile = (*walked(row, "ternary")[:2], 1000)
        actual, _ = run_conv2d(codes_oracle, row, conv, case, q, tile=tile)
        np.testing.assert_array_equal(actual, expected, err_msg=str(conv))


@functools.cache
def mode_case(oracle, codes_oracle, value_set):
    rng = np.random.default_rng(4)
    conv = oracle.Conv(channels=21, size=(9, 11), filters=13, padding=(1, 1))
    case = draw(oracle, codes_oracle, rng, conv.weight_shape, value_set)
    q = case.given.random(rng, (1, 21, 9, 11))
    return conv, case, q, expect_conv2d(codes_oracle, conv, case, q)


@pytest.mark.parametrize("value_set", VALUE_SETS)
@pytest.mark.parametrize("mode", ["ZEROS", "TWO_GROUPS"])
@pytest.mark.parametrize("row", BUCKET, ids=name)
def test_a_walk_mode_changes_no_value(oracle, codes_oracle, row, mode, value_set):
    conv, case, q, expected = mode_case(oracle, codes_oracle, value_set)
    mode = getattr(_signbin.WalkMode, mode)
    ternary = mode is _signbin.WalkMode.TWO_GROUPS or value_set == "ternary"
    for filters in range(1, 5 if ternary else 9):
        tile = (filters, row.vectors, 9)
        actual, _ = run_conv2d(codes_oracle, row, conv, case, q, tile=tile, mode=mode)
        np.testing.assert_array_equal(actual, expected, err_msg=f"tile {tile}")


@pytest.mark.parametrize("row", BUCKET, ids=name)
def test_filters_without_weights_give_their_bias(oracle, codes_oracle, row):
    rng = np.random.default_rng(5)
    conv = oracle.Conv(channels=40, filters=19, padding=(1, 1))
    case = draw(oracle, codes_oracle, rng, conv.weight_shape, "centred")
    for empty in (slice(0, 19), slice(3, 12), slice(0, 19, 2)):
        codes = case.codes.copy()
        codes[empty] = 0
        codes[:, 10:20] = 0  # a chunk without weights
        sparse = dataclasses.replace(case, codes=codes)
        q = case.given.random(rng, (1, 40, 6, 6))
        actual, _ = run_conv2d(codes_oracle, row, conv, sparse, q, tile=(*walked(row, "")[:2], 10))
        np.testing.assert_array_equal(actual, expect_conv2d(codes_oracle, conv, sparse, q))


@st.composite
def convolutions(draw):
    groups = draw(st.integers(1, 3))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = draw(st.tuples(*[st.integers(0, 3)] * 4))
    least = [
        max(1, d * (k - 1) + 1 - sum(padding[axis::2]))
        for axis, (k, d) in enumerate(zip(kernel, dilation, strict=True))
    ]
    return {
        "channels": groups * draw(st.integers(1, 20)),
        "filters": groups * draw(st.integers(1, 10)),
        "groups": groups,
        "size": tuple(draw(st.integers(low, low + 12)) for low in least),
        "kernel": kernel,
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "padding": padding,
        "dilation": dilation,
    }


@st.composite
def layers(draw):
    """(geometry, value set, tile, threads, what draw() takes for quantisation)."""
    value_set = draw(st.sampled_from(VALUE_SETS))
    filters = draw(st.integers(1, 4 if value_set == "ternary" else 8))
    tile = (filters, draw(st.integers(1, 8)), draw(st.integers(1, 40)))
    quantisation = {"bits": draw(st.integers(7, 8)), "signed": draw(st.booleans())}
    return draw(convolutions()), value_set, tile, draw(st.integers(1, 4)), quantisation


@settings(max_examples=60, deadline=None)
@given(layer=layers(), seed=st.integers(0, 2**16))
def test_any_geometry_gives_the_same_codes_everywhere(oracle, codes_oracle, layer, seed):
    geometry, value_set, tile, threads, quantisation = layer
    rng = np.random.default_rng(seed)
    conv = oracle.Conv(**geometry)
    case = draw(
        oracle, codes_oracle, rng, conv.weight_shape, value_set, rng.random(), **quantisation
    )
    q = case.given.random(rng, (1, conv.channels, *conv.size))
    expected = expect_conv2d(codes_oracle, conv, case, q)
    for row in {(row.isa, row.strategy): row for row in CONV}.values():
        actual, _ = run_conv2d(codes_oracle, row, conv, case, q, tile=tile, threads=threads)
        np.testing.assert_array_equal(actual, expected)
