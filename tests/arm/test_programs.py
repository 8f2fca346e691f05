"""Programs compiled on this machine, run on 64-bit ARM: on codes, the same bits."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import signbin
from signbin import native
from signbin.calibrate import QuantizedActivations
from signbin.quant import QuantConfig, quantize_
from signbin.train.config import ModelConfig
from signbin.train.models import ImageTask, build_network

pytestmark = [pytest.mark.arm, pytest.mark.e2e]
DRIVER = Path(__file__).with_name("run_programs.py")


def unit(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU6())


class Mobile(nn.Module):
    """MobileNet: expand, depthwise, project; a shortcut; squares and odd extents."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = unit(3, 16, 3, 2)
        self.first = nn.Sequential(unit(16, 16, 3, 1, 16), unit(16, 24, 1))
        self.second = nn.Sequential(unit(24, 72, 1), unit(72, 72, 5, 1, 72), unit(72, 24, 1))
        self.third = nn.Sequential(unit(24, 72, 1), unit(72, 72, 3, 2, 72), unit(72, 40, 1))
        self.classes = nn.Linear(40, 10)

    def forward(self, x):
        x = self.first(self.stem(x))
        x = self.third(x + self.second(x))
        return self.classes(x.mean((2, 3)))


NETWORKS = {
    "digits": (ModelConfig("digits_resnet"), (1, 8, 8), 10),
    "resnet20": (ModelConfig("resnet20"), (3, 32, 32), 10),
    "resnet18": (ModelConfig("resnet18"), (3, 64, 64), 1000),
    "mobile": (None, (3, 35, 45), 10),
}


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """A folder of programs on codes and on floats with images, and what they make of them here."""
    folder = tmp_path_factory.mktemp("programs")
    outputs = {}
    for name, (config, image, classes) in NETWORKS.items():
        torch.manual_seed(7)
        network = build_network(config, ImageTask(*image, classes)) if config else Mobile()
        quantize_(network, QuantConfig())
        images = torch.rand(12, *image)
        with torch.no_grad():
            for _ in range(8):
                network.train()(images)
        network.eval()
        few = images[:2].numpy() if name != "resnet18" else images[:1].numpy()
        for kind in ("u8", "f32") if name in ("digits", "mobile") else ("u8",):
            asked = QuantizedActivations(images.numpy()) if kind == "u8" else None
            program = signbin.compile(network, (images[:1],), activations=asked)
            program.save(folder / f"{name}_{kind}.sbn")
            np.save(folder / f"{name}_{kind}.npy", few)
            outputs[f"{name}_{kind}"] = program(few)
    return folder, outputs


def test_programs_compiled_here_compute_the_same_on_arm(programs, machine) -> None:
    folder, outputs = programs
    ran = machine.run(str(DRIVER), str(folder))
    assert ran.returncode == 0, ran.stderr[-4000:]
    lines = [line.split() for line in ran.stdout.splitlines()]
    ran_on = {(name, isa) for name, isa, _ in lines}
    assert {name for name, _ in ran_on} == set(outputs)
    assert ("digits_u8", "scalar") in ran_on
    for name, isa in ran_on:
        made, expected = np.load(folder / f"{name}-{isa}.npy"), outputs[name]
        if name.endswith("u8"):
            assert np.array_equal(made, expected), (name, isa)
        else:
            assert np.abs(made - expected).max() <= 1e-4 * np.abs(expected).max(), (name, isa)
    arm = {row.name for row in native.kernels() if "avx" not in row.isa}
    assert {kernel for *_, kernel in lines} <= arm
