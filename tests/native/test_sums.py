"""Every row of the sums family against numpy: exact on codes, to 1e-5 of sum |w x| in float32."""

import dataclasses
import functools
import itertools

import numpy as np
import pytest

from signbin import native
from signbin.native import _signbin
from signbin.spec import LowBitWeight
from signbin.sums import (
    ActivationGroups,
    BinaryForm,
    PairMerging,
    Sparse,
    layer_sums,
)

ROWS = [row for row in native.kernels() if row.strategy == "sums" and row.usable]
FLOATS = [row for row in ROWS if row.activations == "f32"]
CODES = [row for row in ROWS if row.activations == "u8"]
VALUE_SETS = ["signed_binary", "binary", "ternary", "centred"]
ALGORITHMS = {
    "sparse": Sparse(64),
    "agr": ActivationGroups(3, 50),
    "summerge": PairMerging(5, 24),
    "summerge_zeros": PairMerging(8, 24, zeros=True),
    "cse_signed": PairMerging(16, 60, leaves=False, signed=True),
}
SHAPES = {
    "1x1": {"kernel": (1, 1)},
    "3x3": {"padding": (1, 1)},
    "7x7_stride2": {"size": (15, 15), "kernel": (7, 7), "stride": (2, 2), "padding": (3, 3)},
    "uneven_window": {"kernel": (1, 3), "stride": (2, 1), "padding": (0, 2)},
    "dilation": {"size": (11, 12), "dilation": (2, 3), "padding": (2, 3)},
    "groups": {"channels": 6, "filters": 4, "groups": 2, "padding": (1, 1)},
    "depthwise": {"channels": 5, "filters": 5, "groups": 5, "padding": (1, 1)},
    "one_of_all": {"channels": 1, "size": (1, 1), "filters": 1, "kernel": (1, 1)},
    "odd_13x17": {"channels": 7, "size": (13, 17), "filters": 13, "padding": (1, 1)},
    "many_channels": {"channels": 70, "size": (3, 4), "filters": 9, "padding": (1, 1)},
}


def name(row):
    return row.name


def native_list(graph):
    return _signbin.SumList(graph.starts, graph.operands, graph.roles, graph.segments)


def native_weight(weight, sums, vectors, **factors):
    """What the builder takes; on codes the factors are the chain's."""
    two = sums.form is BinaryForm.TWO_GROUPS
    given = factors or {"scale": weight.scale, "offset": weight.offset}
    return _signbin.Weight(
        strategy=_signbin.Strategy.SUMS,
        codes=np.ascontiguousarray(weight.codes).reshape(-1),
        tile=(1, vectors, 1),
        mode=_signbin.WalkMode.TWO_GROUPS if two else _signbin.WalkMode.DEFAULT,
        sums=native_list(sums.sum_list),
        **given,
    )


def low_bit(oracle, rng, shape, value_set, density=0.4):
    weights = oracle.low_bit(rng, shape, value_set, density)
    return weights, LowBitWeight(weights.codes, weights.scale, weights.offset)


def allowed(magnitude):
    return 1e-5 * magnitude + 1e-12


def forms_of(value_set):
    return BinaryForm if value_set == "binary" else (BinaryForm.SHARED_TOTAL,)


# What does not depend on a row is computed once for all of them.


@functools.cache
def weights_of(oracle, shape, value_set, seed):
    return low_bit(oracle, np.random.default_rng(seed), shape, value_set)


@functools.cache
def sums_of(oracle, shape, value_set, seed, algorithm, *, form=BinaryForm.SHARED_TOTAL, groups=1):
    _, weight = weights_of(oracle, shape, value_set, seed)
    return layer_sums(weight, ALGORITHMS[algorithm], form, groups)


