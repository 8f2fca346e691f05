"""Random tiles cost what the method's table says: F x T, mean of many seeds, within 10 %.

two groups: sums over +1 and over -1, subtracted. shared total: the sum over +1, doubled, less the
sum of all inputs, which is one more target. zeros kept: sums over the ones and over the zeros.
"""

import numpy as np
import pytest

from signbin.sums import ActivationGroups, PairMerging

SEEDS = range(80)
TABLE = {  # two groups, shared total, ternary at .71, signed-binary at .357, its zeros kept
    (8, 32): (118, 78, 106, 56, 106),
    (16, 32): (221, 141, 196, 99, 195),
    (16, 64): (415, 257, 377, 198, 387),
    (32, 32): (413, 252, 364, 182, 368),
}


def tile_counts(make_digits, shape, leaves):
    """Mean additions over the seeds, in the table's order."""
    search = PairMerging(*shape, leaves=leaves)
    kept = PairMerging(*shape, leaves=leaves, zeros=True)
    wider = PairMerging(shape[0] + 1, shape[1], leaves=leaves)
    rows = []
    for seed in SEEDS:
        binary = make_digits("binary", shape, seed=seed)
        with_total = np.concatenate([binary > 0, np.ones((1, shape[1]))]).astype(np.int8)
        sparse = make_digits("signed_binary", shape, 0.357, seed)
        ternary = make_digits("ternary", shape, 0.71, seed)
        rows.append(
            [
                search.build(binary).additions,
                wider.build(with_total).additions + shape[0],
                search.build(ternary).additions,
                search.build(sparse).additions,
                kept.build(sparse).additions,
            ]
        )
    return np.mean(rows, axis=0)


ROWS = [
    pytest.param(shape, id=str(shape), marks=pytest.mark.wide if np.prod(shape) > 512 else [])
    for shape in TABLE
]


@pytest.mark.parametrize("leaves", [True, False], ids=["summerge", "cse"])
@pytest.mark.parametrize("shape", ROWS)
def test_greedy_merging_reproduces_the_table_and_its_orderings(make_digits, shape, leaves):
    found = tile_counts(make_digits, shape, leaves)
    np.testing.assert_allclose(found, TABLE[shape], rtol=0.1)
    two_groups, shared_total, ternary, signed_binary, zeros_kept = found
    # 1.30 to 1.42 is reported; the mean over 80 seeds is 1.29 at 16 x 64.
    assert 1.285 <= shared_total / signed_binary <= 1.42
    assert 1.8 <= ternary / signed_binary <= 2.1
    assert 0.85 < zeros_kept / two_groups < 1.15


def test_signed_pairs_help_whoever_has_two_signs_but_not_up_to_the_shared_total(make_digits):
    shape = (16, 64)
    binary = [make_digits("binary", shape, seed=seed) for seed in SEEDS]
    plain, signed, shared = (
        np.mean([search.build(digits).additions for digits in kind])
        for search, kind in (
            (PairMerging(*shape), binary),
            (PairMerging(*shape, signed=True), binary),
            (
                PairMerging(17, 64),
                [np.concatenate([d > 0, np.ones((1, 64))]).astype(np.int8) for d in binary],
            ),
        )
    )
    assert shared + 16 < signed < plain


def test_activation_groups_take_more_additions_than_merging(make_digits):
    digits = make_digits("signed_binary", (16, 64))
    grouped = min(ActivationGroups(g, 64).build(digits).additions for g in range(1, 9))
    assert grouped > PairMerging(16, 64).build(digits).additions
