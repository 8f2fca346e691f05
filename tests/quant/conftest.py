"""Oracles and small networks for the tests of the quant room."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from signbin.quant import Quantizer


@pytest.fixture(autouse=True)
def one_thread_and_one_seed() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def quantized() -> Callable[[Quantizer, Tensor], Tensor]:
    """quantized(quantizer, weight): the quantised weight with freshly made state."""

    def run(quantizer: Quantizer, weight: Tensor) -> Tensor:
        state = {name: s.value for name, s in quantizer.initial_state(weight).items()}
        return quantizer.quantize(weight, state)

    return run


@pytest.fixture
def latent() -> Tensor:
    """Latent weights (7, 5, 3, 3) with a dead filter, and one with the wrong sign everywhere."""
    generator = np.random.default_rng(7)
    weight = generator.laplace(size=(7, 5, 3, 3)).astype(np.float32)
    weight[1] = 0.0
    weight[2] = -np.abs(weight[2])
    weight[5] = 0.0
    return torch.from_numpy(weight)


@pytest.fixture
def network() -> Callable[[], nn.Sequential]:
    """A small network of a stem, two middle convolutions, a middle linear and a classifier."""

    def build() -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.Conv2d(8, 7, 3, stride=2),
            nn.Flatten(),
            nn.Linear(7 * 3 * 3, 12),
            nn.Linear(12, 10),
        )

    return build
