import itertools
import math

import numpy as np
import pytest

from signbin.errors import PlanError
from signbin.plan.stats import distinct_patterns, entropy_bits, pattern_stats, patterns, walk_radix
from signbin.spec import LowBitWeight, ValueSet
from tests.patience import soon


def slow_pattern(codes, kind):
    if kind == "ternary":
        return sum(int(code) * 3**index for index, code in enumerate(codes))
    wanted = (lambda code: code > 0) if kind == "binary" else (lambda code: code != 0)
    return sum(int(wanted(code)) << index for index, code in enumerate(codes))


@pytest.mark.parametrize("kind", ["signed_binary", "binary", "ternary"])
@pytest.mark.parametrize("groups", [1, 2])
def test_patterns_are_the_digits_of_consecutive_filters(make_weight, kind, groups):
    weight, filters = make_weight(kind, (10, 3, 2, 2), density=0.5), 3
    found = patterns(weight, filters, groups)
    flat = weight.codes.reshape(groups, 10 // groups, -1)
    starts = {1: (0, 3, 6, 8, 10), 2: (0, 3, 5)}[groups]
    per_group = len(starts) - 1
    assert found.shape == (groups * per_group, 3, 4)
    for group, index, position in itertools.product(range(groups), range(per_group), range(12)):
        codes = flat[group, starts[index] : starts[index + 1], position]
        pattern = found.reshape(groups, per_group, 12)[group, index, position]
        assert pattern == slow_pattern(codes, kind)


@pytest.mark.parametrize("kind", ["signed_binary", "binary", "ternary"])
def test_load_adds_zero_share_and_distinct_patterns_are_counted_per_chunk(make_weight, kind):
    weight = make_weight(kind, (7, 5, 3, 3), density=0.3)
    found = np.abs(patterns(weight, 4).astype(int))
    stats = pattern_stats(weight, 4, channels_per_chunk=2)
    chunks = [found[:, 0:2], found[:, 2:4], found[:, 4:5]]
    assert stats.groups == 2
    assert stats.chunks == 3
    assert stats.load_adds == np.count_nonzero(found)
    assert stats.zero_share == pytest.approx(np.mean(found == 0))
    assert stats.zero_share_per_chunk == pytest.approx([np.mean(chunk == 0) for chunk in chunks])
    distinct = [len(set(group.ravel()) - {0}) for chunk in chunks for group in chunk]
    assert distinct_patterns(weight, 4, channels_per_chunk=2) == pytest.approx(np.mean(distinct))


def test_zeros_that_coincide_across_filters_raise_the_zero_share():
    apart = np.kron(np.eye(4, dtype=np.int8), np.ones((1, 4), np.int8))
    aligned = np.tile(np.repeat(np.array([1, 0, 0, 0], np.int8), 4), (4, 1))
    scale = np.ones(4, np.float32)
    assert pattern_stats(LowBitWeight(apart, scale), 4).zero_share == 0
    assert pattern_stats(LowBitWeight(aligned, scale), 4).zero_share == 0.75


def test_a_tensor_of_two_valued_filters_walks_at_radix_2_whatever_the_values():
    rows = [[1, -1, 1, -1], [0, -1, -1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    weight = LowBitWeight(np.array(rows, np.int8), np.ones(4, np.float32))
    assert weight.value_set is ValueSet.TERNARY
    assert walk_radix(weight) == 2
    assert patterns(weight, 4).ravel().tolist() == [1, 2 + 4, 1 + 2, 0]
    ternary = LowBitWeight(np.array([[1, 0, -1], [1, 1, 1]], np.int8), np.ones(2, np.float32))
    assert walk_radix(ternary) == 3


def test_entropy_is_that_of_the_design_notes_at_density_0357():
    codes = np.zeros((8, 1000), np.int8)
    codes[:4, :357], codes[4:, :357] = 1, -1
    assert entropy_bits(LowBitWeight(codes, np.ones(8, np.float32))) == pytest.approx(
        0.94, abs=2e-3
    )


def test_entropy_of_binary_is_one_bit_and_of_even_ternary_log2_of_three():
    scale = np.ones(2, np.float32)
    binary = np.tile(np.array([-1, 1], np.int8), (2, 6))
    ternary = np.tile(np.array([-1, 0, 1], np.int8), (2, 4))
    assert entropy_bits(LowBitWeight(binary, scale)) == pytest.approx(1)
    assert entropy_bits(LowBitWeight(ternary, scale)) == pytest.approx(math.log2(3))
    assert entropy_bits(LowBitWeight(np.zeros((2, 8), np.int8), scale)) == 0


@pytest.mark.parametrize(("kind", "filters"), [("ternary", 6), ("binary", 9), ("binary", 0)])
def test_group_sizes_out_of_range_are_refused(make_weight, kind, filters):
    with pytest.raises(PlanError, match=r"allowed: 1\.\."):
        pattern_stats(make_weight(kind, (16, 4, 3, 3)), filters)


def test_chunks_and_convolution_groups_out_of_range_are_refused(make_weight):
    weight = make_weight("binary", (16, 4, 3, 3))
    for arguments in ({"channels_per_chunk": 5}, {"convolution_groups": 3}):
        with pytest.raises(PlanError):
            pattern_stats(weight, 4, **arguments)


def test_a_512_channel_layer_is_counted_in_under_a_second(make_weight):
    weight = make_weight("signed_binary", (512, 512, 3, 3))
    soon(lambda: pattern_stats(weight, 8), 1)
