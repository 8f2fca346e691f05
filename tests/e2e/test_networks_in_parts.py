"""Networks as people write them, with a layer that signbin lacks: trained weights, two engines."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import signbin
from signbin.hybrid import Fallback, HybridProgram, PartEngine
from signbin.quant import QuantConfig, SignedBinary, quantize_
from signbin.verbs.compare import compare_source
from signbin.verbs.source import as_source

SIZE = (3, 48, 48)
OURS = Fallback(prefer="signbin")


class Gate(nn.Module):
    """Squeeze and excite."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, 8, 1), nn.Conv2d(8, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * nn.functional.hardsigmoid(self.up(self.down(x.mean((2, 3), True)).relu()))


class Inverted(nn.Module):
    """The block of MobileNet-v3 and EfficientNet."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 4 * channels
        self.expand, self.first = nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide)
        self.depth = nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False)
        self.second, self.gate = nn.BatchNorm2d(wide), Gate(wide)
        self.project, self.third = nn.Conv2d(wide, channels, 1), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.hardswish(self.first(self.expand(x)))
        y = self.gate(nn.functional.hardswish(self.second(self.depth(y))))
        return x + self.third(self.project(y))


class Mobile(nn.Module):
    """Two blocks with something between them that has no kernel here."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.Hardswish())
        self.before, self.after = Inverted(16), Inverted(16)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cos(self.before(self.stem(x)))
        x = self.after(x)
        return self.head(x.mean((2, 3))), x


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    made = Mobile()
    made(torch.randn(16, *SIZE))  # batch norm's statistics
    quantize_(made, QuantConfig(weight=SignedBinary()))
    return made.eval()


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).standard_normal((count, *SIZE)).astype(np.float32)


def test_trained_layers_keep_their_low_bit_weights_in_every_part(model) -> None:
    program = signbin.compile(model, (torch.zeros(1, *SIZE),), fallback=OURS)
    assert isinstance(program, HybridProgram)
    ours = [part for part in program.parts if part.engine is PartEngine.SIGNBIN]
    assert len(ours) >= 2
    assert all("low-bit" in part.why for part in ours)
    made = [program.program_of(number) for number in range(len(program.parts))]
    sets = {layer.value_set for each in made if each is not None for layer in each.plan.layers}
    assert "signed_binary" in sets
    with torch.no_grad():
        wanted = [each.numpy() for each in model(torch.from_numpy(images(3)))]
    for found, expected in zip(program(images(3)), wanted, strict=True):
        # float32 through two blocks, in two orders of summation
        assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_the_same_network_on_codes_stays_close_and_compares(model) -> None:
    asked = signbin.QuantizedActivations(images(32))
    program = signbin.compile(model, (torch.zeros(1, *SIZE),), fallback=OURS, activations=asked)
    coded = [program.program_of(number) for number in range(len(program.parts))]
    assert any(each is not None and each.graph.has_codes for each in coded)
    found = compare_source(as_source(model, (torch.from_numpy(images(8)),)), program)
    assert found.max_relative_error < 0.2
