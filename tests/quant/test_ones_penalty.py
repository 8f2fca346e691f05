"""The share of ones, and the penalty that draws it down, in closed form."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from signbin.errors import SpecError
from signbin.quant import (
    Binary,
    QuantConfig,
    SignedBinary,
    Ternary,
    ones_penalty,
    quantize_,
    quantized_layers,
    share_of_ones,
)

Build = Callable[[], nn.Sequential]


def quantised(network: Build, config: QuantConfig) -> nn.Sequential:
    model = network()
    quantize_(model, config)
    return model


@pytest.mark.parametrize("quantizer", [Binary(), SignedBinary(), SignedBinary(region_channels=2)])
def test_ones_are_the_codes_that_the_engine_walks_over(
    network: Build, quantizer: Binary | SignedBinary
) -> None:
    model = network()
    linear_only = {"6": QuantConfig(Binary() if isinstance(quantizer, Binary) else SignedBinary())}
    quantize_(model, QuantConfig(quantizer), overrides=linear_only)
    codes = torch.cat([layer.codes().flatten() for layer in quantized_layers(model).values()])
    ones = codes == 1 if isinstance(quantizer, Binary) else codes != 0
    assert share_of_ones(model).item() == pytest.approx(ones.float().mean().item())


def test_the_gradient_lowers_every_weight_along_its_sign(network: Build) -> None:
    model = quantised(network, QuantConfig(SignedBinary()))
    loss = torch.tensor(2.5, requires_grad=True)
    penalty = ones_penalty(model, loss, share=0.1, weight=0.2)
    assert penalty.item() == pytest.approx(0.2 / 0.8 * 2.5)
    penalty.backward()
    assert loss.grad is None, "the loss is a constant of the penalty"
    layers = quantized_layers(model).values()
    total = sum(layer.weight.numel() for layer in layers)
    slope = 0.2 / 0.8 * 2.5 / (share_of_ones(model).item() - 0.1) / total
    for layer in layers:
        signs = layer.quantizer_state()["weight_sign"].float()
        expected = slope * signs.reshape((-1,) + (1,) * (layer.weight.dim() - 1))
        assert layer.weight.grad is not None
        torch.testing.assert_close(layer.weight.grad, expected.expand_as(layer.weight))


def test_binary_ones_have_half_the_slope(network: Build) -> None:
    model = quantised(network, QuantConfig(Binary()))
    share_of_ones(model).backward()
    total = sum(layer.weight.numel() for layer in quantized_layers(model).values())
    for layer in quantized_layers(model).values():
        assert layer.weight.grad is not None
        torch.testing.assert_close(layer.weight.grad, torch.full_like(layer.weight, 0.5 / total))


def test_there_is_no_penalty_at_or_below_the_share(network: Build) -> None:
    model = quantised(network, QuantConfig(SignedBinary()))
    share = share_of_ones(model).item()
    for allowed in (share, share + 0.1):
        penalty = ones_penalty(model, torch.tensor(3.0), allowed, 0.5)
        assert penalty.item() == 0
        penalty.backward()
    assert all(not layer.weight.grad.any() for layer in quantized_layers(model).values())


def test_gradient_steps_reach_the_share(network: Build) -> None:
    model = quantised(network, QuantConfig(SignedBinary()))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(200):
        optimizer.zero_grad()
        ones_penalty(model, torch.tensor(1.0), 0.15, 0.5).backward()
        optimizer.step()
    assert 0 < share_of_ones(model).item() <= 0.15 + 1e-4


def test_what_has_no_ones_or_a_fixed_share_is_refused(network: Build) -> None:
    with pytest.raises(SpecError, match="no quantised layer"):
        share_of_ones(network())
    with pytest.raises(SpecError, match="share of ones of ternary weights"):
        share_of_ones(quantised(network, QuantConfig(Ternary())))
    with pytest.raises(
        SpecError, match=r"density 0.1.; allowed: no density.*leave the density out"
    ):
        share_of_ones(quantised(network, QuantConfig(SignedBinary(density=0.1))))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, math.nan])
def test_shares_outside_0_and_1_are_refused(network: Build, share: float) -> None:
    model = quantised(network, QuantConfig(Binary()))
    for options in ({"share": share, "weight": 0.5}, {"share": 0.5, "weight": share}):
        with pytest.raises(SpecError, match=r"ones_penalty .* 0 < value <= 1"):
            ones_penalty(model, torch.tensor(1.0), **options)
