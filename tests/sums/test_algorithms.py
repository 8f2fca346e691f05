"""What every algorithm promises: the right sums, and how many additions they take."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.errors import SpecError
from signbin.sums import ActivationGroups, PairMerging, Sparse

ALGORITHMS = {
    "sparse": Sparse(1000),
    "agr": ActivationGroups(3, 20),
    "agr_whole": ActivationGroups(2, 1000),
    "summerge": PairMerging(7, 13),
    "summerge_whole": PairMerging(1000, 1000),
    "summerge_budget": PairMerging(8, 32, budget=3),
    "summerge_zeros": PairMerging(8, 32, zeros=True),
    "cse": PairMerging(16, 40, leaves=False),
    "cse_signed": PairMerging(16, 40, leaves=False, signed=True),
    "leaves_signed": PairMerging(16, 40, signed=True),
}
KINDS = ["signed_binary", "ternary", "binary"]


def check(algorithm, digits, seed=0):
    sum_list = algorithm.build(digits)
    x = np.random.default_rng(seed).integers(-(2**15), 2**15, (digits.shape[1], 3))
    wrapped = x.astype(np.int16)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(sum_list.evaluate(wrapped), digits.astype(np.int16) @ wrapped)
    np.testing.assert_array_equal(sum_list.evaluate(x), digits.astype(np.int64) @ x)
    return sum_list


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_list_gives_the_sums_exactly(make_digits, name, kind):
    check(ALGORITHMS[name], make_digits(kind, (20, 50)))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_same_digits_give_the_same_list(make_digits, name):
    digits = make_digits("ternary", (20, 50))
    one, two = (ALGORITHMS[name].build(digits) for _ in range(2))
    np.testing.assert_array_equal(one.operands, two.operands)
    np.testing.assert_array_equal(one.starts, two.starts)


@pytest.mark.parametrize(
    "digits",
    [
        np.zeros((3, 5), np.int8),
        np.ones((1, 1), np.int8),
        -np.ones((2, 3), np.int8),
        np.array([[0, 1, -1]], np.int8),
        np.tile(np.array([1, -1, 0, 1], np.int8), (9, 5)),
    ],
    ids=["zeros", "one", "minus", "one_filter", "equal_filters"],
)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_odd_layers_are_served(name, digits):
    check(ALGORITHMS[name], digits)


def test_a_layer_without_weights_is_a_list_without_nodes():
    sum_list = PairMerging(4, 4).build(np.zeros((3, 5), np.int8))
    assert (sum_list.nodes, sum_list.additions) == (0, 0)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 40)),
    sub_block=st.tuples(st.integers(1, 70), st.integers(1, 40)),
    density=st.floats(0, 1),
    kind=st.sampled_from(KINDS),
    options=st.sampled_from([{}, {"signed": True}, {"zeros": True}, {"leaves": False}]),
    seed=st.integers(0, 2**16),
)
def test_any_tile_of_any_layer_merges_to_the_same_sums(
    make_digits, *, shape, sub_block, density, kind, options, seed
):
    digits = make_digits(kind, shape, density, seed)
    merged = check(PairMerging(*sub_block, **options), digits, seed)
    if not options:
        naive = Sparse(1000).build(digits)
        assert merged.additions <= naive.additions + shape[0] * merged.segments.size


def test_sparse_takes_one_addition_per_non_zero_but_the_first_of_a_filter(make_digits):
    digits = make_digits("signed_binary", (30, 40))
    assert Sparse(1000).build(digits).additions == np.count_nonzero(digits) - 30


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("filters", range(1, 9))
def test_activation_groups_take_no_more_than_the_formula(make_digits, kind, filters):
    digits = make_digits(kind, (filters, 300))
    sum_list = ActivationGroups(filters, 300).build(digits)
    kept = digits[:, digits.any(axis=0)]
    prefixes = [len(np.unique(kept[:length], axis=1).T) for length in range(1, filters + 1)]
    grouped = kept.shape[1] - prefixes[-1]
    rolled = sum(b - a for a, b in itertools.pairwise(prefixes))
    assert sum_list.additions <= grouped + rolled + sum(prefixes)
    assert sum_list.additions >= grouped


def test_one_filter_per_activation_group_is_sparse(make_digits):
    digits = make_digits("signed_binary", (12, 60))
    assert ActivationGroups(1, 60).build(digits).additions == Sparse(1000).build(digits).additions


def test_a_budget_of_no_nodes_still_merges_leaves():
    digits = np.tile(np.eye(2, 4, dtype=np.int8), (1, 3))  # columns recur three times
    digits[1, :4] = digits[0, :4]
    merged = PairMerging(2, 12, budget=0).build(digits)
    assert merged.additions <= Sparse(1000).build(digits).additions
    assert check(PairMerging(2, 12, budget=0), digits).additions == merged.additions


def test_equal_filters_cost_one(make_digits):
    one = make_digits("signed_binary", (1, 30))
    merged = PairMerging(8, 30).build(np.tile(one, (8, 1)))
    assert merged.additions == np.count_nonzero(one) - 1


def test_a_larger_budget_never_costs_more(make_digits):
    digits = make_digits("signed_binary", (32, 64))
    found = [PairMerging(32, 64, budget=b).build(digits).additions for b in (0, 10, 50, 1000)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < found[0]


@pytest.mark.parametrize("sub_block", [(0, 4), (4, 0), (-1, 4), (True, 4), (2.0, 4)])
def test_a_sub_block_that_is_no_positive_number_is_refused(make_digits, sub_block):
    with pytest.raises(SpecError, match="of a sub-block"):
        PairMerging(*sub_block).build(make_digits("binary", (4, 4)))


def test_impossible_searches_are_refused():
    with pytest.raises(SpecError, match="node budget"):
        PairMerging(4, 4, budget=-1)
    with pytest.raises(SpecError, match="signed pairs"):
        PairMerging(4, 4, zeros=True, signed=True)
    with pytest.raises(SpecError, match="filters per group"):
        ActivationGroups(9, 4)


def test_sums_are_found_by_one_thread_where_the_system_starts_no_more(monkeypatch):
    digits = np.random.default_rng(0).integers(-1, 2, (24, 40)).astype(np.int8)
    expected = PairMerging(8, 8).build(digits)

    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    found = PairMerging(8, 8).build(digits)
    np.testing.assert_array_equal(found.operands, expected.operands)
    np.testing.assert_array_equal(found.starts, expected.starts)
