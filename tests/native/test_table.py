"""Table lookups against the integers: every kernel, odd shapes, batches, epilogues and threads."""

import numpy as np
import pytest

from signbin import native
from signbin.native import _signbin

TABLES = [row for row in native.kernels() if row.strategy == "table" and row.usable]
ROWS = [row for row in TABLES if (row.activations, row.op) == ("u8", "linear")]
FLOATS = [row for row in TABLES if (row.activations, row.op) == ("f32", "linear")]
CODED = [row for row in TABLES if row.op == "coded_linear"]
BATCH, ARENA = _signbin.Place.BATCH, _signbin.Place.ARENA
VALUES = [(0, 1), (-1, 1), (-1, 0, 1), (0, -1), (1,), (-1,), (0,)]
# Cells and vectors that are not full, several blocks of every kernel, and more than one chunk.
SHAPES = [(1, 1), (33, 520), (64, 9), (31, 255), (300, 65), (517, 33), (97, 8217)]


def name(row):
    return row.name


def weight_of(codes, chain):
    return _signbin.Weight(
        strategy=_signbin.Strategy.TABLE,
        codes=np.ascontiguousarray(codes, np.int8).reshape(-1),
        scale=chain.scale,
        offset=chain.offset,
        tile=(1, 1, 1),
    )


def sums_of(q, codes, zero):
    """(sum of code * (q - zero), sum of q - zero) for every filter, in int64."""
    steps = q - zero
    exact = steps @ codes.astype(np.int64).T
    return exact, np.broadcast_to(steps.sum(axis=1, keepdims=True), exact.shape)


def plain_chain(codes_oracle, filters, offset):
    """Scales that leave the sums as they are, so that float32 outputs show them."""
    shifts = np.linspace(-2, 3, filters).astype(np.float32)
    return codes_oracle.Chain(np.ones(filters, np.float32), offset=shifts if offset else None)


def run(codes_oracle, row, codes, q, chain, given, **how):
    """What the kernel makes of codes (N, C): float32, or codes of how["result"]."""
    filters, channels = codes.shape
    layer = codes_oracle.Program(
        row.isa,
        ((channels,), (filters,)),
        (given, how.get("result")),
        how.get("threads", 1),
        place=BATCH,
    )
    layer.builder.add_linear(layer.input, layer.output, weight_of(codes, chain), chain.epilogue())
    found = layer.run(q)
    assert layer.kernels[1] == row.name
    return found


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]}x{shape[1]}")
@pytest.mark.parametrize("row", ROWS, ids=name)
def test_tables_equal_the_integers(codes_oracle, row, shape, values):
    """The largest code everywhere, then any codes, for one image and for two."""
    rng = np.random.default_rng(shape)
    codes = rng.choice(np.array(values, np.int8), shape)
    codes[0] = values[-1]
    for given, q in (
        (codes_oracle.Quantized(0, 255), np.full((1, shape[1]), 255)),
        (codes_oracle.Quantized(128, 255), rng.integers(0, 256, (1, shape[1]))),
        (codes_oracle.Quantized(3, 127), rng.integers(0, 128, (2, shape[1]))),
    ):
        chain = plain_chain(codes_oracle, shape[0], offset=len(q) == 2)
        found = run(codes_oracle, row, codes, q, chain, given)
        expected = chain.finish(*sums_of(q, codes, given.zero))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 8, 9, 16, 25])
@pytest.mark.parametrize("row", ROWS, ids=name)
def test_every_batch_and_number_of_threads_gives_the_same(codes_oracle, row, batch):
    rng = np.random.default_rng(batch)
    codes = rng.choice(np.array([-1, 0, 1] if batch % 2 else [-1, 1], np.int8), (290, 300))
    given = codes_oracle.Quantized(7, 255)
    q = rng.choice([0, 255], (batch, 300))
    chain = plain_chain(codes_oracle, 290, offset=True)
    expected = chain.finish(*sums_of(q, codes, given.zero))
    for threads in (1, 2, 5):
        found = run(codes_oracle, row, codes, q, chain, given, threads=threads)
        np.testing.assert_array_equal(found, expected)


