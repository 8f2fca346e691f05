"""sb_sharing_create refuses what is malformed, and counts are those of the definition."""

import numpy as np
import pytest

from signbin.native import _signbin
from signbin.sums import common_counts, packed_rows


def rows(*words):
    return np.array(words, np.uint64).reshape(len(words), -1)


@pytest.mark.parametrize(
    ("plus", "minus", "targets", "budget"),
    [
        (rows(1, 2), None, 0, 10),
        (rows(1, 2), None, -1, 10),
        (rows(1, 2), None, 65, 10),
        (rows(1, 2), rows(1), 2, 10),
        (rows(1, 2), rows(1, 0), 2, 10),
        (rows(4, 2), None, 2, 10),
        (rows(1, 2), None, 2, -1),
        (np.zeros((0, 1), np.uint64), None, 2, 1),
        (rows(1, 2), None, 1 << 21, 10),
    ],
    ids=str,
)
def test_malformed_rows_are_refused(plus, minus, targets, budget):
    with pytest.raises((RuntimeError, ValueError)):
        _signbin.share_sums(plus, minus, targets, True, budget)


def test_a_pair_that_all_targets_use_is_one_node():
    starts, operands, temporaries = _signbin.share_sums(rows(7, 7, 1), None, 3, False, 10)
    assert temporaries == 1
    assert sorted(operands[:2]) == [0, 2]
    np.testing.assert_array_equal(np.diff(starts), [2, 2, 1, 1])


def test_a_difference_serves_targets_of_both_signs():
    # targets: x0 - x1, x1 - x0
    starts, operands, temporaries = _signbin.share_sums(rows(1, 2), rows(2, 1), 2, False, 10)
    assert temporaries == 1
    np.testing.assert_array_equal(np.diff(starts), [2, 1, 1])
    assert {int(operands[2]), int(operands[3])} == {4, 5}


@pytest.mark.parametrize(
    "shape", [(0, 3, 5), (3, 0, 5), (1, 1, 1), (5, 9, 64), (8, 7, 65), (3, 4, 700)]
)
def test_common_counts_are_those_of_the_rows_as_sets(shape):
    some, others, inputs = shape
    rng = np.random.default_rng(sum(shape))
    a, b = rng.random((some, inputs)) < 0.4, rng.random((others, inputs)) < 0.6
    found = common_counts(packed_rows(a), packed_rows(b))
    np.testing.assert_array_equal(found, a.astype(int) @ b.T.astype(int))


@pytest.mark.parametrize(
    ("some", "others", "counts"),
    [
        (rows(1, 2), rows([1, 2]), (2, 1)),
        (rows(1, 2), rows(3), (1, 1)),
        (rows(1, 2), rows(3), (2, 2)),
    ],
    ids=["other words", "too few counts", "too many counts"],
)
def test_counts_that_do_not_fit_their_rows_are_refused(some, others, counts):
    with pytest.raises(ValueError, match="a count for each two of them"):
        _signbin.count_common(some, others, np.zeros(counts, np.int32))
