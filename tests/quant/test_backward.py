"""The backward pass: right where oneDNN would write outside its memory, oneDNN's elsewhere."""

import copy

import pytest
import torch
from torch import nn

from signbin.quant import backward_backend


def narrow(channels, stride=2, size=1):
    """A convolution of the shape whose gradient oneDNN may write outside its memory."""
    return nn.Conv2d(channels, 2 * channels, size, stride=stride, bias=False)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 7, 8])
def test_gradients_of_narrow_strided_convolutions_are_right_channels_last(channels):
    # 256 images: so many that the overrun, if there were one, ends the process or spins.
    torch.manual_seed(channels)
    layer = narrow(channels)
    images = torch.randn(256, channels, 8, 8).to(memory_format=torch.channels_last)
    with backward_backend(layer):
        layer(images).square().sum().backward()
    exact = copy.deepcopy(layer).double()
    exact.zero_grad()
    exact(images.double()).square().sum().backward()
    # float32 sums of 4,096 products, each rounded to 6e-8 of sums of some thousands at most.
    torch.testing.assert_close(layer.weight.grad.double(), exact.weight.grad, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(
    ("layer", "kept"),
    [
        (narrow(7), False),
        (narrow(8), True),
        (narrow(4, stride=1), True),
        (narrow(4, size=3), True),
        (nn.Conv2d(16, 16, 1, stride=2, groups=4), False),
    ],
)
def test_only_a_network_with_such_a_layer_does_without_onednn_and_only_there(layer, kept):
    with backward_backend(nn.Sequential(nn.Conv2d(8, 8, 3), layer)):
        assert torch.backends.mkldnn.enabled is kept
    assert torch.backends.mkldnn.enabled
