import dataclasses

import pytest

from signbin.plan import Target
from signbin.plan.cost import (
    Tile,
    buckets,
    dense_cost,
    lane_waste,
    load_share,
    total_cycles,
    walk_cost,
    walk_counts,
)
from signbin.plan.layer import weighted_layers
from signbin.plan.stats import pattern_stats


@pytest.fixture
def layer_of(make_graph, make_weight):
    def build(kind, shape=(16, 32, 3, 3), size=16, images=1, groups=1, **options):
        graph = make_graph(make_weight(kind, shape, **options), size=size, groups=groups)
        return weighted_layers(graph, images)[0]

    return build


def counts_of(layer, filters, chunk=None):
    stats = pattern_stats(layer.weight, filters, convolution_groups=layer.groups)
    return walk_counts(layer, stats, chunk or layer.channels)


def test_signed_binary_pays_load_adds_and_boundaries_only(layer_of):
    layer = layer_of("signed_binary")
    counts = counts_of(layer, 8, chunk=8)
    stats = pattern_stats(layer.weight, 8)
    assert counts.load_adds == round(2 * layer.inputs * (1 - stats.zero_share))
    assert counts.boundaries == 2 * 4 * 256
    assert counts.window_total == 0
    assert (counts.merges, counts.results) == (16 * 3, 16 * 4)
    assert counts.additions == counts.load_adds + counts.boundaries + counts.merges


@pytest.mark.parametrize("options", [{"kind": "binary"}, {"kind": "signed_binary", "offset": True}])
def test_binary_and_centred_weights_pay_the_shared_window_total_once(layer_of, options):
    assert counts_of(layer_of(**options), 8).window_total == 32 + 9


def test_groups_share_the_filters_out_evenly(layer_of):
    assert counts_of(layer_of("signed_binary", (10, 8, 3, 3)), 4).boundaries == 16 + 8 + 8
    grouped = layer_of("signed_binary", (10, 8, 3, 3), groups=2)
    assert counts_of(grouped, 4).boundaries == 2 * (8 + 4)


def test_ternary_patterns_are_counted_modulo_sign():
    assert [buckets(3, filters) for filters in (1, 2, 3, 4)] == [1, 4, 13, 40]
    assert [buckets(2, filters) for filters in (1, 4, 8)] == [2, 16, 256]


def test_sparser_weights_cost_less_and_ternary_costs_most(layer_of):
    target = Target.portable()

    def cost(kind, filters, density=0.35):
        layer = layer_of(kind, (64, 64, 3, 3), density=density)
        return walk_cost(layer, counts_of(layer, filters), Tile(filters, 2, 32), target)

    assert cost("signed_binary", 4, 0.1) < cost("signed_binary", 4) < cost("binary", 4)
    assert cost("binary", 4) < cost("ternary", 4, 0.71)


@pytest.mark.parametrize(
    ("size", "waste"), [(56, 1.0), (28, 1.0), (14, 8 * 28 / 196), (7, 8 * 7 / 49), (1, 8.0)]
)
def test_images_that_do_not_fill_the_lanes_waste_some(layer_of, size, waste):
    layer = layer_of("signed_binary", (4, 4, 3, 3), size=size)
    assert lane_waste(layer, 1, 8) == pytest.approx(waste)


def test_more_vectors_than_pixels_per_lane_are_wasted(layer_of):
    layer = layer_of("signed_binary", (4, 4, 3, 3), size=8)
    assert lane_waste(layer, 8, 8) == 1.0
    assert lane_waste(layer, 16, 8) == 2.0


def test_a_linear_layer_fills_its_lanes_with_images(layer_of):
    assert lane_waste(layer_of("binary", (8, 32)), 1, 8) == 8
    assert lane_waste(layer_of("binary", (8, 32), images=16), 2, 8) == 1


@pytest.mark.parametrize("isa", ["avx2", "avx512"])
def test_small_linear_layers_of_many_rows_pay_more_for_turning_rows_into_lanes_than_for_products(
    layer_of, isa
):
    layer = layer_of("signed_binary", (64, 64), images=64)
    target = Target.for_isa(isa, host=False)
    walked = walk_cost(layer, counts_of(layer, 8), Tile(8, 1, 64), target)
    assert walked > dense_cost(layer, 1, target)


