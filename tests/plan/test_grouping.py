"""Groups of filters whose zeros coincide: never worse, and found where they were planted."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.errors import PlanError
from signbin.plan import GroupSearch, Strategy, Target, make_plan
from signbin.plan.grouping import group_filters, order_of_chunks, regroup
from signbin.plan.layer import Layer
from signbin.plan.operations import walk_operations
from signbin.plan.stats import group_sizes
from signbin.spec import LowBitWeight


def layer_of(codes, groups=1):
    weight = LowBitWeight(codes, np.ones(len(codes), np.float32))
    op = "conv2d" if codes.ndim == 4 else "linear"
    return Layer("layer", op, weight, groups, 1, (7, 7), 1)


def union_cost(support, order, filters):
    cost, first = 0, 0
    for size in group_sizes(len(order), filters):
        cost += np.count_nonzero(support[list(order[first : first + size])].any(axis=0))
        first += size
    return cost


def planted(groups, filters, inputs, seed=0):
    """Groups whose filters use the same tenth of the inputs, shuffled."""
    rng = np.random.default_rng(seed)
    shared = rng.random((groups, 1, inputs)) < 0.1
    support = shared & (rng.random((groups, filters, inputs)) < 0.8)
    return rng.permutation(support.reshape(groups * filters, inputs))


def random_support(filters, inputs, seed, density=0.36):
    return np.random.default_rng(seed).random((filters, inputs)) < density


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 60)),
    filters=st.integers(1, 8),
    density=st.floats(0, 1),
    seed=st.integers(0, 2**16),
)
def test_an_order_is_a_permutation_that_never_costs_more(shape, filters, density, seed):
    support = random_support(*shape, seed, density)
    order = group_filters(support, filters)
    assert sorted(order) == list(range(shape[0]))
    own = union_cost(support, range(shape[0]), filters)
    assert union_cost(support, order, filters) <= own


def test_planted_groups_are_found():
    support = planted(groups=8, filters=8, inputs=2000)
    order = group_filters(support, 8)
    planted_cost = 8 * 2000 * 0.1
    assert union_cost(support, range(64), 8) > 4 * planted_cost
    assert union_cost(support, order, 8) < 1.05 * planted_cost


def test_the_best_of_all_groupings_is_found_where_all_can_be_tried():
    for seed in range(6):
        support = random_support(6, 25, seed)
        best = min(union_cost(support, order, 2) for order in itertools.permutations(range(6)))
        found = union_cost(support, group_filters(support, 2, GroupSearch(restarts=4)), 2)
        assert found <= best * 1.03


def test_random_supports_gain_a_little_and_smaller_chunks_more():
    codes = random_support(64, 64 * 9, 0).astype(np.int8).reshape(64, 64, 3, 3)
    whole, halves = (regroup(layer_of(codes), 6, chunk) for chunk in (64, 16))
    assert 0.02 < whole.gain < halves.gain < 0.2


def test_the_same_seed_gives_the_same_groups_and_restarts_never_hurt():
    support = random_support(48, 300, 3)
    one, two = (group_filters(support, 6, GroupSearch(restarts=2, seed=1)) for _ in range(2))
    assert one == two
    plain = union_cost(support, group_filters(support, 6), 6)
    assert union_cost(support, one, 6) <= plain


def test_without_time_every_filter_stays_where_it_is():
    support = planted(groups=4, filters=4, inputs=100)
    assert group_filters(support, 4, GroupSearch(seconds=0)) == tuple(range(16))
    assert group_filters(support, 4, GroupSearch(rounds=0)) is not None


@pytest.mark.parametrize("kind", ["signed_binary", "ternary", "binary", "all_zero"])
@pytest.mark.parametrize(("groups", "chunk"), [(1, 64), (1, 5), (2, 4)])
def test_what_is_counted_is_what_is_gained(kind, groups, chunk):
    rng = np.random.default_rng(5)
    shape = (22, 12, 3, 3)
    signs = rng.choice(np.array([-1, 1], np.int8), shape)
    mask = (rng.random(shape) < 0.4).astype(np.int8)
    codes = {
        "signed_binary": mask * signs[:, :1, :1, :1],
        "ternary": mask * signs,
        "binary": signs,
        "all_zero": 0 * mask,
    }[kind]
    layer = layer_of(codes, groups)
    tile = {"filters": 4, "chunk": chunk}
    found = regroup(layer, 4, chunk)
    assert len(found.order) == groups * math.ceil(12 / chunk)
    before = walk_operations(layer, tile).additions
    after = walk_operations(layer, tile, found.order).additions
    assert before - after == found.before - found.load_adds
    assert found.gain == (1 - found.load_adds / found.before if found.before else 0)


def test_a_linear_layer_has_one_order_for_all_chunks():
    codes = random_support(20, 90, 2).astype(np.int8)
    assert len(regroup(layer_of(codes), 5, 16).order) == 1


@pytest.mark.parametrize("groups", [1, 2])
def test_a_shared_order_is_that_of_the_whole_layer(groups):
    codes = random_support(24, 12 * 9, 3).astype(np.int8).reshape(24, 12, 3, 3)
    layer, tile = layer_of(codes, groups), {"filters": 4, "chunk": 5}
    found = regroup(layer, 4, 5, shared=True)
    assert found == regroup(layer, 4, 12)
    own, after = (walk_operations(layer, tile, order).additions for order in ((), found.order))
    assert own - after == found.before - found.load_adds > 0
    assert order_of_chunks(found.order, groups, 3) == [r for r in found.order for _ in range(3)]


def test_float_weights_have_no_groups():
    layer = dataclasses.replace(
        layer_of(np.ones((2, 4), np.int8)), weight=np.ones((2, 4), np.float32)
    )
    with pytest.raises(PlanError, match="walk groups"):
        regroup(layer, 2, 4)


@pytest.mark.parametrize(
    "wrong",
    [{"rounds": -1}, {"restarts": True}, {"seed": 1.5}, {"seconds": -1}, {"seconds": math.nan}],
)
def test_an_impossible_search_is_refused(wrong):
    with pytest.raises(PlanError, match="group search"):
        GroupSearch(**wrong)


def test_a_plan_regroups_where_asked_and_says_so(make_graph, make_weight, kernels):
    graph = make_graph(make_weight("signed_binary", (64, 16, 3, 3)))
    target = Target.portable()
    plain = make_plan(graph, kernels, target, Strategy.BUCKET)
    grouped = make_plan(graph, kernels, target, Strategy.BUCKET, grouping=GroupSearch())
    (before,), (after,) = plain.layers, grouped.layers
    assert before.order == ()
    assert after.parameters == before.parameters
    assert sorted(after.order[0]) == list(range(64))
    assert "filters regrouped" in after.why
    assert type(grouped).from_json(grouped.to_json()) == grouped
    assert "order" not in plain.to_json()["layers"][0]


@pytest.mark.parametrize(("size", "shared"), [(7, True), (56, False)])
def test_small_maps_share_one_order_so_that_threads_can_divide_groups(
    make_graph, make_weight, kernels, size, shared
):
    graph = make_graph(make_weight("signed_binary", (32, 256, 3, 3)), size=size)
    search = GroupSearch(rounds=1)
    (layer,) = make_plan(graph, kernels, Target.portable(), Strategy.BUCKET, grouping=search).layers
    chunks = math.ceil(256 / layer.parameters["chunk"])
    assert chunks > 1
    assert len(layer.order) == (1 if shared else chunks)


def test_dense_layers_and_hopeless_ones_keep_their_order(make_graph, make_weight, kernels):
    target = Target.portable()
    floats = make_plan(
        make_graph(make_weight("float", (8, 4, 3, 3))), kernels, target, grouping=GroupSearch()
    )
    assert floats.layers[0].order == ()
    same = LowBitWeight(np.ones((16, 4, 3, 3), np.int8), np.ones(16, np.float32))
    plan = make_plan(make_graph(same), kernels, target, Strategy.BUCKET, grouping=GroupSearch())
    assert plan.layers[0].order == ()


@pytest.mark.parametrize("order", [[], [[0.5]], [["a"]], [0], [[-1]], "order", [[True]]])
def test_a_hostile_order_is_a_plan_error(make_graph, make_weight, kernels, order):
    graph = make_graph(make_weight("signed_binary", (16, 4, 3, 3)))
    plan = make_plan(graph, kernels, Target.portable(), Strategy.BUCKET)
    document = plan.to_json()
    document["layers"][0]["order"] = order
    with pytest.raises(PlanError):
        type(plan).from_json(document)
