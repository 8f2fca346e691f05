"""The distribution loss on inputs whose mean and spread are known."""

import pytest
import torch
from torch import Tensor, nn

from signbin.errors import SpecError
from signbin.quant import (
    Binary,
    QuantConfig,
    channel_distribution_loss,
    quantize_,
    record_distribution_loss,
)


def input_with(mean: float, std: float) -> Tensor:
    """Half the values at mean - std, half at mean + std."""
    values = torch.tensor([mean - std, mean + std], dtype=torch.float64)
    return values.repeat(8).reshape(4, 1, 2, 2)


@pytest.mark.parametrize(
    ("mean", "std", "expected"),
    [
        (0.0, 2.5, 0.0),  # both signs, mostly outside the window: nothing to say
        (0.0, 1.0, 1.0),  # mismatch: (2 - 0 - 1)^2
        (0.5, 1.0, 0.25),  # mismatch with the nearer end: (2 - 0.5 - 1)^2
        (-0.5, 1.0, 0.25),
        (3.0, 2.0, 5.0),  # degeneration: 9 - 4
        (0.0, 6.0, 4.0),  # saturation: (6 - 4)^2
        (-7.0, 6.0, 17.0),  # degeneration 13 and saturation 4
    ],
)
def test_the_three_terms_add_up(mean: float, std: float, expected: float) -> None:
    found = channel_distribution_loss(input_with(mean, std)).item()
    assert found == pytest.approx(expected, abs=1e-8)


def test_channels_are_averaged_and_features_are_channels() -> None:
    both = torch.cat([input_with(0, 2.5), input_with(3, 2)], dim=1)
    assert channel_distribution_loss(both).item() == pytest.approx(2.5, abs=1e-8)
    flat = both[:, :, 0, :].transpose(1, 2).reshape(-1, 2)
    assert channel_distribution_loss(flat).item() == pytest.approx(2.5, abs=1e-8)


def test_constant_inputs_have_a_finite_gradient() -> None:
    x = torch.ones(4, 3, 2, 2, requires_grad=True)
    channel_distribution_loss(x).backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_the_inputs_of_quantised_layers_are_watched_in_training_mode_alone() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 6), nn.Linear(6, 7), nn.Linear(7, 2))
    quantize_(model, QuantConfig(Binary()))
    x = torch.randn(20, 4)
    with record_distribution_loss(model) as loss:
        model(x)
        first, second = model[0](x), model[1](model[0](x))
        loss.take()
        model(x)
        expected = (channel_distribution_loss(first) + channel_distribution_loss(second)) / 2
        torch.testing.assert_close(loss.take(), expected)
        model.eval()(x)
        with pytest.raises(SpecError, match="no input of a quantised layer"):
            loss.take()
    assert not any(module._forward_pre_hooks for module in model.modules())
