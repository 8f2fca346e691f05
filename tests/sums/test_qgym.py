"""Equality saturation never loses to SumMerge, and finds the shared total by itself."""

import functools
import random
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.errors import SpecError
from signbin.sums import PairMerging, Saturation
from signbin.sums.cover import Choice, Roots, choice_sums, shared_sums
from signbin.sums.descent import descend
from signbin.sums.sub_blocks import SubBlock, assemble

KINDS = {"signed_binary": 0.357, "ternary": 0.71, "binary": 1.0}


def list_of(choice, roots, shape):
    sub_block = SubBlock(0, shape[0], 0, shape[1])
    return assemble(shape, [(sub_block, choice_sums(choice, roots, shape[1]))])


def require_egglog():
    pytest.importorskip("egglog.bindings", reason="no egglog: pip install 'signbin[qgym]'")


COUNTS = pytest.mark.parametrize("count", [3, pytest.param(10, marks=pytest.mark.wide)])


@functools.cache
def search(make_digits, kind, seed):
    """(digits, what saturation finds in them)"""
    digits = make_digits(kind, (8, 32), KINDS[kind], seed)
    return digits, Saturation().search(digits)


@COUNTS
@pytest.mark.parametrize("kind", KINDS)
def test_sub_blocks_finish_and_are_no_worse_than_summerge(make_digits, kind, count):
    require_egglog()
    ours, theirs, finished = [], [], 0
    for seed in range(count):
        digits, found = search(make_digits, kind, seed)
        x = np.random.default_rng(seed).integers(-99, 99, (32, 3))
        np.testing.assert_array_equal(found.sum_list.evaluate(x), digits.astype(np.int64) @ x)
        ours.append(found.sum_list.additions)
        theirs.append(PairMerging(8, 32).build(digits).additions)
        finished += found.finished
    assert finished >= count - 1
    assert all(one <= other for one, other in zip(ours, theirs, strict=True))
    assert sum(ours) < sum(theirs)


@COUNTS
def test_two_groups_of_binary_weights_become_one_and_the_total(make_digits, count):
    require_egglog()
    gain = []
    for seed in range(count):
        digits, found = search(make_digits, "binary", seed)
        merged = PairMerging(8, 32).build(digits).additions
        gain.append(found.sum_list.additions / merged)
    assert np.mean(gain) < 0.85


def test_a_layer_is_cut_into_sub_blocks_and_repeats_with_its_seed(make_digits):
    require_egglog()
    digits = make_digits("ternary", (20, 70))
    one, two = (Saturation(steps=200).search(digits) for _ in range(2))
    assert (one.sub_blocks, one.finished) == (9, 9)
    np.testing.assert_array_equal(one.sum_list.operands, two.sum_list.operands)
    x = np.random.default_rng(0).integers(-99, 99, (70, 3))
    np.testing.assert_array_equal(one.sum_list.evaluate(x), digits.astype(np.int64) @ x)


def test_without_time_every_sub_block_keeps_summerges_sums(make_digits):
    require_egglog()
    digits = make_digits("signed_binary", (16, 64))
    found = Saturation(seconds=0).search(digits)
    assert found.finished == 0
    assert found.sum_list.additions == PairMerging(8, 32).build(digits).additions


@pytest.mark.parametrize("digits", [np.zeros((3, 5), np.int8), np.eye(3, dtype=np.int8)])
def test_sub_blocks_without_sums_are_served(digits):
    require_egglog()
    x = np.arange(2 * digits.shape[1]).reshape(-1, 2)
    found = Saturation().build(digits)
    np.testing.assert_array_equal(found.evaluate(x), digits.astype(np.int64) @ x)


def test_without_egglog_the_error_names_the_extra(make_digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "egglog", None)
    monkeypatch.setitem(sys.modules, "egglog.bindings", None)
    with pytest.raises(SpecError, match=r"signbin\[qgym\]"):
        Saturation().build(make_digits("binary", (2, 4)))


@pytest.mark.parametrize("wrong", [{"inputs": 63}, {"inputs": 0}, {"steps": -1}, {"rounds": True}])
def test_impossible_sub_blocks_are_refused(wrong):
    with pytest.raises(SpecError):
        Saturation(**wrong)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 8), st.integers(2, 20)),
    kind=st.sampled_from(list(KINDS)),
    density=st.floats(0.1, 1),
    seed=st.integers(0, 2**16),
)
def test_a_choice_costs_what_its_list_adds(make_digits, shape, kind, density, seed):
    digits = make_digits(kind, shape, density, seed)
    roots = Roots.of(digits)
    if not roots.masks:
        return
    merged = PairMerging(*shape).of_sub_block(digits)
    start = Choice(roots.masks, shared_sums(merged, shape[1]))
    draw = random.Random(seed)
    shareable = sorted({one & other for one in roots.masks for other in roots.masks} | {3})
    shareable = [mask for mask in shareable if mask.bit_count() > 1]
    found = descend(start, shareable, 100, draw)
    assert found.cost() <= start.cost()
    for choice in (start, found, *(found.turned(mask) for mask in roots.masks)):
        sum_list = list_of(choice, roots, shape)
        x = np.random.default_rng(seed).integers(-99, 99, (shape[1], 2))
        np.testing.assert_array_equal(sum_list.evaluate(x), digits.astype(np.int64) @ x)
        # A filter's own sum: its terms less one, and one more where it begins with a minus.
        final = sum(len(pair) - (not pair[0][1]) for pair in roots.terms if pair)
        assert sum_list.additions == choice.cost() + final
