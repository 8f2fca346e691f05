"""Networks with hard-swish, SiLU and squeeze-excite: MobileNet-v3 and EfficientNet, made small."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import signbin
from signbin import native
from signbin.calibrate import QuantizedActivations
from signbin.ir import interpret
from signbin.quant import QuantConfig, quantize_
from signbin.runtime import Program

pytestmark = pytest.mark.e2e

ISAS = list(dict.fromkeys(kernel.isa for kernel in native.kernels() if kernel.usable))


class SqueezeExcite(nn.Module):
    """x * gate(expand(act(reduce(mean of x)))), Hu et al. 2018."""

    def __init__(self, channels: int, squeezed: int, act: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.expand = nn.Conv2d(squeezed, channels, 1)
        self.act, self.gate = act, gate

    def forward(self, x):
        pooled = F.adaptive_avg_pool2d(x, 1)
        return self.gate(self.expand(self.act(self.reduce(pooled)))) * x


def conv_norm(inputs, outputs, kernel, act, stride=1, groups=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        act(),
    )


class InvertedResidual(nn.Module):
    """Expand, depthwise, squeeze-excite, project; a shortcut where the shape stays."""

    def __init__(self, channels, kernel, stride, act, excite) -> None:
        super().__init__()
        inputs, wide, outputs = channels
        layers = [conv_norm(inputs, wide, 1, act)] if wide != inputs else []
        layers.append(conv_norm(wide, wide, kernel, act, stride, wide))
        if excite is not None:
            layers.append(excite(wide))
        layers.append(conv_norm(wide, outputs, 1, nn.Identity))
        self.block = nn.Sequential(*layers)
        self.shortcut = inputs == outputs and stride == 1

    def forward(self, x):
        return x + self.block(x) if self.shortcut else self.block(x)


def mobilenet_v3():
    """Rows of MobileNet-v3 small, at half its width."""

    def excite(wide):
        return SqueezeExcite(wide, max(8, wide // 4), nn.ReLU(), nn.Hardsigmoid())

    relu, swish = nn.ReLU, nn.Hardswish
    return nn.Sequential(
        conv_norm(3, 8, 3, swish, 2),
        InvertedResidual((8, 8, 8), 3, 2, relu, excite),
        InvertedResidual((8, 36, 12), 3, 2, relu, None),
        InvertedResidual((12, 44, 12), 3, 1, relu, None),
        InvertedResidual((12, 48, 20), 5, 2, swish, excite),
        InvertedResidual((20, 120, 20), 5, 1, swish, excite),
        conv_norm(20, 96, 1, swish),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(96, 64),
        nn.Hardswish(),
        nn.Dropout(0.2),
        nn.Linear(64, 10),
    )


class EfficientNet(nn.Module):
    """Rows of EfficientNet-B0, at half its width: normalises images, ends in softmax."""

    def __init__(self) -> None:
        super().__init__()

        def excite(wide):
            return SqueezeExcite(wide, max(4, wide // 24), nn.SiLU(), nn.Sigmoid())

        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1))
        self.layer_scale = nn.Parameter(torch.linspace(0.5, 1.5, 20).reshape(20, 1, 1))
        self.first = conv_norm(3, 16, 3, nn.SiLU, 2)
        self.early = nn.Sequential(
            InvertedResidual((16, 16, 8), 3, 1, nn.SiLU, excite),
            InvertedResidual((8, 48, 12), 3, 2, nn.SiLU, excite),
            InvertedResidual((12, 72, 12), 3, 1, nn.SiLU, excite),
            InvertedResidual((12, 72, 20), 5, 2, nn.SiLU, excite),
        )
        self.late = InvertedResidual((20, 120, 20), 5, 1, nn.SiLU, excite)
        self.last = conv_norm(20, 160, 1, nn.SiLU)
        self.classes = nn.Linear(160, 10)

    def forward(self, x):
        x = self.early(self.first((x - self.mean) / self.deviation))
        x = self.last(x + self.layer_scale * self.late(x))
        return self.classes(x.mean((2, 3))).softmax(-1)


NETWORKS = {"mobilenet_v3": mobilenet_v3, "efficientnet": EfficientNet}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    """(a network with signed-binary weights and measured batch norms, images)."""
    torch.manual_seed(3)
    model = NETWORKS[request.param]()
    quantize_(model, QuantConfig())
    images = torch.rand(12, 3, 64, 64)
    with torch.no_grad():
        for _ in range(20):
            model.train()(images)
    return model.eval(), images


def test_float32_is_pytorchs(network):
    model, images = network
    with torch.no_grad():
        expected = model(images).numpy()
    program = signbin.compile(model, (images[:1],))
    actual = program(images.numpy())
    assert np.abs(actual - expected).max() <= 1e-4 * np.abs(expected).max()
    for isa in ISAS:
        made = Program(program.artifact, isa=isa, threads=2)(images.numpy())
        assert np.abs(made - expected).max() <= 1e-4 * np.abs(expected).max()


def test_codes_are_the_interpreters_on_every_instruction_set(network):
    model, images = network
    asked = QuantizedActivations(images.numpy())
    program = signbin.compile(model, (images[:1],), activations=asked)
    graph = program.artifact.graph
    on_codes = {node.op for node in graph.nodes if node.type.dtype == "u8"}
    assert {"conv2d", "unary", "multiply", "global_avg_pool"} <= on_codes
    few = images[:3].numpy()
    expected = interpret(graph, {graph.inputs[0].name: few})
    for isa in ISAS:
        found = Program(program.artifact, isa=isa, threads=2).trace(few)
        for node in graph.nodes:
            if node.type.dtype == "u8":
                np.testing.assert_array_equal(found[node.name], expected[node.name], node.name)
    with torch.no_grad():
        exact = model(images[:3]).numpy()
    noise = program(few) - exact
    assert np.square(noise).sum() <= 0.1 * np.square(exact).sum()
