"""Networks that resize and border their images: as float, and on codes bit for bit."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import signbin
from signbin import interop, native
from signbin.capture import capture
from signbin.diagnose import measure_exactness
from signbin.passes import lower
from signbin.quant import QuantConfig, SignedBinary, quantize_

IMAGE = (3, 37, 53)
ISAS = list(dict.fromkeys(row.isa for row in native.kernels() if row.usable))


def unit(inputs: int, outputs: int, act: type[nn.Module] = nn.ReLU, **takes) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False, **takes)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), act())


class Unet(nn.Module):
    """Two levels down and up again; sides meet at the size of the skip, which is odd."""

    def __init__(self) -> None:
        super().__init__()
        self.first = unit(3, 6, padding_mode="reflect")
        self.second, self.third = unit(6, 8), unit(8, 10)
        self.up, self.last = unit(18, 8, padding_mode="replicate"), unit(14, 6)

    def forward(self, x: Tensor) -> Tensor:
        one = self.first(x)
        two = self.second(F.max_pool2d(one, 2))
        three = self.third(F.max_pool2d(two, 2))
        y = F.interpolate(three, size=two.shape[2:], mode="nearest-exact")
        y = self.up(torch.cat([two, y], 1))
        y = F.interpolate(y, scale_factor=2)
        y = F.pad(y, (0, 1, 0, 1), mode="circular")
        return self.last(torch.cat([one, y], 1))


class Neck(nn.Module):
    """The way up of a detector: SiLU, upsampling, the finer map beside it; a padded pool."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.deep = unit(3, 8, nn.SiLU, stride=2), unit(8, 12, nn.SiLU, stride=2)
        self.merged = unit(20, 8, nn.SiLU)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.stem(F.pad(x, (1, 2, 0, 1), value=0.5))
        coarse = self.deep(fine)
        spread = F.interpolate(coarse, scale_factor=2)[:, :, : fine.shape[2], : fine.shape[3]]
        y = self.merged(torch.cat([spread, fine], 1))
        return F.max_pool2d(F.pad(y, (1, 0, 1, 1), value=-torch.inf), 3, 2)


@pytest.fixture(scope="module", params=[Unet, Neck])
def network(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    """With low-bit weights, and batch norms as a few images leave them."""
    torch.manual_seed(0)
    model = request.param()
    quantize_(model, QuantConfig(SignedBinary(density=0.3)))
    images = torch.randn(6, *IMAGE)
    with torch.no_grad():
        for _ in range(20):
            model.train()(images)
    return model.eval(), images


def test_the_program_computes_what_pytorch_does(network) -> None:
    model, images = network
    with torch.no_grad():
        expected = model(images).numpy()
    program = signbin.compile(model, (images[:1],))
    for isa in ISAS:
        actual = signbin.Program(program.artifact, isa=isa)(images.numpy())
        # float32 sums of at most a few hundred terms, in another order
        assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()


def test_onnx_runtime_computes_it_too(network) -> None:
    model, images = network
    with torch.no_grad():
        expected = model(images).numpy()
    captured = capture(model, (images[:1],))
    for graph in (captured, lower(captured)):
        session = onnxruntime.InferenceSession(interop.to_onnx(graph).SerializeToString())
        actual = session.run(None, {graph.inputs[0].name: images.numpy()})[0]
        assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()


def test_every_node_on_codes_is_the_interpreters_bit_for_bit(network) -> None:
    model, images = network
    activations = signbin.QuantizedActivations(samples=images.numpy(), bits=8)
    program = signbin.compile(model, (images[:1],), activations=activations)
    on_codes = {node.op for node in program.graph.nodes if node.type.dtype == "u8"}
    assert "resize_nearest" in on_codes
    for isa in ISAS:
        values = signbin.Program(program.artifact, isa=isa).trace(images[:3].numpy())
        exactness = measure_exactness(program.graph, values)
        assert exactness is not None
        assert (exactness.differing, exactness.first) == (0, None)


def test_a_border_below_all_becomes_the_padding_of_the_maximum(network) -> None:
    model, images = network
    graph = lower(capture(model, (images[:1],)))
    values = {node.attributes.get("value") for node in graph.nodes if node.op == "pad"}
    assert -np.inf not in values
