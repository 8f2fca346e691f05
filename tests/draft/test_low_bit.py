"""recognize: one test per rule of its table, and what it must not take for evidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.draft import recognize
from signbin.errors import SpecError
from signbin.spec import ValueSet
from tests.patience import soon


def _filters(*rows) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def _only(values) -> tuple[list[int], float, float]:
    """Codes, scale and offset of a layer of one filter."""
    weight = recognize(_filters(values))
    assert weight is not None
    offset = 0.0 if weight.offset is None else float(weight.offset[0])
    return weight.codes[0].tolist(), float(weight.scale[0]), offset


def test_zero_and_positive_is_signed_binary():
    assert _only([0, 0.5] * 4) == ([0, 1] * 4, 0.5, 0)


def test_zero_and_negative_is_signed_binary_with_negative_codes():
    assert _only([0, -0.5] * 4) == ([0, -1] * 4, 0.5, 0)


def test_minus_and_plus_is_binary():
    assert _only([-2, 2] * 4) == ([-1, 1] * 4, 2, 0)


def test_minus_zero_plus_is_ternary():
    assert _only([-2, 0, 2, 0] * 2) == ([-1, 0, 1, 0] * 2, 2, 0)


def test_one_value_is_all_of_one_sign():
    assert _only([-3] * 8) == ([-1] * 8, 3, 0)


def test_a_dead_filter_has_zero_codes_and_no_offset():
    assert _only([0] * 8) == ([0] * 8, 1, 0)


def test_minus_zero_is_zero():
    assert _only([-0.0, 0.0, 1, 1] * 2) == ([0, 0, 1, 1] * 2, 1, 0)


def test_the_more_frequent_of_two_values_is_the_offset():
    assert _only([0.75] * 6 + [-0.25] * 2) == ([0] * 6 + [-1] * 2, 1, 0.75)
    assert _only([0.75] * 2 + [-0.25] * 6) == ([1] * 2 + [0] * 6, 1, -0.25)


def test_in_a_tie_the_smaller_magnitude_is_the_offset():
    assert _only([0.75, -0.25] * 4) == ([1, 0] * 4, 1, -0.25)
    assert _only([-0.75, 0.25] * 4) == ([-1, 0] * 4, 1, 0.25)
    assert _only([3, 1] * 4) == ([1, 0] * 4, 2, 1)


def test_values_one_unit_in_the_last_place_apart_are_two_values():
    below, above = np.float32(1), np.nextafter(np.float32(1), np.float32(2))
    codes, scale, offset = _only([below] * 5 + [above] * 3)
    assert (codes, scale, offset) == ([0] * 5 + [1] * 3, float(above - below), 1)
    assert recognize(_filters([-below, 0, above] * 3)) is None


def test_three_values_fit_only_as_minus_zero_plus():
    assert recognize(_filters([1, 2, 3] * 3)) is None
    assert recognize(_filters([-1, 0, 2] * 3)) is None
    assert recognize(_filters([-1, 0.5, 1] * 3)) is None


def test_four_values_do_not_fit():
    assert recognize(_filters([-2, -1, 1, 2] * 2)) is None


def test_one_filter_that_does_not_fit_makes_the_layer_float():
    good, bad = [0, 1] * 8, list(range(16))
    assert recognize(_filters(*[good] * 20)) is not None
    assert recognize(_filters(*[good] * 20, bad)) is None


def test_filters_of_fewer_than_8_weights_are_no_evidence():
    assert recognize(_filters([0, 1, 0, 1, 0, 1, 0])) is None
    assert recognize(_filters([0, 1, 0, 1, 0, 1, 0, 1])) is not None


def test_each_filter_has_its_own_rule_and_numbers():
    filters = ([0, 1] * 4, [-3, 3] * 4, [0.5] * 7 + [0.25], [0] * 8, [-2, 0, 2, 0] * 2)
    weight = recognize(_filters(*filters))
    assert weight is not None
    assert weight.scale.tolist() == [1, 3, 0.25, 1, 2]
    assert weight.offset is not None
    assert weight.offset.tolist() == [0, 0, 0.5, 0, 0]


def test_offset_is_absent_where_no_filter_has_one():
    weight = recognize(_filters([0, 1] * 4, [0, -1] * 4))
    assert weight is not None
    assert weight.offset is None
    assert weight.value_set is ValueSet.SIGNED_BINARY


def test_a_scale_beyond_float32_is_not_low_bit():
    assert recognize(_filters([3e38, 3e38, -2e38] * 4)) is None


@pytest.mark.parametrize(
    "weight",
    [np.ones((2, 8)), np.ones((2, 8, 1), np.float32), np.ones((0, 8), np.float32)],
    ids=["float64", "rank 3", "empty"],
)
def test_other_dtypes_and_ranks_are_refused(weight):
    with pytest.raises(SpecError, match="weight to recognise"):
        recognize(weight)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(broken):
    with pytest.raises(SpecError, match="finite"):
        recognize(_filters([broken, 1] * 4))


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    filters=st.integers(1, 5),
    alphabet=st.sampled_from([(0, 1), (0, -1), (-1, 1), (-1, 0, 1), (0,), (1,)]),
)
def test_scaled_codes_come_back_exactly(seed, filters, alphabet):
    generator = np.random.default_rng(seed)
    codes = generator.choice(alphabet, size=(filters, 3, 2, 2)).astype(np.int8)
    scale = generator.lognormal(size=(filters, 1, 1, 1)).astype(np.float32)
    found = recognize(codes * scale)
    assert found is not None
    np.testing.assert_array_equal(found.codes, codes)
    np.testing.assert_array_equal(found.dequantized(), codes * scale)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), sign=st.sampled_from([-1, 1]))
def test_centred_filters_come_back_to_rounding(seed, sign):
    """w = scale * (codes - mean(codes)), as the centred quantisers compute it."""
    generator = np.random.default_rng(seed)
    codes = (sign * (generator.random((4, 30)) < 0.35)).astype(np.float32)
    scale = generator.lognormal(size=(4, 1)).astype(np.float32)
    weight = scale * codes - scale * codes.mean(axis=1, keepdims=True)
    found = recognize(weight)
    assert found is not None
    half_unit = np.spacing(found.scale)[:, None] / 2
    # The sum scale + offset is itself rounded, by at most half a unit of the weight.
    assert np.all(np.abs(found.dequantized() - weight) <= half_unit + np.spacing(np.abs(weight)))
    for before, after in zip(codes, found.codes, strict=True):
        groups = [set(after[before == value].tolist()) for value in np.unique(before)]
        assert all(len(group) == 1 for group in groups)
        assert len(set.union(*groups)) == len(groups)


def test_resnet18s_weights_take_well_under_a_second():
    generator = np.random.default_rng(0)
    codes = (generator.random((512, 512, 3, 3)) < 0.35).astype(np.float32)
    # 5 * 2.36 million weights: more than ResNet-18 has
    assert all(soon(lambda: [recognize(codes) for _ in range(5)], 1))


def test_a_centred_filter_of_density_one_half_does_not_make_its_layer_ternary():
    codes = np.zeros((3, 8), np.float32)
    codes[0, :3], codes[1, :4], codes[2, 4:] = 1, 1, -1
    weight = 0.5 * (codes - codes.mean(axis=1, keepdims=True))
    found = recognize(weight)
    assert found.value_set is ValueSet.SIGNED_BINARY
    np.testing.assert_array_equal(found.dequantized(), weight)
    assert recognize(weight[1:]).value_set is ValueSet.BINARY
    mixed = np.concatenate([weight[1:], [[-1, 0, 1, 0, 0, 0, 0, 0]]]).astype(np.float32)
    assert recognize(mixed).value_set is ValueSet.TERNARY
