"""Networks whose branches meet in concatenations: as float, and on codes bit for bit."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import signbin
from signbin import native
from signbin.diagnose import measure_exactness
from signbin.quant import QuantConfig, SignedBinary, quantize_

IMAGE = (3, 19, 23)
ISAS = list(dict.fromkeys(row.isa for row in native.kernels() if row.usable))


def unit(inputs: int, outputs: int, kernel: int = 3, **takes) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False, **takes)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


class Dense(nn.Module):
    """DenseNet: every layer reads all before it, batch norm first."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = unit(3, 8)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(8 + 4 * i), nn.ReLU(), nn.Conv2d(8 + 4 * i, 4, 3, 1, 1))
            for i in range(4)
        )
        self.transition = nn.Sequential(nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 12, 1))

    def forward(self, x: Tensor) -> Tensor:
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return F.avg_pool2d(self.transition(torch.cat(features, 1)), 2)


class Fire(nn.Module):
    """SqueezeNet: 1x1 and 3x3 side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze, self.small, self.large = unit(3, 6, 1), unit(6, 10, 1), unit(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x)
        return F.max_pool2d(torch.cat([self.small(x), self.large(x)], 1), 3, 2)


class Inception(nn.Module):
    """GoogLeNet: four branches, one of them a pool."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = unit(3, 8)
        self.one, self.two = unit(8, 5, 1), nn.Sequential(unit(8, 4, 1), unit(4, 6))
        self.three, self.pooled = nn.Sequential(unit(8, 3, 1), unit(3, 7, 5)), unit(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        pooled = self.pooled(F.max_pool2d(x, 3, 1, 1))
        return torch.cat([self.one(x), self.two(x), self.three(x), pooled], 1)


class Shuffle(nn.Module):
    """ShuffleNet-v2: half of the channels go past, then they are shuffled."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = unit(3, 12)
        self.branch = nn.Sequential(
            unit(6, 6, 1), nn.Conv2d(6, 6, 3, 1, 1, groups=6), nn.BatchNorm2d(6), unit(6, 6, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        past, taken = self.stem(x).chunk(2, dim=1)
        x = torch.cat((past, self.branch(taken)), dim=1)
        images, channels, height, width = x.shape
        x = x.view(images, 2, channels // 2, height, width)
        return torch.transpose(x, 1, 2).contiguous().view(images, -1, height, width)


class Headed(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        with torch.no_grad():
            channels = body.eval()(torch.zeros(1, *IMAGE)).shape[1]
        self.head = nn.Linear(channels, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean((2, 3)))


@pytest.fixture(scope="module", params=[Dense, Fire, Inception, Shuffle])
def network(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    """With low-bit weights, and batch norms as a few images leave them."""
    torch.manual_seed(0)
    model = Headed(request.param())
    quantize_(model, QuantConfig(SignedBinary(density=0.3)))
    images = torch.randn(8, *IMAGE)
    with torch.no_grad():
        for _ in range(20):
            model.train()(images)
    return model.eval(), images


@pytest.mark.parametrize("isa", ISAS)
def test_the_program_computes_what_pytorch_does(network, isa: str) -> None:
    model, images = network
    with torch.no_grad():
        expected = model(images).numpy()
    program = signbin.compile(model, (images[:1],))
    actual = signbin.Program(program.artifact, isa=isa)(images.numpy())
    # float32 sums of at most a few hundred terms, in another order
    assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("isa", ISAS)
def test_every_node_on_codes_is_the_interpreters_bit_for_bit(network, isa: str) -> None:
    model, images = network
    activations = signbin.QuantizedActivations(samples=images.numpy(), bits=8)
    program = signbin.compile(model, (images[:1],), activations=activations)
    values = signbin.Program(program.artifact, isa=isa).trace(images[:3].numpy())
    exactness = measure_exactness(program.graph, values)
    assert exactness is not None
    assert (exactness.differing, exactness.first) == (0, None)
    assert any(node.op == "concat" for node in program.graph.nodes)
