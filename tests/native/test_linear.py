"""Linear layers on float32, dense ones and walks, against numpy."""

import functools
import itertools

import numpy as np
import pytest

from signbin import native
from signbin.native import _signbin

ROWS = [
    row
    for row in native.kernels()
    if row.op == "linear"
    and row.usable
    and row.activations == "f32"
    and row.strategy in ("bucket", "dense")
]
BUCKET = [row for row in ROWS if row.strategy == "bucket"]
DENSE = [row for row in ROWS if row.strategy == "dense"]
VALUE_SETS = ["signed_binary", "binary", "ternary", "centred"]


def name(row):
    return row.name


@functools.cache
def case_of(oracle, value_set, shape, batch, density=0.4):
    """(weights, images, their product, sum of |x|): the same for every row."""
    rng = np.random.default_rng(batch)
    weights = oracle.low_bit(rng, shape, value_set, density)
    x = rng.standard_normal((batch, shape[1])).astype(np.float32)
    magnitude = np.repeat(np.abs(x).astype(np.float64).sum(1, keepdims=True), shape[0], axis=1)
    return weights, x, x.astype(np.float64) @ weights.values.T, magnitude


def check_walk(oracle, row, case, tile):
    """The name of the kernel that computed it."""
    weights, x, expected, magnitude = case
    filters, channels = weights.codes.shape
    actual, kernel = oracle.run_linear(row.isa, weights.native(tile), x, filters)
    allowed = oracle.walk_tolerance(magnitude, channels, tile[0], weights)
    made_of = f"{row.name}, {len(x)} x {channels} to {filters}, tile {tile}"
    assert np.all(np.abs(actual - expected) <= allowed), made_of
    return kernel


@pytest.mark.parametrize("value_set", VALUE_SETS)
@pytest.mark.parametrize("row", BUCKET, ids=name)
def test_a_bucket_walk_equals_the_product(oracle, row, value_set):
    walked = min(row.filters, 4) if value_set == "ternary" else row.filters
    shapes = ((1, 1, 1), (5, 3, 2), (64, 10, 64), (130, 17, 48))
    for batch, (channels, filters, chunk) in itertools.product((1, 2, 7, 8, 9, 33), shapes):
        case = case_of(oracle, value_set, (filters, channels), batch)
        kernel = check_walk(oracle, row, case, (walked, row.vectors, chunk))
        if walked == row.filters:
            assert kernel == row.name


@pytest.mark.parametrize("value_set", ["signed_binary", "ternary", "centred"])
@pytest.mark.parametrize("row", BUCKET, ids=name)
def test_any_density_is_walked(oracle, row, value_set):
    walked = min(row.filters, 4) if value_set == "ternary" else row.filters
    for density in (0.0, 0.05, 0.5, 0.95, 1.0):
        case = case_of(oracle, value_set, (13, 37), 9, density)
        check_walk(oracle, row, case, (walked, row.vectors, 16))


@pytest.mark.parametrize("batch", [1, 2, 9])
@pytest.mark.parametrize("row", DENSE, ids=name)
def test_a_dense_kernel_equals_the_product(oracle, row, batch):
    rng = np.random.default_rng(batch)
    for channels, filters in ((1, 1), (5, 3), (64, 10), (131, 18)):
        values = rng.standard_normal((filters, channels)).astype(np.float32)
        x = rng.standard_normal((batch, channels)).astype(np.float32)
        actual, kernel = oracle.run_linear(row.isa, oracle.float_weight(values), x, filters)
        assert kernel == row.name
        products = np.abs(x).astype(np.float64) @ np.abs(values).astype(np.float64).T
        error = np.abs(actual - x.astype(np.float64) @ values.astype(np.float64).T)
        assert np.all(error <= oracle.dense_tolerance(products, channels))


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_the_epilogue_is_bias_residual_activation_post_bias(oracle, row):
    rng = np.random.default_rng(5)
    weights = oracle.low_bit(rng, (12, 12), "centred")
    weight = (
        oracle.float_weight(weights.values)
        if row.strategy == "dense"
        else weights.native((row.filters, row.vectors, 12))
    )
    bias, slope, post = (rng.standard_normal(12).astype(np.float32) for _ in range(3))
    x = rng.standard_normal((11, 12)).astype(np.float32)
    total = x @ weights.values.T + bias + x
    actual, _ = oracle.run_linear(
        row.isa,
        weight,
        x,
        12,
        residual=0,
        bias=bias,
        activation=_signbin.Activation.LEAKY_RELU,
        prelu=slope,
        post_bias=post,
    )
    expected = np.where(total > 0, total, slope * total) + post
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("row", BUCKET, ids=name)
def test_a_bad_image_does_not_touch_its_neighbours(oracle, row):
    rng = np.random.default_rng(6)
    weights = oracle.low_bit(rng, (9, 20), "signed_binary")
    x = rng.standard_normal((10, 20)).astype(np.float32)
    x[3, 4] = np.nan
    weight = weights.native((row.filters, row.vectors, 20))
    actual, _ = oracle.run_linear(row.isa, weight, x, 9)
    assert np.isnan(actual[3]).all()
    assert np.isfinite(np.delete(actual, 3, axis=0)).all()
