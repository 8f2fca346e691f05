"""Every linear row of kernels.def against numpy."""

import numpy as np
import pytest

from signbin import native
from signbin.native import _signbin

ROWS = [
    row
    for row in native.kernels()
    if row.op == "linear" and row.usable and row.activations == "f32" and row.strategy != "sums"
]
BUCKET = [row for row in ROWS if row.strategy == "bucket"]
DENSE = [row for row in ROWS if row.strategy == "dense"]
VALUE_SETS = ["signed_binary", "binary", "ternary", "centred"]


def name(row):
    return row.name


@pytest.mark.parametrize("batch", [1, 2, 7, 8, 9, 33])
@pytest.mark.parametrize("value_set", VALUE_SETS)
@pytest.mark.parametrize("row", BUCKET, ids=name)
def test_a_bucket_walk_equals_the_product(oracle, row, value_set, batch):
    rng = np.random.default_rng(batch)
    for channels, filters, chunk in ((1, 1, 1), (5, 3, 2), (64, 10, 64), (130, 17, 48)):
        weights = oracle.low_bit(rng, (filters, channels), value_set)
        x = rng.standard_normal((batch, channels)).astype(np.float32)
        walked = min(row.filters, 4) if value_set == "ternary" else row.filters
        tile = (walked, row.vectors, chunk)
        actual, kernel = oracle.run_linear(row.isa, weights.native(tile), x, filters)
        magnitude = np.repeat(np.abs(x).astype(np.float64).sum(1, keepdims=True), filters, axis=1)
        allowed = oracle.walk_tolerance(magnitude, channels, walked, weights)
        assert np.all(np.abs(actual - x.astype(np.float64) @ weights.values.T) <= allowed)
        if walked == row.filters:
            assert kernel == row.name


@pytest.mark.parametrize("density", [0.0, 0.05, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("value_set", ["signed_binary", "ternary", "centred"])
@pytest.mark.parametrize("row", BUCKET, ids=name)
def test_any_density_is_walked(oracle, row, value_set, density):
    rng = np.random.default_rng(3)
    weights = oracle.low_bit(rng, (13, 37), value_set, density)
    x = rng.standard_normal((9, 37)).astype(np.float32)
    walked = min(row.filters, 4) if value_set == "ternary" else row.filters
    tile = (walked, row.vectors, 16)
    actual, _ = oracle.run_linear(row.isa, weights.native(tile), x, 13)
    magnitude = np.repeat(np.abs(x).astype(np.float64).sum(1, keepdims=True), 13, axis=1)
    allowed = oracle.walk_tolerance(magnitude, 37, walked, weights)
    assert np.all(np.abs(actual - x.astype(np.float64) @ weights.values.T) <= allowed)


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