@functools.cache
def convolved(oracle, shape, value_set):
    """Numbers, their convolution, and the one of their magnitudes."""
    conv = oracle.Conv(**SHAPES[shape])
    weights, _ = weights_of(oracle, conv.weight_shape, value_set, len(shape))
    x = conv.input(np.random.default_rng(len(shape)))
    # 2 S - T of binary weights rounds sums of all inputs, whose weights are 1.
    magnitude = oracle.convolve(np.abs(x), np.abs(weights.values), conv)
    return x, oracle.convolve(x, weights.values, conv), magnitude


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("row", [row for row in FLOATS if row.op == "conv2d"], ids=name)
def test_a_list_of_sums_equals_the_convolution(oracle, row, shape):
    conv = oracle.Conv(**SHAPES[shape])
    for value_set in VALUE_SETS:
        drawn = (oracle, conv.weight_shape, value_set, len(shape))
        _, weight = weights_of(*drawn)
        x, expected, magnitude = convolved(oracle, shape, value_set)
        for algorithm, form in itertools.product(ALGORITHMS, forms_of(value_set)):
            sums = sums_of(*drawn, algorithm, form=form, groups=conv.groups)
            actual, kernel = oracle.run_conv2d(
                row.isa, conv, native_weight(weight, sums, row.vectors), x
            )
            assert kernel == row.name
            error = np.abs(actual - expected)
            made_of = f"{value_set} {algorithm} {form}: {error.max()}"
            assert np.all(error <= allowed(magnitude)), made_of


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("row", [row for row in FLOATS if row.op == "linear"], ids=name)
def test_a_list_of_sums_equals_the_product(oracle, row, algorithm):
    for batch, channels, filters in ((1, 5, 3), (33, 64, 10), (9, 130, 17)):
        x = np.random.default_rng(1).standard_normal((batch, channels)).astype(np.float32)
        for value_set in VALUE_SETS:
            drawn = (oracle, (filters, channels), value_set, batch)
            weights, weight = weights_of(*drawn)
            sums = sums_of(*drawn, algorithm)
            actual, kernel = oracle.run_linear(
                row.isa, native_weight(weight, sums, row.vectors), x, filters
            )
            assert kernel == row.name
            error = np.abs(actual - x.astype(np.float64) @ weights.values.T)
            assert np.all(error <= allowed(np.abs(x) @ np.abs(weights.values).T)), value_set


@dataclasses.dataclass(frozen=True)
class Case:
    """Quantised inputs and outputs of one layer, and the chain between."""

    given: object
    result: object
    chain: object


def codes_case(codes_oracle, rng, weight, *, signed):
    zero = 128 if signed else 0
    given = codes_oracle.Quantized(zero, 255)
    filters, taps = weight.shape[0], weight.codes[0].size
    scale = rng.uniform(0.2, 0.8, filters) / np.sqrt(taps)
    scale = (scale * rng.choice([-1, 1], filters)).astype(np.float32)
    bias = rng.uniform(-20, 120, filters).astype(np.float32)
    offset = None if weight.offset is None else (-0.4 * scale).astype(np.float32)
    return Case(given, given, codes_oracle.Chain(scale, bias, offset))


@functools.cache
def convolved_codes(oracle, codes_oracle, shape, value_set):
    """A case, its codes and those of the result."""
    conv, seed = oracle.Conv(**SHAPES[shape]), len(shape)
    _, weight = weights_of(oracle, conv.weight_shape, value_set, seed)
    rng = np.random.default_rng(seed)
    case = codes_case(codes_oracle, rng, weight, signed=value_set != "signed_binary")
    q = case.given.random(rng, (2, conv.channels, *conv.size))
    exact, total = codes_oracle.exact_convolution(q, weight.codes, conv, case.given.zero)
    return case, q, case.chain.finish(exact, total, output=case.result)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("row", [row for row in CODES if row.op == "conv2d"], ids=name)
