"""capture as a whole: names, sources, quantised layers, state of the model, folding."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize

from signbin.capture import Reference, capture, reference_values
from signbin.errors import CaptureError
from signbin.ir import BATCH, ConstRef, interpret, parse_graph, print_graph
from signbin.quant import QuantConfig, SignedBinary, Ternary, quantize_
from signbin.spec import LowBitWeight, ValueSet


class Block(nn.Module):
    """A residual block with an option-A shortcut and in-place activations."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.act = nn.ReLU(inplace=True)
        self.extra = outputs - inputs
        self.stride = stride

    def forward(self, x):
        y = self.act(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        shortcut = x
        if self.extra or self.stride > 1:
            before = self.extra // 2
            shortcut = F.pad(
                x[:, :, :: self.stride, :: self.stride],
                (0, 0, 0, 0, before, self.extra - before),
            )
        y += shortcut
        return self.act(y)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.Sequential(Block(8, 8, 1), Block(8, 16, 2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.blocks(self.stem(x).relu_())
        return self.head(self.drop(self.pool(x).flatten(1)))


IMAGES = (4, 3, 12, 12)


def one_block() -> nn.Module:
    """The network without its second block: enough where what is captured is not the claim."""
    network = Network()
    network.blocks, network.head = nn.Sequential(Block(8, 8, 1)), nn.Linear(8, 10)
    return network


def test_a_residual_network_captures_with_pytorchs_values(captured_like_pytorch):
    graph = captured_like_pytorch(Network(), torch.randn(IMAGES))
    assert [node.op for node in graph.nodes].count("conv2d") == 5
    assert [node.op for node in graph.nodes].count("subsample_pad") == 1


@pytest.mark.parametrize("quantizer", [SignedBinary.released(), SignedBinary(), Ternary()])
def test_quantised_layers_become_low_bit_weights(quantizer, captured_like_pytorch):
    model = Network()
    quantize_(model, QuantConfig(weight=quantizer))
    graph = captured_like_pytorch(model, torch.randn(IMAGES))
    kinds = {node.source: graph.constants[f"{node.source}.weight"] for node in graph.nodes
             if node.op in ("conv2d", "linear")}  # fmt: skip
    assert [fqn for fqn, weight in kinds.items() if isinstance(weight, LowBitWeight)] == [
        f"blocks.{block}.conv{conv}" for block in (0, 1) for conv in (1, 2)
    ]
    if quantizer == SignedBinary.released():
        assert kinds["blocks.1.conv1"].value_set is ValueSet.SIGNED_BINARY


def test_a_quantised_layer_alone_can_be_captured():
    layer = quantize_and_take(nn.Conv2d(4, 8, 3))
    graph = capture(layer, (torch.zeros(1, 4, 6, 6),))
    assert isinstance(graph.constants["weight"], LowBitWeight)


def quantize_and_take(layer: nn.Module) -> nn.Module:
    model = nn.Sequential(layer)
    quantize_(model, QuantConfig(weight=SignedBinary()), keep_first_and_last=False)
    return model[0]


def test_the_model_is_left_untouched():
    model = one_block().train()
    quantize_(model, QuantConfig(weight=SignedBinary()))
    before = copy.deepcopy(model.state_dict())
    modules = [(name, type(module), module.training) for name, module in model.named_modules()]
    example = torch.randn(IMAGES)
    kept = example.clone()
    capture(model, (example,))
    reference_values(model, (example,))
    assert [(n, type(m), m.training) for n, m in model.named_modules()] == modules
    assert torch.equal(example, kept)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_a_model_in_training_mode_is_captured_in_eval_mode():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.9)).train()
    images = torch.randn(IMAGES)
    graph = capture(model, (images,))
    values = interpret(graph, {graph.inputs[0].name: images.numpy()})
    expected = copy.deepcopy(model).eval()(images).detach().numpy()
    np.testing.assert_allclose(values[graph.outputs[0]], expected, atol=1e-5)


@pytest.fixture(scope="module")
def captured():
    """The graph of the network, for claims that only read it."""
    return capture(Network(), (torch.zeros(IMAGES),), name="network")


def test_nodes_know_their_modules(captured):
    sources = {node.name: node.source for node in captured.nodes}
    assert sources["conv2d"] == "stem"
    assert sources["conv2d_1"] == "blocks.0.conv1"
    assert sources["relu_1"] == sources["relu_2"] == "blocks.0.act"
    assert sources["linear"] == "head"


def test_a_graph_does_not_depend_on_the_example_batch():
    model = one_block()
    one = capture(model, (torch.zeros(1, 3, 12, 12),))
    many = capture(model, (torch.randn(7, 3, 12, 12),))
    assert print_graph(one) == print_graph(many)
    assert one.inputs[0].type.shape == (BATCH, 3, 12, 12)


def test_a_captured_graph_survives_its_text_form(captured):
    read = parse_graph(print_graph(captured), captured.constants)
    assert print_graph(read) == print_graph(captured)


def test_constants_share_no_memory_with_the_model():
    model = nn.Conv2d(4, 4, 3)
    graph = capture(model, (torch.zeros(1, 4, 5, 5),))
    before = graph.array(ConstRef("weight")).copy()
    with torch.no_grad():
        model.weight.zero_()
    np.testing.assert_array_equal(graph.array(ConstRef("weight")), before)


class SignOfWeight(nn.Module):
    def forward(self, weight):
        return torch.sign(weight) * weight.abs().mean((1, 2, 3), keepdim=True)


def test_weights_computed_in_forward_are_recognised():
    layer = nn.Conv2d(4, 8, 3)
    parametrize.register_parametrization(layer, "weight", SignOfWeight())
    graph = capture(layer, (torch.zeros(1, 4, 6, 6),))
    weights = [c for c in graph.constants.values() if isinstance(c, LowBitWeight)]
    assert [weight.value_set for weight in weights] == [ValueSet.BINARY]


def test_weights_of_one_ulp_more_than_three_values_stay_float():
    layer = nn.Conv2d(4, 1, 3, bias=False)
    with torch.no_grad():
        layer.weight.copy_(layer.weight.sign())
        layer.weight[0, 0, 0, 0] = 1.0000001
    graph = capture(layer, (torch.zeros(1, 4, 6, 6),))
    assert isinstance(graph.constants["weight"], np.ndarray)


class InPlace(nn.Module):
    """Every result here is changed after it was made."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        x.relu_()
        y = self.conv(x)
        z = y
        y.add_(1.0)
        return z + F.relu_(y)


def test_operators_that_change_their_input_keep_their_meaning(captured_like_pytorch):
    graph = captured_like_pytorch(InPlace(), torch.randn(IMAGES))
    assert [node.op for node in graph.nodes] == ["relu", "conv2d", "channel_bias", "relu", "add"]


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y, x.relu()


def test_several_inputs_and_outputs_keep_their_order(captured_like_pytorch):
    graph = captured_like_pytorch(TwoInputs(), torch.randn(3, 5), torch.randn(3, 5))
    assert [value.name for value in graph.inputs] == ["x", "y"]
    assert [graph.node(name).op for name in graph.outputs] == ["add", "relu"]


def test_a_module_used_twice_shares_its_constants(captured_like_pytorch):
    conv = nn.Conv2d(3, 3, 3, padding=1)
    graph = captured_like_pytorch(nn.Sequential(conv, nn.ReLU(), conv), torch.randn(IMAGES))
    assert len(graph.constants) == 2


def test_a_reference_runs_many_batches_of_any_size():
    model = Network()
    reference = Reference(model, (torch.zeros(1, 3, 12, 12),))
    for batch in (1, 5):
        images = torch.randn(batch, 3, 12, 12)
        values = reference(images.numpy())
        with torch.no_grad():
            expected = model.eval()(images).numpy()
        np.testing.assert_allclose(values["linear"], expected, atol=1e-6)
        np.testing.assert_array_equal(values["x"], images.numpy())


def test_a_reference_refuses_images_of_another_shape():
    reference = Reference(nn.ReLU(), (torch.zeros(1, 3, 4, 4),))
    with pytest.raises(CaptureError, match=r"float32 \(N, 3, 4, 4\)"):
        reference(np.zeros((1, 3, 5, 5), np.float32))
    with pytest.raises(CaptureError, match="float64"):
        reference(np.zeros((1, 3, 4, 4)))