ACTIVATIONS = {
    "none": {},
    "relu": {"activation": _signbin.Activation.RELU},
    "leaky": {"activation": _signbin.Activation.LEAKY_RELU, "slope": 0.3},
    "prelu": {"activation": _signbin.Activation.LEAKY_RELU, "prelu": True},
    "clamp": {"activation": _signbin.Activation.CLAMP, "low": -20.0, "high": 30.0},
    "post_bias": {"activation": _signbin.Activation.RELU, "post_bias": True},
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("row", ROWS, ids=name)
def test_the_epilogue_is_the_chain(codes_oracle, row, activation):
    """A residual of codes, every activation, codes and float32 out, bit for bit."""
    rng = np.random.default_rng(len(activation))
    filters, channels, given = 291, 77, codes_oracle.Quantized(12, 255)
    stated = dict(ACTIVATIONS[activation])
    for array in ("prelu", "post_bias"):
        if stated.get(array):
            stated[array] = rng.normal(0, 9, filters).astype(np.float32)
    for values in ((0, 1), (-1, 1), (-1, 0, 1)):
        codes = rng.choice(np.array(values, np.int8), (filters, channels))
        chain = codes_oracle.Chain(
            rng.normal(0, 0.1, filters).astype(np.float32),
            rng.normal(0, 30, filters).astype(np.float32),
            rng.normal(0, 0.01, filters).astype(np.float32),
            **stated,
        )
        q = given.random(rng, (3, channels))
        exact, total = sums_of(q, codes, given.zero)
        for result in (None, codes_oracle.Quantized(100, 255)):
            found = run(codes_oracle, row, codes, q, chain, given, result=result)
            np.testing.assert_array_equal(found, chain.finish(exact, total, output=result))


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_a_residual_of_codes_is_added(codes_oracle, row):
    rng = np.random.default_rng(5)
    given, size = codes_oracle.Quantized(60, 255), 70
    codes = rng.choice(np.array([-1, 0, 1], np.int8), (size, size))
    chain = codes_oracle.Chain(
        rng.normal(0, 0.2, size).astype(np.float32), residual_scale=np.float32(0.37)
    )
    layer = codes_oracle.Program(row.isa, ((size,), (size,)), (given, given), 2, place=BATCH)
    layer.builder.add_linear(
        layer.input, layer.output, weight_of(codes, chain), chain.epilogue(layer.input)
    )
    q = given.random(rng, (5, size))
    expected = chain.finish(*sums_of(q, codes, 60), residual=q - 60, output=given)
    np.testing.assert_array_equal(layer.run(q), expected)


@pytest.mark.parametrize("whole_batch", [True, False])
@pytest.mark.parametrize("row", ROWS, ids=name)
def test_rows_of_a_value_are_images(codes_oracle, row, whole_batch):
    rng = np.random.default_rng(3)
    rows, channels, filters = 6, 50, 40
    given = codes_oracle.Quantized(9, 255)
    codes = rng.choice(np.array([-1, 1], np.int8), (filters, channels))
    chain = plain_chain(codes_oracle, filters, offset=False)
    layer = codes_oracle.Program(
        row.isa,
        ((rows, channels), (rows, filters)),
        (given, None),
        place=BATCH if whole_batch else ARENA,
    )
    layer.builder.add_linear(
        layer.input, layer.output, weight_of(codes, chain), chain.epilogue(), rows, whole_batch
    )
    q = given.random(rng, (4, rows, channels))
    found = layer.run(q).reshape(4 * rows, filters)
    exact, total = sums_of(q.reshape(4 * rows, channels), codes, given.zero)
    np.testing.assert_array_equal(found, chain.finish(exact, total))


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_a_weight_is_one_bit_and_two_where_filters_mix_three_values(codes_oracle, row):
    for values, bits in (((0, 1), 1), ((-1, 1), 1), ((-1, 0, 1), 2)):
        codes = np.random.default_rng(0).choice(np.array(values, np.int8), (512, 1024))
        chain = plain_chain(codes_oracle, 512, offset=False)
        layer = codes_oracle.Program(
            row.isa, ((1024,), (512,)), (codes_oracle.Quantized(), None), place=BATCH
        )
        layer.builder.add_linear(
            layer.input, layer.output, weight_of(codes, chain), chain.epilogue()
        )
        assert layer.builder.finish().packed_bytes()[1] * 8 == bits * codes.size


def run_floats(row, codes, x, *, coded=False, threads=1, residual=None, **epilogue):
    """What the kernel makes of float32 (N, C), scales 1 to 2 and offsets of every sign."""
    filters, channels = codes.shape
    scale = np.linspace(1, 2, filters).astype(np.float32)
    offset = np.linspace(-1, 1, filters).astype(np.float32)
    builder = _signbin.Builder(row.isa, 0, 4 * filters, threads)
    source = builder.add_value((channels, 1, 1), _signbin.Place.INPUT)
    other = builder.add_value((filters, 1, 1), _signbin.Place.INPUT)
    target = builder.add_value((filters, 1, 1), _signbin.Place.OUTPUT)
    weight = _signbin.Weight(
        strategy=_signbin.Strategy.TABLE,
        codes=codes.reshape(-1),
        scale=scale,
        offset=offset,
        tile=(1, 1, 1),
        coded_rows=coded,
    )
    added = None if residual is None else other
    builder.add_linear(source, target, weight, _signbin.Epilogue(residual=added, **epilogue))
    program = builder.finish()
    assert program.step_kernels() == [row.name]
    y = np.full((len(x), filters), np.nan, np.float32)
    given = np.zeros((len(x), filters), np.float32) if residual is None else residual
    program.run([x, given], [y], len(x))
    return y, scale[:, None].astype(np.float64) * codes + offset[:, None]


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]}x{shape[1]}")
@pytest.mark.parametrize("row", FLOATS, ids=name)
def test_tables_of_floats_are_the_products(row, shape, values):
    """Within the roundings of as many additions as there are inputs, relative to sum |w x|."""
    rng = np.random.default_rng(shape)
    codes = rng.choice(np.array(values, np.int8), shape)
    for batch, threads in ((1, 1), (3, 2), (9, 5)):
        x = rng.standard_normal((batch, shape[1])).astype(np.float32)
        residual = rng.standard_normal((batch, shape[0])).astype(np.float32)
        bias = rng.standard_normal(shape[0]).astype(np.float32)
        y, weights = run_floats(row, codes, x, threads=threads, residual=residual, bias=bias)
        magnitude = np.abs(x).sum(axis=1, keepdims=True) * 4 + np.abs(residual) + np.abs(bias)
        difference = np.abs(y - (x.astype(np.float64) @ weights.T + residual + bias))
        assert np.all(difference <= 2.0**-24 * (shape[1] + 8) * magnitude)


