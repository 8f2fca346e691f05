"""Histograms of magnitudes: the same whatever the order, and fine enough."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signbin.calibrate import MagnitudeHistogram
from signbin.errors import SpecError


def counted(*batches):
    histogram = MagnitudeHistogram()
    for batch in batches:
        histogram.add("v", np.asarray(batch, np.float32))
    return histogram


@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(1, 6))
def test_order_and_batches_do_not_matter(seed, parts):
    rng = np.random.default_rng(seed)
    numbers = (rng.standard_normal(600) * 10.0 ** rng.uniform(-8, 8, 600)).astype(np.float32)
    whole = counted(numbers)
    apart = counted(*np.array_split(rng.permutation(numbers), parts))
    np.testing.assert_array_equal(whole.counts, apart.counts)
    assert (whole.width, whole.largest, whole.smallest) == (
        apart.width,
        apart.largest,
        apart.smallest,
    )


@given(seed=st.integers(0, 2**32 - 1))
def test_every_non_zero_number_is_in_its_bin(seed):
    rng = np.random.default_rng(seed)
    numbers = (rng.standard_normal(300) * (rng.random(300) < 0.6)).astype(np.float32)
    numbers[0] = 1.5
    histogram = counted(numbers[:100], numbers[100:])
    magnitudes = np.abs(numbers[numbers != 0]).astype(np.float64)
    expected = np.bincount((magnitudes // histogram.width).astype(int), minlength=8192)
    np.testing.assert_array_equal(histogram.counts, expected)
    assert histogram.largest == magnitudes.max()
    assert histogram.smallest == numbers.min()
    assert histogram.largest <= 8192 * histogram.width <= 2 * histogram.largest


def test_zeros_alone_have_no_bins():
    histogram = counted(np.zeros(5), np.zeros(3))
    assert not histogram.counts.any()
    assert (histogram.largest, histogram.smallest, histogram.width) == (0, 0, 0)


def test_the_smallest_and_largest_float32_numbers_are_counted():
    numbers = np.float32([1e-45, -1e-45, 3.4e38, 2.0**-126])
    histogram = counted(numbers[:2], numbers)
    assert histogram.counts[0] == 5
    assert histogram.counts.sum() == 6


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_refused_by_the_value_s_name(number):
    with pytest.raises(SpecError, match="value v on the calibration samples: got 'NaN or inf"):
        counted(np.array([1, number]))
