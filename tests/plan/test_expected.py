"""What the planner expects of a density is what it counts of random weights, and no guess."""

import math

import numpy as np
import pytest

from signbin import native
from signbin.errors import PlanError
from signbin.layer_costs import LayerShape
from signbin.plan import (
    Target,
    counted_additions,
    expected_additions,
    expected_patterns,
    layer_of,
    predicted_cycles,
    random_weight,
)
from signbin.plan.planner import least_cost
from signbin.plan.stats import pattern_stats

SHAPES = (
    LayerShape("conv2d", (16, 16, 3, 3), 1, 1, (32, 32)),
    LayerShape("conv2d", (64, 32, 3, 3), 1, 2, (8, 8)),
    LayerShape("conv2d", (24, 8, 3, 3), 2, 1, (8, 8)),
    LayerShape("linear", (10, 64), 1, 1, (1, 1)),
)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("density", [0.5, 0.2, 0.05])
def test_random_weights_average_to_the_expectation(shape, density):
    """Mean of 24 draws: load-adds deviate by sqrt(M * groups) / 2 at most, over sqrt(24)."""
    count = max(1, round(density * shape.inputs))
    layers = [layer_of(shape, random_weight(shape.weight, count, seed)) for seed in range(24)]
    expected = expected_patterns(layers[0], count)
    filters = min(4, max(expected))
    drawn = [pattern_stats(one.weight, filters, None, one.groups).load_adds for one in layers]
    groups = expected[filters].groups
    deviation = math.sqrt(shape.inputs * groups) / 2 / math.sqrt(len(layers))
    assert abs(np.mean(drawn) - expected[filters].load_adds) <= 4 * deviation + 1
    # Over the F of fewest additions the mean of the least lies below the least of the means.
    counted = np.mean([counted_additions(layer) for layer in layers])
    assert 0.96 <= counted / expected_additions(layers[0], count) <= 1 + 4 * deviation / counted


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_costs_more_has_more_codes(shape):
    target = Target.from_cpu(native.cpu(), "portable")
    additions, cycles = [], []
    for count in range(1, shape.inputs // 2, max(1, shape.inputs // 24)):
        layer = layer_of(shape, random_weight(shape.weight, count))
        additions.append(expected_additions(layer, count))
        patterns = expected_patterns(layer, count)
        cycles.append(predicted_cycles(layer, native.kernels(), target, patterns))
    assert sorted(additions) == additions
    assert sorted(cycles) == cycles


def test_the_planner_s_price_of_drawn_weights_is_that_of_its_choice():
    from signbin.plan.planner import _plan_layer

    target = Target.from_cpu(native.cpu(), "portable")
    layer = layer_of(SHAPES[0], random_weight(SHAPES[0].weight, 20))
    plan = _plan_layer(layer, native.kernels(), target, None)
    chosen = next(one for one in plan.candidates if one.why.startswith("chosen"))
    assert least_cost(layer, native.kernels(), target) == chosen.cost
    cycles = chosen.cost / target.add_per_cycle * 32 * 32 / target.lanes
    assert predicted_cycles(layer, native.kernels(), target) == pytest.approx(cycles, rel=1e-12)


def test_random_weights_have_exactly_the_codes_that_were_asked_for():
    weight = random_weight((6, 4, 3, 3), 7)
    assert np.abs(weight.codes).reshape(6, -1).sum(axis=1).tolist() == [7] * 6
    np.testing.assert_allclose(weight.dequantized().reshape(6, -1).sum(axis=1), 0, atol=1e-6)
    assert random_weight((6, 4, 3, 3), 7, centred=False).offset is None
    with pytest.raises(PlanError, match=r"non-zero codes of a filter: got 37; allowed: 1..36"):
        random_weight((6, 4, 3, 3), 37)
    with pytest.raises(PlanError, match="shape of the weights"):
        layer_of(SHAPES[0], weight)