@pytest.mark.parametrize("row", [*FLOATS, *CODED], ids=name)
def test_a_row_has_the_same_bits_in_every_batch(row):
    rng = np.random.default_rng(2)
    codes = rng.choice(np.array([-1, 0, 1], np.int8), (150, 501))
    x = rng.standard_normal((19, 501)).astype(np.float32)
    x[3] = np.abs(x[3])
    coded = row in CODED
    together = run_floats(row, codes, x, coded=coded, threads=3)[0]
    for n in range(len(x)):
        alone = run_floats(row, codes, x[n : n + 1], coded=coded)[0]
        np.testing.assert_array_equal(alone[0], together[n])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [*FLOATS, *CODED], ids=name)
def test_what_is_not_finite_shows_in_every_output_of_its_row(row, bad):
    codes = np.zeros((40, 70), np.int8)
    codes[:, 1] = 1
    x = np.ones((3, 70), np.float32)
    x[1, 69] = bad
    y = run_floats(row, codes, x, coded=row in CODED)[0]
    assert not np.isfinite(y[1]).any()
    assert np.isfinite(y[[0, 2]]).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("row", [*FLOATS, *CODED], ids=name)
def test_floats_go_through_every_activation(row, activation):
    """Whole numbers up to 127, which codes of a row hold exactly: no tolerance."""
    rng = np.random.default_rng(8)
    stated = dict(ACTIVATIONS[activation])
    for array in ("prelu", "post_bias"):
        if stated.get(array):
            stated[array] = rng.integers(1, 9, 60).astype(np.float32)
    codes = rng.choice(np.array([-1, 1], np.int8), (60, 61))
    x = rng.integers(-127, 128, (2, 61)).astype(np.float32)
    x[:, 0] = 127
    y, weights = run_floats(row, codes, x, coded=row in CODED, **stated)
    f = x.astype(np.float64) @ weights.T
    if stated.get("activation") is _signbin.Activation.RELU:
        f = np.maximum(f, 0)
    elif stated.get("activation") is _signbin.Activation.LEAKY_RELU:
        slope = np.float32(stated.get("slope", 0)) if activation == "leaky" else stated["prelu"]
        f = np.where(f > 0, f, slope * f)
    elif stated.get("activation") is _signbin.Activation.CLAMP:
        f = np.clip(f, stated["low"], stated["high"])
    f = f + stated.get("post_bias", np.zeros(60))
    np.testing.assert_allclose(y, f, rtol=1e-5, atol=2e-2)


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("row", CODED, ids=name)
def test_rows_become_codes_of_their_own(row, values):
    """Outputs are those of the rounded rows, and rounding is at most half a step."""
    rng = np.random.default_rng(4)
    codes = rng.choice(np.array(values, np.int8), (77, 300))
    sizes = (10.0 ** np.arange(-5, 6)[:, None]).astype(np.float32)
    x = rng.standard_normal((11, 300)).astype(np.float32) * sizes
    x[4:7] = np.abs(x[4:7])
    x[5, :-1] = 0
    x[7] = 0
    y, weights = run_floats(row, codes, x, coded=True, threads=2)
    signed = (x < 0).any(axis=1, keepdims=True)
    most = np.abs(x).max(axis=1, keepdims=True)
    step = most / np.where(signed, np.float32(127), np.float32(255))
    factor = np.where(signed, np.float32(127), np.float32(255)) / np.maximum(most, 2.0**-100)
    rounded = np.rint(x * factor.astype(np.float32)).astype(np.float64) * step
    assert np.all(np.abs(rounded - x) <= 0.51 * step)
    magnitude = np.abs(rounded).sum(axis=1, keepdims=True)
    assert np.all(np.abs(y - rounded @ weights.T) <= 1e-5 * magnitude + 1e-30)


