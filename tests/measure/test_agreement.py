"""agreement: what counts as the same output."""

import numpy as np
import pytest

from signbin.errors import ExecutionError
from signbin.measure import agreement

EXPECTED = np.array([[1.0, 4.0], [-3.0, -5.0]], np.float32)


def test_the_error_is_relative_to_the_largest_expected_number():
    actual = EXPECTED.copy()
    actual[0, 0] += 0.5
    assert agreement(actual, EXPECTED).max_relative_error == pytest.approx(0.1)


def test_top_one_is_the_share_of_samples_with_the_same_winner():
    actual = EXPECTED.copy()
    actual[1] = [-5.0, -3.0]
    assert agreement(actual, EXPECTED).top1_agreement == 0.5


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_never_agrees(wrong):
    actual = np.full_like(EXPECTED, wrong)
    found = agreement(actual, EXPECTED)
    assert found.max_relative_error == np.inf
    with pytest.raises(ExecutionError, match="engine does not compute the same network"):
        found.require("engine", 1.0)


def test_zeros_agree_with_zeros_only():
    zeros = np.zeros_like(EXPECTED)
    assert agreement(zeros, zeros).max_relative_error == 0.0
    assert agreement(EXPECTED, zeros).max_relative_error == np.inf


def test_another_shape_is_an_error():
    with pytest.raises(ExecutionError, match="shape"):
        agreement(EXPECTED[:1], EXPECTED)
