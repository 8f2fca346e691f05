"""BWNH: signs and scales that keep the inner products of a layer with its inputs."""

from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signbin.errors import SpecError
from signbin.quant import (
    Binary,
    Bwnh,
    QuantConfig,
    hash_weights_,
    quantize_,
    quantized_layers,
)


def correlated_inputs(rows: int, values: int) -> Tensor:
    mixing = torch.randn(values, values) * torch.linspace(0.1, 3, values)
    return torch.randn(rows, values) @ mixing + 0.5


def error(inputs: Tensor, filters: Tensor, signs: Tensor, scale: Tensor) -> Tensor:
    return (inputs @ (filters - scale[:, None] * signs).T).square().sum(0)


def test_hashing_keeps_inner_products_better_than_the_sign_of_the_weights() -> None:
    inputs, filters = correlated_inputs(200, 18), torch.randn(16, 18)
    plain = error(inputs, filters, filters.sign(), filters.abs().mean(1))
    found = Bwnh().fit(filters, inputs)
    assert set(found.signs.unique().tolist()) == {-1.0, 1.0}
    hashed = error(inputs, filters, found.signs, found.scale)
    assert (hashed <= plain * (1 + 1e-5)).all()
    assert hashed.sum() < 0.7 * plain.sum()


def test_no_single_sign_and_no_other_scale_is_better() -> None:
    inputs, filters = correlated_inputs(50, 9), torch.randn(6, 9)
    found = Bwnh().fit(filters, inputs)
    best = error(inputs, filters, found.signs, found.scale)
    for factor in (0.99, 1.01):
        assert (error(inputs, filters, found.signs, found.scale * factor) > best).all()
    for place in range(9):
        turned = found.signs.clone()
        turned[:, place] *= -1
        assert (error(inputs, filters, turned, found.scale) >= best * (1 - 1e-4)).all()


def test_few_inputs_reach_the_optimum_of_an_exhaustive_search_mostly() -> None:
    inputs, filters = correlated_inputs(40, 6), torch.randn(30, 6)
    codes = torch.tensor(list(product([-1.0, 1.0], repeat=6)))
    sums = inputs @ codes.T
    wanted = inputs @ filters.T
    scales = (sums.T @ wanted) / sums.square().sum(0)[:, None]
    errors = (wanted[:, None, :] - sums[:, :, None] * scales[None]).square().sum(0)
    found = Bwnh().fit(filters, inputs)
    reached = error(inputs, filters, found.signs, found.scale)
    assert (reached <= errors.min(0).values * 1.001).float().mean() > 0.5


def test_dead_inputs_leave_the_signs_and_the_mean_magnitude() -> None:
    filters = torch.randn(3, 4)
    found = Bwnh().fit(filters, torch.zeros(5, 4))
    assert torch.equal(found.signs, filters.sign())
    torch.testing.assert_close(found.scale, filters.abs().mean(1))


def test_filters_and_inputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SpecError, match=r"\(K, n\) and \(N, n\)"):
        Bwnh().fit(torch.ones(3, 4), torch.ones(5, 5))


@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}, {"groups": 2, "dilation": 2}])
def test_a_hashed_network_is_closer_to_the_float_one(options: dict[str, int]) -> None:
    def build() -> nn.Sequential:
        torch.manual_seed(1)
        return nn.Sequential(
            *(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, bias=False, **options)),
            *(nn.Flatten(), nn.LazyLinear(12), nn.Linear(12, 4)),
        )

    images = torch.rand(16, 3, 10, 10)
    distances = []
    plain = build().eval()
    expected = plain[:3](images).detach()
    for hashed in (False, True):
        model = build()
        model(images)
        quantize_(model, QuantConfig(Bwnh()), lambda module, name: isinstance(module, nn.Conv2d))
        before = next(iter(quantized_layers(model).values())).weight.detach().abs()
        if hashed:
            assert hash_weights_(model, images) == ("2",)
        distances.append(float((model.eval()[:3](images) - expected).detach().square().mean()))
        assert torch.equal(model[2].weight.abs(), before), "magnitudes are kept"
    assert distances[1] < 0.95 * distances[0]


def test_linear_layers_are_hashed_and_other_quantisers_left_alone(
    network: Callable[[], nn.Sequential],
) -> None:
    model = network()
    quantize_(model, QuantConfig(Binary()), overrides={"6": QuantConfig(Bwnh())})
    weights = {n: layer.weight.clone() for n, layer in quantized_layers(model).items()}
    assert hash_weights_(model, torch.randn(8, 3, 8, 8)) == ("6",)
    changed = {
        name
        for name, layer in quantized_layers(model).items()
        if not torch.equal(layer.weight, weights[name])
    }
    assert changed == {"6"}
    assert model.training


def test_the_inputs_of_a_layer_are_what_it_multiplies() -> None:
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 7), nn.Linear(7, 2))
    quantize_(model, QuantConfig(Bwnh()))
    x = torch.randn(30, 5)
    filters = model[2].weight.detach().clone()
    hash_weights_(model, x)
    found = Bwnh().fit(filters, F.relu(model[0](x)))
    assert torch.equal(model[2].weight.sign(), found.signs)
    torch.testing.assert_close(model[2].weight_scale.detach(), found.scale)


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(SpecError, match="images to hash weights with"):
        hash_weights_(nn.Sequential(nn.Linear(2, 2)), torch.ones(0, 2))