def test_a_row_of_next_to_nothing_counts_as_zeros():
    row = CODED[-1]
    x = np.full((1, 9), 2.0**-101, np.float32)
    y, _ = run_floats(row, np.ones((4, 9), np.int8), x, coded=True)
    np.testing.assert_array_equal(y, 0)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"strategy": "BUCKET"}, "rows become codes for strategy bucket; allowed: for table"),
        ({"codes": True}, "rows become codes in a linear layer on u8; allowed: linear, f32"),
    ],
)
def test_rows_become_codes_in_tables_on_floats_alone(codes_oracle, what, reason):
    layer = codes_oracle.Program(
        "auto", ((4,), (2,)), (codes_oracle.Quantized(), None), place=BATCH
    )
    weight = _signbin.Weight(
        strategy=_signbin.Strategy[what.get("strategy", "TABLE")],
        codes=np.ones(8, np.int8),
        scale=np.ones(2, np.float32),
        tile=(1, 1, 1),
        coded_rows=True,
    )
    source = layer.input if what.get("codes") else layer.plain_input
    with pytest.raises(_signbin.StatusError, match=reason):
        layer.builder.add_linear(source, layer.output, weight, _signbin.Epilogue())


def test_tables_serve_no_convolutions_of_floats(codes_oracle):
    chain = plain_chain(codes_oracle, 2, offset=False)
    weight = weight_of(np.ones((2, 4), np.int8), chain)
    layer = codes_oracle.Program("auto", ((4, 5, 5), (2, 5, 5)), (codes_oracle.Quantized(), None))
    source = layer.plain_input
    with pytest.raises(_signbin.StatusError, match="no f32 table kernel for conv2d"):
        layer.builder.add_conv2d(
            source, layer.output, (1, 1, 1, 1, 0, 0, 0, 0, 1, 1), 1, weight, chain.epilogue()
        )


@pytest.mark.parametrize(
    ("codes", "reason"),
    [(np.ones(7, np.int8), "weight codes: 7; allowed: 8"), (np.full(8, 2, np.int8), "2; allowed")],
)
def test_codes_that_do_not_fit_are_refused(codes_oracle, codes, reason):
    layer = codes_oracle.Program(
        "auto", ((4,), (2,)), (codes_oracle.Quantized(), None), place=BATCH
    )
    weight = _signbin.Weight(
        strategy=_signbin.Strategy.TABLE, codes=codes, scale=np.ones(2, np.float32), tile=(1, 1, 1)
    )
    with pytest.raises(_signbin.StatusError, match=reason):
        layer.builder.add_linear(layer.input, layer.output, weight, _signbin.Epilogue())
