"""Inputs far from zero under weights with offsets: sums that would cancel keep their digits."""

import numpy as np
import pytest

from signbin import native
from signbin.native import _signbin

BUCKET = [
    row
    for row in native.kernels()
    if (row.op, row.activations, row.strategy, row.usable) == ("conv2d", "f32", "bucket", True)
    and (not row.generated or _signbin.generates())
]
GEOMETRIES = {
    "3x3": {"size": (13, 17), "padding": (1, 1)},
    "5x5": {"size": (9, 7), "kernel": (5, 5), "padding": (2, 2)},
    "1x1": {"kernel": (1, 1), "channels": 1030},
    "stride": {"size": (15, 14), "stride": (2, 3), "padding": (1, 1)},
    "dilation": {"size": (11, 12), "dilation": (2, 3), "padding": (2, 3)},
    "four_sides": {"size": (5, 6), "kernel": (4, 2), "padding": (1, 0, 2, 3)},
    "more_padding_than_image": {"size": (2, 3), "padding": (3, 3)},
    "groups": {"size": (8, 9), "groups": 2, "channels": 260, "padding": (1, 1)},
}
LOSS = 2.0**-18  # of the largest output; sums that are not centred lose far more
MEAN = 30.0


def case_of(oracle, geometry, value_set="centred"):
    """A convolution, its weights as float32 holds them, and an image around MEAN."""
    rng = np.random.default_rng(3)
    conv = oracle.Conv(**{"channels": 130, "filters": 64, **geometry})
    weights = oracle.low_bit(rng, conv.weight_shape, value_set)
    exact = weights.values.astype(np.float32)
    return conv, weights, exact, MEAN + conv.input(rng, 3)


def run(oracle, row, conv, weights, x, **more):
    tile = (row.filters, row.vectors, 64)
    weight = weights.native(tile, generated=row.generated)
    y, kernel = oracle.run_conv2d(row.isa, conv, weight, x, **more)
    assert kernel == row.name
    return y


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("row", BUCKET, ids=lambda row: row.name)
def test_images_far_from_zero_lose_no_more_than_others(oracle, row, geometry):
    for value_set in ("centred", "binary"):
        conv, weights, exact, x = case_of(oracle, GEOMETRIES[geometry], value_set)
        expected = oracle.convolve(x, exact, conv)
        error = np.abs(run(oracle, row, conv, weights, x) - expected)
        # Of each filter by itself, inside the image, where windows are whole and sums cancel most.
        largest = np.abs(expected).max(axis=(2, 3), keepdims=True)
        assert np.all(error <= LOSS * largest), (value_set, (error / largest).max())


@pytest.mark.parametrize("row", BUCKET, ids=lambda row: row.name)
def test_residuals_and_biases_are_added_to_centred_sums(oracle, row):
    geometry = {"size": (13, 17), "padding": (1, 1), "channels": 115, "filters": 115}
    conv, weights, exact, x = case_of(oracle, geometry)
    bias = np.linspace(-2, 2, 115, dtype=np.float32)
    expected = oracle.convolve(x, exact, conv) + bias.reshape(-1, 1, 1) + x
    y = run(oracle, row, conv, weights, x, residual=0, bias=bias)
    np.testing.assert_allclose(y, expected, rtol=0, atol=LOSS * np.abs(expected).max())


@pytest.mark.parametrize("row", BUCKET, ids=lambda row: row.name)
def test_every_image_is_centred_by_itself_on_any_number_of_threads(oracle, row):
    conv, weights, _, x = case_of(oracle, GEOMETRIES["3x3"])
    x[1] -= MEAN  # not centred at all
    together = run(oracle, row, conv, weights, x)
    for threads in (2, 5):
        shared = run(oracle, row, conv, weights, x, threads=threads)
        np.testing.assert_array_equal(shared, together)
    for image in range(3):
        alone = run(oracle, row, conv, weights, x[image : image + 1])
        np.testing.assert_array_equal(alone[0], together[image])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_so(oracle, bad):
    conv, weights, _, x = case_of(oracle, GEOMETRIES["3x3"])
    x[1, :, 4:6, 4:6] = bad
    y = run(oracle, BUCKET[-1], conv, weights, x)
    assert not np.isfinite(y[1, :, 5, 5]).any()
    assert np.isfinite(y[[0, 2]]).all()


def test_linear_layers_by_table_are_centred_by_rows(oracle):
    rng = np.random.default_rng(4)
    weights = oracle.low_bit(rng, (70, 5000), "centred")
    exact = weights.values.astype(np.float32).astype(np.float64)
    x = (MEAN + rng.standard_normal((3, 5000))).astype(np.float32)
    x[1] -= 2 * MEAN
    weight = _signbin.Weight(
        strategy=_signbin.Strategy.TABLE,
        codes=weights.codes.reshape(-1),
        scale=weights.scale,
        offset=weights.offset,
        tile=(1, 1, 1),
    )
    isas = {row.isa for row in native.kernels() if row.strategy == "table" and row.usable}
    for isa in sorted(isas, key=str):
        y, _ = oracle.run_linear(isa, weight, x, 70)
        expected = x.astype(np.float64) @ exact.T
        largest = np.abs(expected).max(axis=0)
        # A sum adds 1000 tables and more, one after the other.
        assert np.all(np.abs(y - expected) <= LOSS * largest), isa


@pytest.mark.parametrize("row", BUCKET, ids=lambda row: row.name)
def test_the_many_zeros_behind_a_relu_stay_exact(oracle, row):
    # Less a mean that fills its digits they would round the same way each time.
    rng = np.random.default_rng(5)
    conv = oracle.Conv(size=(6, 6), channels=1024, filters=8)
    weights = oracle.low_bit(rng, conv.weight_shape, "centred")
    x = np.maximum(rng.standard_normal(conv.input(rng, 1).shape), 0).astype(np.float32)
    y = run(oracle, row, conv, weights, x)
    expected = oracle.convolve(x, weights.values.astype(np.float32), conv)
    assert np.abs(y - expected).max() <= 2 * LOSS * np.abs(expected).max()
