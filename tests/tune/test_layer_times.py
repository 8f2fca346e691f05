"""Costs of layers by density: counted exactly, measured monotone, refused where they cannot be."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signbin import native
from signbin.errors import SpecError
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.layer_costs import CostUnit
from signbin.plan import expected_additions, layer_of, random_weight
from signbin.spec import LowBitWeight
from signbin.tune import TimeLayers, counted_costs, measured_costs
from signbin.tune.layer_times import rising


def graph(*, signs=(1, -1), shared=False):
    """Two convolutions, 16 x 16 x 3 x 3 on 8 x 8 pixels; shared: one weight in both."""
    random = np.random.default_rng(0)
    names = ["a.weight", "a.weight" if shared else "b.weight"]
    constants = {
        name: LowBitWeight(
            (
                (random.random((16, 16, 3, 3)) < 0.4) * np.repeat(signs, 8)[:, None, None, None]
            ).astype(np.int8),
            np.full(16, 0.1, np.float32),
        )
        for name in names
    }
    type_ = TensorType("f32", (BATCH, 16, 8, 8))
    nodes = tuple(
        Node(f"c{i}", "conv2d", (given,), {"weight": ConstRef(names[i]), "padding": (1, 1)}, type_)
        for i, given in enumerate(("x", "c0"))
    )
    return Graph("net", (Value("x", type_),), nodes, ("c1",), constants)


def test_counted_additions_are_the_expectation_times_the_pixels():
    costs = counted_costs(graph(), ["a", "b"])
    assert costs.unit is CostUnit.ADDITIONS
    assert costs.fixed == 0
    for layer in costs.layers:
        for count, cost in zip(layer.counts, layer.costs, strict=True):
            weight = random_weight(layer.uses[0].weight, count, centred=False)
            assert cost == 64 * expected_additions(layer_of(layer.uses[0], weight), count)


def test_a_module_used_twice_costs_twice_and_its_codes_are_one_choice():
    once, twice = counted_costs(graph(), ["a"]), counted_costs(graph(shared=True), ["a"])
    assert len(twice.layers[0].uses) == 2
    assert twice.layers[0].costs == tuple(2 * cost for cost in once.layers[0].costs)


def test_measured_curves_rise_and_all_of_it_is_more_than_its_layers():
    costs = measured_costs(graph(), ["a", "b"], "portable", TimeLayers(0.05))
    assert costs.unit is CostUnit.MILLISECONDS
    assert costs.isa == "portable"
    assert native.cpu()["name"] in costs.target
    for layer in costs.layers:
        assert all(low <= high for low, high in itertools.pairwise(layer.costs))
        assert layer.costs[-1] > 0
    assert costs.binary > sum(layer.costs[-1] for layer in costs.layers)


def test_modules_that_are_not_there_or_not_of_one_sign_are_refused():
    with pytest.raises(SpecError, match=r"layer c: got 'none in the network'"):
        counted_costs(graph(), ["a", "c"])
    mixed = graph()
    codes = np.random.default_rng(0).integers(-1, 2, (16, 16, 3, 3)).astype(np.int8)
    ternary = {**mixed.constants, "a.weight": LowBitWeight(codes, np.ones(16, np.float32))}
    mixed = Graph(mixed.name, mixed.inputs, mixed.nodes, mixed.outputs, ternary)
    with pytest.raises(SpecError, match="filters of one sign"):
        counted_costs(mixed, ["a"])


def test_a_time_to_measure_in_is_positive():
    with pytest.raises(SpecError, match="time to measure in"):
        TimeLayers(0.0)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12))
def test_the_nearest_rising_sequence_rises_keeps_the_mean_and_is_nearest_to_itself(values):
    found = rising(values)
    assert all(low <= high + 1e-9 for low, high in itertools.pairwise(found))
    assert sum(found) == pytest.approx(sum(values), abs=1e-6)
    assert rising(sorted(values)) == tuple(sorted(values))