def test_weights_of_a_linear_layer_that_no_second_cache_keeps_cost_more_once_per_call(layer_of):
    kept = Target.for_isa("avx512", host=False)
    kept = dataclasses.replace(kept, l2_bytes=4 * 512 * 256)
    small = dataclasses.replace(kept, l2_bytes=4 * 256 * 256)

    def more(images):
        layer = layer_of("ternary", (512, 256), images=images)
        return dense_cost(layer, 1, small) - dense_cost(layer, 1, kept)

    assert more(1) > 0
    assert more(64) == pytest.approx(more(1) / 64)


def test_dense_costs_every_multiply_add_at_the_machines_rate_and_every_sum_its_way_out(layer_of):
    deep, flat = layer_of("float", (16, 32, 3, 3)), layer_of("float", (16, 16, 3, 3))
    target = Target.portable()
    fast = dataclasses.replace(target, fma_per_cycle=4 * target.fma_per_cycle)

    def products(machine):
        return dense_cost(deep, 1, machine) - dense_cost(flat, 1, machine)

    expected = 16 * 16 * 9 / target.fma_per_cycle * target.add_per_cycle
    assert products(target) == pytest.approx(expected)
    assert products(fast) == pytest.approx(expected / 4)
    assert dense_cost(flat, 1, target) > products(target)
    scalar = Target.for_isa("scalar")
    assert dense_cost(flat, 1, scalar) == 16 * 16 * 9 / scalar.fma_per_cycle


@pytest.mark.parametrize("isa", ["avx2", "avx512"])
def test_walks_on_floats_pay_for_the_sum_of_every_window_whatever_their_weights_are(layer_of, isa):
    """A depthwise layer has as many such sums as filters: each as long as a product."""
    layer = layer_of("signed_binary", (64, 1, 7, 7), groups=64)
    target = Target.for_isa(isa, host=False)
    assert not layer.needs_window_total
    walked = walk_cost(layer, counts_of(layer, 1), Tile(1, 4, 1), target)
    assert walked > 64 * 49 * target.add_per_cycle * (4 if isa == "avx512" else 1)
    coded = dataclasses.replace(layer, activations="u8", top=255)
    assert total_cycles(coded, target) == 0 < total_cycles(layer, target)


@pytest.mark.parametrize("isa", ["avx2", "avx512"])
@pytest.mark.parametrize("kind", ["signed_binary", "binary", "ternary"])
def test_large_depthwise_windows_of_floats_are_dense(layer_of, isa, kind):
    layer = layer_of(kind, (64, 1, 7, 7), groups=64, size=14)
    target = Target.for_isa(isa, host=False)
    dense = dense_cost(layer, 2, target)
    costs = [walk_cost(layer, counts_of(layer, 1), Tile(1, v, 1), target) for v in (1, 2, 4, 7)]
    assert dense < min(costs)


def test_windows_that_share_no_pixel_are_read_from_beyond_the_first_cache(layer_of):
    layer = layer_of("signed_binary", (16, 3, 9, 9), size=27)
    apart = dataclasses.replace(layer, stride=9)
    target = Target.for_isa("avx512", host=False)
    tile = Tile(4, 1, 3)
    assert load_share(apart, tile, target) < 0.5 * load_share(layer, tile, target)


def test_a_tile_that_leaves_the_first_cache_costs_more(layer_of):
    layer = layer_of("signed_binary", (16, 64, 3, 3))
    counts, tile = counts_of(layer, 4), Tile(4, 4, 64)
    target = Target.portable()
    small = dataclasses.replace(target, l1_bytes=4096)
    tiny = dataclasses.replace(small, l2_bytes=8192)
    costs = [walk_cost(layer, counts, tile, machine) for machine in (target, small, tiny)]
    large = dataclasses.replace(target, l1_bytes=2**20)
    assert walk_cost(layer, counts, tile, large) < costs[1] < costs[2]


def test_vectors_that_leave_no_registers_for_outputs_cost_more_at_boundaries(layer_of):
    layer = layer_of("signed_binary", (16, 8, 3, 3))
    counts, target = counts_of(layer, 4), Target.for_isa("avx2")
    roomy = dataclasses.replace(target, registers=64)
    kept, spilled = Tile(4, 4, 8), Tile(4, 8, 8)
    assert walk_cost(layer, counts, kept, target) == walk_cost(layer, counts, kept, roomy)
    assert walk_cost(layer, counts, spilled, target) > walk_cost(layer, counts, spilled, roomy)
