"""Densities within a budget: closed forms, an exhaustive oracle, and what is refused."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.errors import SpecError
from signbin.quant import QConv2d, QuantConfig, SignedBinary
from signbin.train.allocation import LayerChoice, allocate, allocate_uniform
from signbin.train.budget import dropped_energy


def choice(costs, losses, inputs=None):
    counts = np.arange(1, len(costs) + 1)
    return LayerChoice(
        "layer", inputs or len(costs), counts, np.array(costs, float), np.array(losses, float)
    )


def quadratic(inputs, price):
    """Cost price * n, loss (1 - n/M)^2."""
    counts = np.arange(1, inputs + 1)
    return LayerChoice(
        "layer", inputs, counts, price * counts.astype(float), (1 - counts / inputs) ** 2
    )


def test_of_two_layers_of_known_cost_each_gets_what_equal_marginal_losses_say():
    """min (1 - x)^2 + (1 - y)^2, p*x + q*y = B: 1 - x = t*p, 1 - y = t*q, t = (p+q-B)/(p^2+q^2)."""
    inputs, prices, budget = 10_000, (1.0, 3.0), 2.5
    layers = [quadratic(inputs, price / inputs) for price in prices]
    multiplier = (sum(prices) - budget) / sum(price**2 for price in prices)
    wanted = [inputs * (1 - multiplier * price) for price in prices]
    counts = allocate(layers, budget)
    # The last steps are worth a single code each.
    np.testing.assert_allclose(counts, wanted, atol=2)
    assert budget - 1e-3 <= sum(p * n / inputs for p, n in zip(prices, counts, strict=True))


def test_equal_layers_get_equal_counts_and_the_uniform_allocation_agrees():
    layers = [quadratic(100, 1.0) for _ in range(3)]
    assert allocate(layers, 150) == (50, 50, 50) == allocate_uniform(layers, 150)


def test_a_budget_for_everything_is_not_used_beyond_the_natural_counts():
    layers = [quadratic(10, 1.0), quadratic(20, 1.0)]
    assert allocate(layers, 1e9) == (10, 20) == allocate_uniform(layers, 1e9)


@pytest.mark.parametrize("method", [allocate, allocate_uniform])
def test_less_than_the_smallest_counts_cost_is_refused_with_the_least_that_is_not(method):
    with pytest.raises(SpecError, match=r"budget of all layers: got 2.9; allowed: >= 3"):
        method([quadratic(10, 1.0), quadratic(10, 2.0)], 2.9)
    assert method([quadratic(10, 1.0), quadratic(10, 2.0)], 3.0) == (1, 1)


@given(st.integers(0, 10_000), st.floats(0.05, 0.95))
@settings(deadline=None, max_examples=60)
def test_no_allocation_of_three_small_layers_is_much_better(seed, share):
    """Against all allocations: within the budget, and the loss of at most one step above the best.

    Costs rise and losses fall by any amounts, so the curves need not be convex; the gap of the
    Lagrangian is then at most that of one layer's largest step.
    """
    random = np.random.default_rng(seed)
    layers = [
        choice(np.cumsum(random.random(6) + 0.01), 1 - np.sort(random.random(6))) for _ in range(3)
    ]
    least, most = (sum(layer.costs[end] for layer in layers) for end in (0, -1))
    budget = least + share * (most - least)
    counts = allocate(layers, budget)
    assert _of(layers, counts, "costs") <= budget * (1 + 1e-12)
    best = min(
        _of(layers, tried, "losses")
        for tried in itertools.product(range(1, 7), repeat=3)
        if _of(layers, tried, "costs") <= budget
    )
    gap = max(layer.losses[0] - layer.losses[-1] for layer in layers)
    assert best <= _of(layers, counts, "losses") <= best + gap


def test_convex_curves_are_shared_out_as_well_as_all_allocations_could():
    random = np.random.default_rng(0)
    for _ in range(50):
        layers = []
        for _ in range(3):
            saved = np.sort(random.random(6))[::-1]
            layers.append(choice(np.arange(1.0, 7.0), 1 - np.cumsum(saved) / saved.sum()))
        counts = allocate(layers, 9.0)
        best = min(
            _of(layers, tried, "losses")
            for tried in itertools.product(range(1, 7), repeat=3)
            if sum(tried) <= 9
        )
        assert _of(layers, counts, "losses") == pytest.approx(best, rel=1e-12)


def test_the_dropped_energy_is_the_squared_share_of_what_is_not_among_the_largest():
    layer = QConv2d(2, 2, 1, config=QuantConfig(SignedBinary()), bias=False)
    with torch.no_grad():  # the first filter is positive, the second negative
        layer.weight.copy_(torch.tensor([[3.0, 1.0], [2.0, -4.0]]).reshape(2, 2, 1, 1))
    # Along the signs: 3, 1 and -2, 4; of the second filter only 4 counts.
    np.testing.assert_allclose(dropped_energy(layer), [1.0, 1 / 26, 0.0])


def test_a_layer_of_zeros_has_no_energy_to_drop():
    layer = QConv2d(2, 2, 1, config=QuantConfig(SignedBinary()), bias=False)
    torch.nn.init.zeros_(layer.weight)
    assert dropped_energy(layer).tolist() == [0.0, 0.0, 0.0]


def _of(layers, counts, what):
    return sum(getattr(one, what)[count - 1] for one, count in zip(layers, counts, strict=True))
