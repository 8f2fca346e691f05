"""Weights that torchao quantised compile as the numbers that they stand for."""

import subprocess
import sys

import pytest

# In a process of its own: torchao warns of deprecations in its own code when it is imported.
SCRIPT = """
import sys, warnings
import torch
from torch import nn
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torchao import quantization
import signbin
from signbin.errors import SignbinError
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64)).eval()
given = {}
if sys.argv[1] == "IntxWeightOnlyConfig":
    given = {"weight_dtype": torch.int2, "granularity": quantization.PerAxis(0)}
quantization.quantize_(model, getattr(quantization, sys.argv[1])(**given))
x = torch.randn(3, 64)
try:
    program = signbin.compile(model, (x,))
except SignbinError as error:
    print(error)
    sys.exit()
with torch.no_grad():
    print(float(abs(torch.from_numpy(program(x.numpy())) - model(x)).max()))
"""


def said(config: str) -> str:
    command = [sys.executable, "-c", SCRIPT, config]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "config", ["Int8WeightOnlyConfig", "IntxWeightOnlyConfig", "Float8WeightOnlyConfig"]
)
def test_weights_alone_compile_as_their_numbers(config: str) -> None:
    assert float(said(config)) < 1e-5  # sums of at most 128 products


def test_activations_that_the_weight_quantises_are_refused_by_name() -> None:
    found = said("Int8DynamicActivationInt8WeightConfig")
    assert "parameter 0.weight" in found
    assert "QuantizedActivations" in found
