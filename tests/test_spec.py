"""The vocabulary of 8-bit activations: specs refuse what they do not mean, rounding is exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signbin.errors import SpecError
from signbin.spec import ActivationSpec, IntegerWeight

SPECS = st.builds(
    lambda scale, bits, signed: ActivationSpec(scale, 2 ** (bits - 1) if signed else 0, bits),
    st.floats(2.0**-100, 2.0**100, width=32),
    st.sampled_from([7, 8]),
    st.booleans(),
)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((0.5, 128, 9), "bits"),
        ((0.5, 128, True), "bits"),
        ((0.5, 64, 8), r"0 \(unsigned\) or 128"),
        ((0.5, 128, 7), r"0 \(unsigned\) or 64"),
        ((0.5, False, 8), "zero point"),
        ((0.1, 0, 8), "float32"),
        ((0.0, 0, 8), "scale"),
        ((-0.5, 0, 8), "scale"),
        ((float("nan"), 0, 8), "scale"),
        ((float("inf"), 0, 8), "scale"),
        ((2.0**-101, 0, 8), "scale"),
        ((2.0**101, 0, 8), "scale"),
        ((1, 0, 8), "scale"),
        ((np.float32(0.5), 0, 8), "scale"),
    ],
)
def test_a_spec_that_means_nothing_is_refused(arguments, named):
    with pytest.raises(SpecError, match=named):
        ActivationSpec(*arguments)


@given(spec=SPECS)
def test_every_code_survives_dequantising_and_quantising(spec):
    codes = np.arange(spec.top + 1, dtype=np.uint8)
    np.testing.assert_array_equal(spec.quantized(spec.dequantized(codes)), codes)


def test_ties_go_to_the_even_step_and_what_is_out_of_range_saturates():
    signed = ActivationSpec(1.0, 64, 7)
    real = np.float32([-0.5, 0.5, 1.5, 2.5, -1e30, 1e30, -np.inf, np.inf, np.nan, -0.0])
    steps = np.float32([0, 0, 2, 2, -64, 63, -64, 63, -64, 0])
    np.testing.assert_array_equal(signed.quantized(real), (steps + 64).astype(np.uint8))
    unsigned = ActivationSpec(1.0, 0, 7)
    np.testing.assert_array_equal(unsigned.quantized(real), [0, 0, 2, 2, 0, 127, 0, 127, 0, 0])


@given(spec=SPECS, seed=st.integers(0, 2**32 - 1))
def test_a_number_in_range_comes_back_within_half_a_step(spec, seed):
    rng = np.random.default_rng(seed)
    low, high = -spec.zero_point, spec.top - spec.zero_point
    real = (rng.uniform(low, high, 200) * spec.scale).astype(np.float32)
    error = np.abs(spec.dequantized(spec.quantized(real)) - real.astype(np.float64))
    # 2^-16: quantised numbers are up to 255 steps, so float32 rounding moves a tie by 2^-16 of one
    assert error.max() <= spec.scale * (0.5 + 2.0**-16)


def test_an_integer_weight_is_the_float_weight_within_half_a_step_of_each_filter():
    weight = np.random.default_rng(0).standard_normal((5, 4, 3, 3)).astype(np.float32)
    weight[2] = 0
    integer = IntegerWeight.from_float(weight)
    assert np.abs(integer.codes).reshape(5, -1).max(axis=1).tolist() == [63, 63, 0, 63, 63]
    error = np.abs(integer.dequantized() - weight).reshape(5, -1).max(axis=1)
    assert np.all(error <= integer.scale * 0.5001)  # float32 rounding of scale * code


@pytest.mark.parametrize("weight", [np.full((1, 2), 1e-45, np.float32), np.zeros((1, 2), "f4")])
def test_weights_too_small_for_a_scale_become_zeros(weight):
    assert not IntegerWeight.from_float(weight).codes.any()


def test_the_largest_float_weights_keep_a_finite_scale():
    integer = IntegerWeight.from_float(np.float32([[3.4e38, -3.4e38]]))
    assert integer.codes.tolist() == [[63, -63]]


@pytest.mark.parametrize(
    ("codes", "scale", "named"),
    [
        (np.full((2, 2), 64, np.int8), np.ones(2, np.float32), r"-63\.\.63"),
        (np.full((2, 2), -64, np.int8), np.ones(2, np.float32), r"-63\.\.63"),
        (np.ones((2, 2), np.uint8), np.ones(2, np.float32), "int8"),
        (np.ones((2,), np.int8), np.ones(2, np.float32), "int8"),
        (np.ones((0, 2), np.int8), np.ones(0, np.float32), "not empty"),
        (np.ones((2, 2), np.int8), np.ones(3, np.float32), "scale"),
        (np.ones((2, 2), np.int8), np.ones(2), "scale"),
        (np.ones((2, 2), np.int8), np.float32([1, np.inf]), "finite"),
    ],
)
def test_an_integer_weight_that_is_none_is_refused(codes, scale, named):
    with pytest.raises(SpecError, match=named):
        IntegerWeight(codes, scale)
