"""sb_sharing_create refuses what is malformed, and counts are those of the definition."""

import numpy as np
import pytest

from signbin.native import _signbin


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
