import numpy as np
import pytest

from signbin.errors import SpecError
from signbin.spec import LowBitWeight
from signbin.sums import BinaryForm, additions_bound, wanted_sums


@pytest.mark.parametrize("form", BinaryForm)
@pytest.mark.parametrize("kind", ["signed_binary", "ternary", "binary"])
@pytest.mark.parametrize("offset", [False, True])
def test_sums_factors_and_shifts_give_the_weighted_sum(make_digits, kind, offset, form):
    rng = np.random.default_rng(1)
    codes = make_digits(kind, (6, 4, 3, 3))
    codes[3] = -np.abs(codes[3])
    codes[5] = 0
    scale = rng.uniform(-2, 2, 6).astype(np.float32)
    weight = LowBitWeight(codes, scale, scale / 3 if offset else None)
    sums = wanted_sums(weight, form)
    x = rng.standard_normal((36, 5))
    found = sums.factor[:, None] * (sums.digits @ x) + sums.shift[:, None] * x.sum(axis=0)
    expected = weight.dequantized().reshape(6, 36).astype(np.float64) @ x
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_filter_of_one_sign_has_its_sign_in_the_factor(make_digits):
    weight = LowBitWeight(-make_digits("signed_binary", (2, 8)), np.ones(2, np.float32))
    sums = wanted_sums(weight)
    assert sums.digits.min() >= 0
    np.testing.assert_array_equal(sums.factor, [-1, -1])
    assert not sums.needs_total


def test_binary_filters_share_the_total_or_have_two_groups(make_digits):
    weight = LowBitWeight(make_digits("binary", (4, 16)), np.ones(4, np.float32))
    shared, groups = wanted_sums(weight), wanted_sums(weight, BinaryForm.TWO_GROUPS)
    assert shared.needs_total
    assert shared.digits.min() == 0
    assert not groups.needs_total
    np.testing.assert_array_equal(groups.digits, weight.codes)


def test_the_bound_solves_its_equation():
    filters, inputs, entropy = 64, 576, 0.94
    additions = additions_bound(filters, inputs, entropy)
    reach = np.log2(inputs + additions)
    bits = additions * (2 * reach - np.log2(additions) + 1.44 + 0.6) + filters * reach
    assert bits == pytest.approx(filters * inputs * entropy)


def test_the_bound_grows_with_entropy_and_vanishes_without_it():
    assert additions_bound(64, 576, 0.0) == 0
    assert additions_bound(4, 16, 0.2) == 0  # 12.8 bits, and the outputs alone say 16
    found = [additions_bound(64, 576, h) for h in (0.3, 0.94, 1.0, 1.58)]
    assert found == sorted(found)


@pytest.mark.parametrize("wrong", [(0, 1, 1.0), (1, 0, 1.0), (1, 1, -0.1), (1, 1, float("nan"))])
def test_the_bound_of_nothing_is_refused(wrong):
    with pytest.raises(SpecError, match="counting bound"):
        additions_bound(*wrong)