def test_a_list_of_sums_on_codes_equals_the_integers(oracle, codes_oracle, row, shape):
    conv = oracle.Conv(**SHAPES[shape])
    for value_set in VALUE_SETS:
        drawn = (oracle, conv.weight_shape, value_set, len(shape))
        _, weight = weights_of(*drawn)
        case, q, expected = convolved_codes(oracle, codes_oracle, shape, value_set)
        factors = {"scale": case.chain.scale, "offset": case.chain.offset}
        for algorithm, form in itertools.product(ALGORITHMS, forms_of(value_set)):
            sums = sums_of(*drawn, algorithm, form=form, groups=conv.groups)
            layer = codes_oracle.Program(
                row.isa,
                ((conv.channels, *conv.size), (conv.filters, *conv.output)),
                (case.given, case.result),
            )
            layer.builder.add_conv2d(
                layer.input,
                layer.output,
                conv.window,
                conv.groups,
                native_weight(weight, sums, row.vectors, **factors),
                case.chain.epilogue(),
            )
            actual = layer.run(q)
            assert layer.kernels[1] == row.name
            made_of = f"{value_set} {algorithm} {form}"
            np.testing.assert_array_equal(actual, expected, err_msg=made_of)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("row", [row for row in CODES if row.op == "linear"], ids=name)
def test_a_linear_list_of_sums_on_codes_equals_the_integers(oracle, codes_oracle, row, algorithm):
    rng = np.random.default_rng(2)
    for value_set in VALUE_SETS:
        drawn = (oracle, (13, 70), value_set, 2)
        _, weight = weights_of(*drawn)
        case = codes_case(codes_oracle, rng, weight, signed=True)
        sums = sums_of(*drawn, algorithm)
        layer = codes_oracle.Program(
            row.isa, ((70,), (13,)), (case.given, case.result), place=_signbin.Place.BATCH
        )
        factors = {"scale": case.chain.scale, "offset": case.chain.offset}
        layer.builder.add_linear(
            layer.input,
            layer.output,
            native_weight(weight, sums, row.vectors, **factors),
            case.chain.epilogue(),
        )
        q = case.given.random(rng, (21, 70))
        actual = layer.run(q)
        assert layer.kernels[1] == row.name
        centred = q - case.given.zero
        exact = centred @ weight.codes.astype(np.int64).T
        total = np.broadcast_to(centred.sum(axis=1, keepdims=True), exact.shape)
        expected = case.chain.finish(exact, total, output=case.result)
        np.testing.assert_array_equal(actual, expected, err_msg=value_set)


@pytest.mark.parametrize("row", [row for row in FLOATS if row.op == "conv2d"], ids=name)
def test_an_image_gives_the_same_bits_in_any_batch_and_on_any_threads(oracle, row):
    rng = np.random.default_rng(4)
    conv = oracle.Conv(size=(9, 11), filters=9, padding=(1, 1))
    _, weight = low_bit(oracle, rng, conv.weight_shape, "ternary")
    native_one = native_weight(weight, layer_sums(weight, PairMerging(4, 12)), row.vectors)
    x = conv.input(rng, 3)

    def run(images, threads):
        builder = _signbin.Builder(row.isa, 0, 0, threads)
        source = builder.add_value((conv.channels, *conv.size), _signbin.Place.INPUT)
        target = builder.add_value((conv.filters, *conv.output), _signbin.Place.OUTPUT)
        builder.add_conv2d(source, target, conv.window, 1, native_one, _signbin.Epilogue())
        y = np.empty((len(images), conv.filters, *conv.output), np.float32)
        builder.finish().run([images], [y], len(images))
        return y

    together = run(x, 1)
    np.testing.assert_array_equal(together, run(x, 3))
    np.testing.assert_array_equal(together[1:2], run(x[1:2], 2))


@pytest.mark.parametrize("row", [row for row in FLOATS if row.op == "conv2d"], ids=name)
def test_a_nan_shows_wherever_numpy_shows_it(oracle, row):
    rng = np.random.default_rng(5)
    conv = oracle.Conv(channels=5, size=(9, 9), padding=(1, 1))
    weights, weight = low_bit(oracle, rng, conv.weight_shape, "signed_binary")
    x = conv.input(rng, 1)
    x[0, 2, 4, 5] = np.nan
    sums = layer_sums(weight, PairMerging(4, 12))
    actual, _ = oracle.run_conv2d(row.isa, conv, native_weight(weight, sums, row.vectors), x)
    expected = oracle.convolve(x, weights.values, conv)
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))


