"""Repetition, zeros and engines of a layer: counted by hand where hands can count."""

import math

import numpy as np
import pytest

from signbin.analysis import analyze_layer, analyze_layers, pattern_maps, repetition, zero_blocks
from signbin.analysis.trade_off import random_curves
from signbin.errors import SpecError
from signbin.plan import Strategy
from signbin.plan.layer import Layer
from signbin.spec import LowBitWeight


def weight_of(codes):
    codes = np.asarray(codes, np.int8)
    return LowBitWeight(codes, np.ones(len(codes), np.float32))


def layer_of(weight, output=(4, 4), groups=1):
    op = "conv2d" if len(weight.shape) == 4 else "linear"
    return Layer("layer", op, weight, groups, 1, output, 1)


def random_codes(kind, shape, density=0.357, seed=0):
    rng = np.random.default_rng(seed)
    signs = rng.choice(np.array([-1, 1], np.int8), shape)
    if kind == "binary":
        return signs
    mask = (rng.random(shape) < density).astype(np.int8)
    return mask * signs if kind == "ternary" else mask


def test_patterns_are_counted_in_groups_of_consecutive_filters():
    weight = weight_of([[1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]])
    two = repetition(weight, 2)
    # filters 0, 1: patterns 3, 1, 0, 2; filters 2, 3: 2, 2, 2, 0
    assert two.distinct == (3 + 1) / 2
    assert two.zero_share == 2 / 8
    assert two.factor == 6 / 4


def test_ternary_patterns_count_modulo_sign():
    weight = weight_of([[1, -1, 0, 1], [-1, 1, 0, 1]])
    assert repetition(weight, 2).distinct == 2


@pytest.mark.parametrize("kind", ["signed_binary", "ternary", "binary"])
@pytest.mark.parametrize("filters", [1, 3, 8, 10])
def test_random_patterns_have_the_shares_of_independent_weights(kind, filters):
    weight = weight_of(random_codes(kind, (120, 2000)))
    digit_zero = {"signed_binary": 0.643, "ternary": 0.643, "binary": 0.5}[kind]
    found = repetition(weight, filters)
    assert found.zero_share == pytest.approx(digit_zero**filters, abs=0.01)
    possible = (3**filters - 1) // 2 if kind == "ternary" else 2**filters - 1
    assert 0 < found.distinct <= possible
    if filters <= 3:
        assert found.distinct == possible


@pytest.mark.parametrize("filters", [0, 11, -1])
def test_more_filters_than_are_counted_are_refused(filters):
    with pytest.raises(SpecError, match="filters per pattern"):
        repetition(weight_of(np.ones((4, 4))), filters)


def test_zero_kernels_channels_and_filters_are_counted():
    codes = np.ones((3, 4, 2, 2), np.int8)
    codes[0, 1] = 0
    codes[:, 2] = 0
    codes[2] = 0
    found = zero_blocks(weight_of(codes))
    assert found.kernels == (1 + 2 + 4, 12)
    assert found.channels == (1, 4)
    assert found.filters == (1, 3)


def test_a_pattern_map_counts_every_position_once():
    weight = weight_of(random_codes("signed_binary", (16, 6, 3, 3)))
    found = pattern_maps(layer_of(weight))
    assert (found["filters"], found["radix"]) == (8, 2)
    assert len(found["counts"]) == 256
    assert sum(found["counts"]) == 2 * 54
    ternary = pattern_maps(layer_of(weight_of(random_codes("ternary", (4, 30)))))
    assert (ternary["filters"], ternary["radix"], len(ternary["counts"])) == (4, 3, 81)
    assert pattern_maps(layer_of(np.ones((2, 4), np.float32))) is None


@pytest.mark.parametrize("kind", ["signed_binary", "ternary", "binary"])
def test_every_engine_is_counted_and_none_adds_more_than_dense(kind):
    found = analyze_layer(layer_of(weight_of(random_codes(kind, (32, 16, 3, 3)))))
    additions = {one: done.additions for one, done in found.operations.items()}
    linear_only, optional = {Strategy.TABLE}, {Strategy.QGYM}
    assert set(additions) - optional == set(Strategy) - optional - linear_only
    assert additions[Strategy.DENSE] == 32 * 143
    merged = [additions[one] for one in (Strategy.BUCKET, Strategy.SUMMERGE, Strategy.CSE)]
    assert max(merged) < additions[Strategy.SPARSE] < additions[Strategy.DENSE]
    assert found.adds_lower_bound < min(merged) < 4 * found.adds_lower_bound
    document = found.to_json()
    assert document["adds"]["bucket"] == additions[Strategy.BUCKET]
    assert {"name", "density", "entropy_bits", "p0", "adds", "adds_lower_bound"} <= set(document)
    assert [entry["filters"] for entry in document["patterns"]] == list(range(1, 11))


