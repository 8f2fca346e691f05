"""Networks that were written as ONNX are read as the networks they were, codes among them."""

import numpy as np
import pytest
import torch
from torch import nn

import signbin
from signbin import interop
from signbin.ir import interpret
from signbin.onnx_reader import read_onnx
from signbin.quant import QuantConfig, SignedBinary, quantize_


class Net(nn.Module):
    """Low-bit layers, a gate, a transposed convolution and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.body, self.gate = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.up, self.head = nn.ConvTranspose2d(8, 6, 4, 2, 1), nn.Linear(6, 4)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        x = x + torch.relu(self.body(x)) * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        return self.head(torch.relu(self.up(x)).amax((2, 3)))


@pytest.fixture(scope="module")
def program() -> tuple[signbin.Program, np.ndarray]:
    torch.manual_seed(0)
    model, images = Net(), torch.randn(4, 3, 14, 10)
    quantize_(model, QuantConfig(SignedBinary(density=0.3)))
    activations = signbin.QuantizedActivations(samples=images.numpy(), bits=8)
    return signbin.compile(model.eval(), (images[:1],), activations=activations), images.numpy()


@pytest.mark.parametrize("flavour", [interop.Flavour.QDQ, interop.Flavour.QONNX])
def test_codes_are_the_same_codes(program, flavour) -> None:
    given, images = program
    graph = read_onnx(interop.to_onnx(given.graph, flavour))
    expected = interpret(given.graph, {given.graph.inputs[0].name: images})
    actual = interpret(graph, {graph.inputs[0].name: images})
    theirs, ours = expected[given.graph.outputs[0]], actual[graph.outputs[0]]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6 * np.abs(theirs).max())
    counts = [sum(node.type.dtype == "u8" for node in each.nodes) for each in (given.graph, graph)]
    assert counts[1] >= counts[0] // 2  # every value that was rounded between layers is again
