"""Experiments of the public PLUM code: their keys, their arithmetic, their folders."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor
from torch.nn import functional

import signbin
from signbin.errors import FormatError, SpecError
from signbin.plan import Strategy
from signbin.train import load_plum
from signbin.train.models.plum import PlumNetwork

LAYER = {"clamp": {"kind": "symmetric", "alpha": 2}, "w_quant": "sb", "x_quant": "fp"}
CIFAR = {
    "block": "xnor",
    "layer0": {
        **{"n_in_channels": 8, "kernel_size": 3, "stride": 1, "padding": 1, "bias": False},
        "maxpool": {"type": "identity"},
    },
    "layer1": LAYER,
    "layer2": LAYER,
    "layer3": LAYER,
    "layer4": None,
    "nonlins": ["prelu", "relu"],
    "num_blocks": [1, 1, 2],
    "output_classes": 10,
    "moving_average_mode": "off",
}
IMAGENET = {
    **CIFAR,
    "layer0": {
        **{"n_in_channels": 8, "kernel_size": 7, "stride": 2, "padding": 3, "bias": False},
        "maxpool": {"type": "maxpool2d", "kernel_size": 3, "stride": 2, "padding": 1},
    },
    "block": "regular",
    "layer4": LAYER,
    "num_blocks": [1, 1, 1, 1],
}


def written(folder: Path, config: dict[str, Any]) -> dict[str, Tensor]:
    """An experiment as PLUM leaves it, of random weights, and those of its last epoch."""
    torch.manual_seed(0)
    model = PlumNetwork(config)
    weights = {}
    for name, tensor in model.state_dict().items():
        positive = name.endswith(("running_var", "bn1.weight", "bn2.weight"))
        fresh = torch.rand_like(tensor) + 0.5 if positive else torch.randn_like(tensor.float()) / 4
        weights[name] = tensor if name.endswith("num_batches_tracked") else fresh.to(tensor.dtype)
    for shared in ("conv1.", "bn1."):  # under two names each in theirs, one layer
        for name in [name for name in weights if name.startswith(shared)]:
            place = {"conv1.": "blocks.0.0.", "bn1.": "blocks.0.1."}[shared]
            weights[place + name.removeprefix(shared)] = weights[name]
    (folder / "checkpoints").mkdir(parents=True)
    document = {"model": {"architecture": "resnet", "arch_config": config}, "seed": 1234}
    (folder / "config.yaml").write_text(yaml.dump(document))
    for epoch in (9, 10):
        kept = {
            f"module.{name}": each if epoch == 10 else each * 0 for name, each in weights.items()
        }
        state = {"epoch": epoch, "model_state_dict": kept, "optimizer_state_dict": {"state": {}}}
        torch.save(state, folder / "checkpoints" / f"checkpoint_{epoch}.pt")
    return weights


def quantized(weight: Tensor) -> Tensor:
    """Filter by filter, as the paper says it."""
    rows = []
    for number, row in enumerate(weight):
        threshold = 0.05 * row.abs().max()
        sign = 1.0 if number < len(weight) // 2 else -1.0
        rows.append(torch.where(sign * row >= threshold, sign, 0.0))
    return torch.stack(rows)


def scores(weights: dict[str, Tensor], config: dict[str, Any], x: Tensor) -> Tensor:
    """The xnor network from its state dict, by functions alone."""

    def norm(name: str, x: Tensor) -> Tensor:
        numbers = (weights[f"{name}.{each}"] for each in ("running_mean", "running_var"))
        affine = (weights[f"{name}.weight"], weights[f"{name}.bias"])
        return functional.batch_norm(x, *numbers, *affine)

    def conv(name: str, x: Tensor, stride: int) -> Tensor:
        weight = quantized(weights[f"{name}.weight"])
        bias = weights[f"{name}.bias"]
        return functional.conv2d(x.clamp(-2, 2), weight, bias, stride=stride, padding=1)

    x = functional.relu(norm("bn1", functional.conv2d(x, weights["conv1.weight"], padding=1)))
    number = 1
    for group, count in enumerate(config["num_blocks"]):
        for each in range(count):
            at, stride = f"blocks.{number}", 2 if group and not each else 1
            out = conv(f"{at}.conv1", x + weights[f"{at}.move10.bias"], stride)
            short = x
            if f"{at}.shortcut.1.weight" in weights:
                pooled = functional.avg_pool2d(x, 2, stride)
                narrow = functional.conv2d(pooled, weights[f"{at}.shortcut.1.weight"])
                short = norm(f"{at}.shortcut.2", narrow)
            out = norm(f"{at}.bn1", out) + short + weights[f"{at}.move11.bias"]
            out = functional.prelu(out, weights[f"{at}.nonlin1.weight"])
            kept = out + weights[f"{at}.move12.bias"]
            out = norm(f"{at}.bn2", conv(f"{at}.conv2", kept + weights[f"{at}.move20.bias"], 1))
            out = functional.relu(out + kept + weights[f"{at}.move21.bias"])
            x, number = out + weights[f"{at}.move22.bias"], number + 1
    pooled = x.mean(dim=(2, 3))
    name = "linear_classifier.2"
    return functional.linear(pooled, weights[f"{name}.weight"], weights[f"{name}.bias"])


def test_an_experiment_computes_what_plum_does(tmp_path) -> None:
    weights = written(tmp_path / "plum", CIFAR)
    images = torch.randn(3, 3, 32, 32)
    wanted = scores(weights, CIFAR, images)
    with torch.no_grad():
        np.testing.assert_allclose(load_plum(tmp_path / "plum").model(images), wanted, rtol=1e-4)
    program = signbin.compile(tmp_path / "plum")
    found = program(images.numpy())
    # Sums of up to 288 numbers in another order, through 8 layers.
    np.testing.assert_allclose(found, wanted, atol=1e-4 * float(wanted.abs().max()))


def test_its_quantised_layers_run_as_signed_binary_ones(tmp_path) -> None:
    written(tmp_path / "plum", CIFAR)
    program = signbin.compile(tmp_path / "plum", strategy=Strategy.BUCKET)
    walked = [each for each in program.artifact.plan.layers if each.strategy is Strategy.BUCKET]
    assert len(walked) == 8


def test_a_network_for_imagenet_brings_its_preprocessing(tmp_path) -> None:
    written(tmp_path / "plum", IMAGENET)
    found = load_plum(tmp_path / "plum")
    assert found.example.shape == (1, 3, 224, 224)
    assert found.preprocessing is not None
    assert found.preprocessing.resize == 256
    assert load_plum(tmp_path / "plum", (3, 64, 64)).preprocessing is None
    with pytest.raises(SpecError, match=r"\(3, H, W\)"):
        load_plum(tmp_path / "plum", (1, 64, 64))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"block": "bottleneck"}, "PLUM block.*regular, xnor"),
        ({"nonlins": ["gelu", "relu"]}, "PLUM nonlins"),
        ({"num_blocks": [1, 1, 10**9]}, "PLUM num_blocks"),
        ({"output_classes": 10**12}, "PLUM output_classes"),
        ({"layer2": {**LAYER, "w_quant": "ls-2"}}, "PLUM w_quant.*fp, sb"),
        ({"layer2": {**LAYER, "clamp": {"kind": "symmetric", "alpha": -1}}}, "clamp alpha"),
        ({"layer3": None}, "PLUM layer3"),
    ],
)
def test_a_configuration_of_something_else_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(SpecError, match=named):
        PlumNetwork({**CIFAR, **change})


def test_a_folder_that_lacks_or_breaks_a_file_is_named(tmp_path) -> None:
    folder = tmp_path / "plum"
    written(folder, CIFAR)
    last = folder / "checkpoints" / "checkpoint_10.pt"
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.raises(FormatError, match=r"checkpoint_10\.pt"):
        load_plum(folder)
    torch.save({"model_state_dict": {"module.conv1.weight": torch.zeros(1)}}, last)
    with pytest.raises(FormatError, match=r"does not fit its config\.yaml"):
        load_plum(folder)
    for each in (folder / "checkpoints").iterdir():
        each.unlink()
    with pytest.raises(FormatError, match=r"checkpoint_N\.pt"):
        load_plum(folder)
    (folder / "config.yaml").write_text("model: {architecture: vgg}")
    with pytest.raises(FormatError, match=r"model\.architecture: resnet"):
        load_plum(folder)