def test_aligned_zeros_bind_otherwise_than_independent_ones():
    independent = random_codes("signed_binary", (64, 64, 3, 3))
    assert analyze_layer(layer_of(weight_of(independent))).binds.startswith("alignment")
    aligned = independent.reshape(8, 8, -1)
    aligned = aligned * (np.random.default_rng(1).random((8, 1, aligned.shape[2])) < 0.5)
    found = analyze_layer(layer_of(weight_of(aligned.reshape(independent.shape))))
    assert found.binds.startswith("entropy")
    assert found.p0 > 0.45
    repeated = np.tile(independent[:1], (64, 1, 1, 1))
    assert analyze_layer(layer_of(weight_of(repeated))).binds.startswith("structure")


def test_a_layer_of_one_filter_is_answered():
    found = analyze_layer(layer_of(weight_of(random_codes("signed_binary", (1, 40)))))
    assert [entry.filters for entry in found.patterns] == [1]
    assert found.operations[Strategy.BUCKET].additions > 0
    assert "repetition" in found.binds or "alignment" in found.binds or "entropy" in found.binds


def test_a_layer_of_zeros_is_answered():
    found = analyze_layer(layer_of(weight_of(np.zeros((8, 4, 3, 3)))))
    low_bit = {one: done.additions for one, done in found.operations.items()}
    del low_bit[Strategy.DENSE], low_bit[Strategy.BITSERIAL]
    assert set(low_bit.values()) == {0}
    assert found.entropy_bits == 0
    assert found.p0 == 1
    assert found.binds == "nothing: all weights are zero"
    assert all(entry.distinct == 0 and entry.factor == 0 for entry in found.patterns)


def test_float_weights_have_products_and_nothing_else():
    found = analyze_layer(layer_of(np.random.default_rng(0).standard_normal((4, 8))))
    document = found.to_json()
    assert set(document["adds"]) == {"dense"}
    assert document["entropy_bits"] is None
    assert document["p0"] is None
    assert document["adds_lower_bound"] is None
    assert document["patterns"] == []
    assert "float" in document["binds"]


def test_totals_are_per_image_over_the_low_bit_layers():
    layers = [
        layer_of(weight_of(random_codes("signed_binary", (8, 4, 3, 3))), output=(5, 6)),
        layer_of(np.ones((3, 8), np.float32), output=(1, 1)),
        layer_of(weight_of(random_codes("binary", (10, 8))), output=(1, 1)),
    ]
    calls = []
    found = analyze_layers("model", layers, lambda done, all_: calls.append((done, all_)))
    totals = found.to_json()["totals"]
    one, _, three = found.layers
    sparse = Strategy.SPARSE
    expected = 30 * one.operations[sparse].additions + three.operations[sparse].additions
    assert totals["adds"]["sparse"] == expected
    assert totals["layers"] == 2
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_a_model_without_low_bit_layers_has_no_totals():
    document = analyze_layers("float", [layer_of(np.ones((3, 8), np.float32))]).to_json()
    assert document["totals"] == {"layers": 0, "adds": {}, "adds_lower_bound": None}


def test_a_model_without_layers_is_refused():
    with pytest.raises(SpecError, match="layers of nothing"):
        analyze_layers("nothing", [])


def test_random_curves_meet_counted_random_weights():
    curves = random_curves(4608)
    for kind, density in (("signed_binary", 0.36), ("ternary", 0.36), ("binary", 1.0)):
        # 40 filters are whole groups of 8 and of 5.
        layer = layer_of(weight_of(random_codes(kind, (40, 512, 3, 3), density)))
        walk = analyze_layer(layer).operations[Strategy.BUCKET].additions
        total = 512 + 9 if kind == "binary" else 0
        expected = dict(curves[kind])[density] * math.prod(layer.weight.shape)
        assert walk - total == pytest.approx(expected, rel=0.01)