# ---- what is refused ------------------------------------------------------------------------


def numbers(*values):
    return np.array(values, np.int32)


def build(oracle, codes, arrays, *, groups=1, isa="portable"):
    filters, channels = codes.shape
    conv = oracle.Conv(channels * groups, (2, 2), filters, kernel=(1, 1), groups=groups)
    weight = _signbin.Weight(
        strategy=_signbin.Strategy.SUMS,
        codes=codes.reshape(-1),
        scale=np.ones(filters, np.float32),
        tile=(1, 8, 1),
        sums=_signbin.SumList(*arrays),
    )
    x = np.random.default_rng(0).standard_normal((1, conv.channels, 2, 2)).astype(np.float32)
    actual, _ = oracle.run_conv2d(isa, conv, weight, x)
    return actual, x


CODES_3 = np.array([[1, 1, 0], [1, 1, 1]], np.int8)
GOOD = (numbers(0, 2, 3, 5), numbers(0, 2, 6, 6, 4), numbers(-1, 0, 1), numbers(0, 3))


def test_a_written_list_runs(oracle):
    actual, x = build(oracle, CODES_3, GOOD)
    np.testing.assert_allclose(actual[0, 0], x[0, 0] + x[0, 1], rtol=1e-6)
    np.testing.assert_allclose(actual[0, 1], x[0].sum(axis=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("place", "array", "reason"),
    [
        (0, numbers(0, 2, 2, 5), "do not fit"),
        (0, numbers(1, 2, 3, 5), "do not fit"),
        (0, numbers(0, 2, 3, 6), "do not fit"),
        (0, numbers(0, 2**31 - 1, 3, 5), "do not fit"),
        (1, numbers(0, 2, 6, 6, -4), "neither an input"),
        (1, numbers(0, 2, 6, 6, 2**31 - 1), "neither an input"),
        (1, numbers(0, 6, 6, 6, 4), "neither an input"),
        (1, numbers(0, 2, 10, 6, 4), "neither an input"),
        (1, numbers(1, 2, 6, 6, 4), "begins with a subtraction"),
        (2, numbers(-1, 0, 0), "two nodes"),
        (2, numbers(-1, 0, 2), "no filter"),
        (2, numbers(-1, 0, -3), "no filter"),
        (2, numbers(1, 0, 1), "no temporary"),
        (3, numbers(0, 1, 3), "no temporary of its segment"),
        (3, numbers(0, 0, 3), "do not fit"),
        (3, numbers(0, 4), "do not fit"),
    ],
)
def test_every_malformed_list_is_refused(oracle, place, array, reason):
    arrays = [*GOOD[:place], array, *GOOD[place + 1 :]]
    with pytest.raises(_signbin.StatusError, match=reason):
        build(oracle, CODES_3, arrays)


def test_arrays_of_other_lengths_are_refused():
    with pytest.raises(_signbin.StatusError, match="one start more"):
        _signbin.SumList(numbers(0, 2), numbers(0, 2), numbers(-1, 0), numbers(0, 2))
    with pytest.raises(_signbin.StatusError, match="one start more"):
        _signbin.SumList(numbers(0), numbers(), numbers(), numbers())


def test_convolution_groups_may_not_share_a_segment(oracle):
    codes = np.ones((2, 3), np.int8)
    arrays = (numbers(0, 1, 2), numbers(0, 0), numbers(0, 1), numbers(0, 2))
    with pytest.raises(_signbin.StatusError, match="several convolution groups"):
        build(oracle, codes, arrays, groups=2)
    apart = (numbers(0, 1, 2), numbers(0, 0), numbers(1, 0), numbers(0, 1, 2))
    with pytest.raises(_signbin.StatusError, match="do not ascend"):
        build(oracle, codes, apart, groups=2)


def test_a_list_comes_with_codes():
    weight = _signbin.Weight(
        strategy=_signbin.Strategy.SUMS,
        values=np.ones(4, np.float32),
        tile=(1, 1, 1),
        sums=_signbin.SumList(*GOOD),
    )
    builder = _signbin.Builder("scalar", 0)
    source = builder.add_value((2, 1, 1), _signbin.Place.INPUT)
    target = builder.add_value((2, 1, 1), _signbin.Place.OUTPUT)
    with pytest.raises(
        _signbin.StatusError, match="values for strategy sums on f32; allowed: codes"
    ):
        builder.add_linear(source, target, weight, _signbin.Epilogue())


def test_a_sum_of_codes_that_does_not_fit_16_bits_is_refused(codes_oracle):
    codes = np.ones((1, 300), np.int8)
    weight = LowBitWeight(codes, np.ones(1, np.float32))
    layer = codes_oracle.Program(
        "portable",
        ((300,), (1,)),
        (codes_oracle.Quantized(), codes_oracle.Quantized()),
        place=_signbin.Place.BATCH,
    )
    factors = {"scale": weight.scale}
    whole = native_weight(weight, layer_sums(weight, Sparse(300)), 1, **factors)
    with pytest.raises(_signbin.StatusError, match="fewer inputs per tile"):
        layer.builder.add_linear(layer.input, layer.output, whole, _signbin.Epilogue())


def test_sums_that_cancel_and_turn_are_exact_on_codes(oracle, codes_oracle):
    """y0 = x0 + x1 as (x0 + x1 + x2) - x2, of a filter of code -1: lift and sign together."""
    codes = np.array([[-1, -1, 0], [1, 1, 1]], np.int8)
    sums = _signbin.SumList(
        numbers(0, 3, 5, 6), numbers(0, 2, 4, 6, 5, 6), numbers(-1, 0, 1), numbers(0, 3)
    )
    given, result = codes_oracle.Quantized(3, 255), codes_oracle.Quantized(128, 255)
    for isa in dict.fromkeys(row.isa for row in CODES):
        layer = codes_oracle.Program(isa, ((3,), (2,)), (given, result), place=_signbin.Place.BATCH)
        weight = _signbin.Weight(
            strategy=_signbin.Strategy.SUMS,
            codes=codes.reshape(-1),
            scale=np.full(2, 0.2, np.float32),
            tile=(1, 1, 1),
            sums=sums,
        )
        layer.builder.add_linear(layer.input, layer.output, weight, _signbin.Epilogue())
        q = np.array([[255, 255, 255], [0, 255, 7], [255, 0, 255], [0, 0, 0]])
        chain = codes_oracle.Chain(np.full(2, 0.2, np.float32))
        exact = (q - 3) @ codes.astype(np.int64).T
        np.testing.assert_array_equal(layer.run(q), chain.finish(exact, output=result))


def test_a_list_of_deep_and_wide_sums_reuses_its_slots(oracle):
    """A chain of 500 sums, each used twice, needs no more than a few slots."""
    depth = 500
    codes = np.ones((1, depth + 1), np.int8)
    operands, starts, roles = [0, 2], [0, 2], [-1]
    base = 2 * (depth + 1)
    for node in range(1, depth):
        operands += [base + 2 * (node - 1), 2 * (node + 1)]
        starts.append(len(operands))
        roles.append(-1)
    operands.append(base + 2 * (depth - 1))
    starts.append(len(operands))
    roles.append(0)
    arrays = (numbers(*starts), numbers(*operands), numbers(*roles), numbers(0, depth + 1))
    actual, x = build(oracle, codes, arrays)
    np.testing.assert_allclose(actual[0, 0], x[0].sum(axis=0), rtol=1e-4, atol=1e-4)
