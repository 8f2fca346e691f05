"""quantize_: what is replaced, what stays float, and what is refused."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from signbin.errors import SpecError
from signbin.quant import (
    Binary,
    QConv2d,
    QLinear,
    QuantConfig,
    SignedBinary,
    StraightThrough,
    Ternary,
    quantize_,
    quantized_layers,
)

Build = Callable[[], nn.Sequential]


def test_all_layers_but_the_first_and_last_are_quantised_in_place(network: Build) -> None:
    model = network()
    summary = quantize_(model, QuantConfig(Binary()))
    assert [type(layer) for layer in model] == [
        *(nn.Conv2d, nn.ReLU, QConv2d, nn.BatchNorm2d, QConv2d, nn.Flatten, QLinear, nn.Linear)
    ]
    assert list(quantized_layers(model)) == ["2", "4", "6"]
    assert [layer.name for layer in summary.quantized] == ["2", "4", "6"]
    assert {layer.name: layer.reason for layer in summary.kept} == {
        "0": "first layer stays float",
        "7": "last layer stays float",
    }
    weights = {"0": 216, "2": 576, "4": 504, "6": 756, "7": 120}
    assert {layer.name: layer.weights for layer in summary.layers} == weights
    assert summary.quantized_share == (576 + 504 + 756) / sum(weights.values())


def test_the_log_says_that_the_first_and_last_layer_stay_float(
    network: Build, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="signbin.quant"):
        quantize_(network(), QuantConfig())
    assert caplog.messages == [
        "0: first layer stays float (216 weights)",
        "7: last layer stays float (120 weights)",
    ]
    assert logging.getLogger("signbin.quant").handlers == []


def test_first_and_last_can_be_quantised_on_request(
    network: Build, caplog: pytest.LogCaptureFixture
) -> None:
    model = network()
    with caplog.at_level(logging.INFO, logger="signbin.quant"):
        summary = quantize_(model, QuantConfig(), keep_first_and_last=False)
    assert len(summary.quantized) == len(quantized_layers(model)) == 5
    assert caplog.messages == []


def test_filter_fn_decides_by_module_and_name(network: Build) -> None:
    model = network()
    asked = []

    def only_convolutions(module: nn.Module, name: str) -> bool:
        asked.append(name)
        return isinstance(module, nn.Conv2d) and name != "4"

    summary = quantize_(model, QuantConfig(), filter_fn=only_convolutions)
    assert asked == ["2", "4", "6"]
    assert list(quantized_layers(model)) == ["2"]
    assert {layer.name: layer.reason for layer in summary.layers}["4"] == "filter_fn"


def test_overrides_win_over_everything(network: Build) -> None:
    model = network()
    ternary = QuantConfig(Ternary(), StraightThrough())
    summary = quantize_(
        model,
        QuantConfig(Binary()),
        filter_fn=lambda module, name: name == "2",
        overrides={"0": ternary, "2": None, "6": ternary},
    )
    layers = quantized_layers(model)
    assert {name: layer.config for name, layer in layers.items()} == {"0": ternary, "6": ternary}
    assert [layer.reason for layer in summary.layers if layer.name in {"0", "2", "6"}] == [
        "override"
    ] * 3


def test_an_optimiser_and_tied_weights_made_before_stay_valid() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    embedding = nn.Embedding(4, 4)
    embedding.weight = model[1].weight
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    quantize_(model, QuantConfig())
    before = embedding.weight.detach().clone()
    model(torch.randn(8, 4)).square().sum().backward()
    optimiser.step()
    assert model[1].weight is embedding.weight
    assert not torch.equal(embedding.weight, before)


def test_a_layer_used_twice_stays_one_layer() -> None:
    shared = nn.Linear(4, 4)
    model = nn.Sequential(nn.Linear(4, 4), shared, nn.Sequential(shared), nn.Linear(4, 4))
    summary = quantize_(model, QuantConfig())
    assert isinstance(model[1], QLinear)
    assert model[2][0] is model[1]
    assert [layer.name for layer in summary.quantized] == ["1"]


class Scaled(nn.Conv2d):
    pass


def test_subclasses_and_quantised_layers_are_left_alone_and_named() -> None:
    layers = [nn.Conv2d(4, 4, 1), Scaled(4, 4, 1), QConv2d(4, 4, 1), nn.Conv2d(4, 4, 1)]
    model = nn.Sequential(*layers, nn.Conv2d(4, 4, 1))
    summary = quantize_(model, QuantConfig())
    reasons = {layer.name: layer.reason for layer in summary.layers}
    assert reasons["1"] == "neither exactly nn.Conv2d nor exactly nn.Linear"
    assert reasons["2"] == "already quantised"
    assert model[1] is layers[1]
    assert model[2] is layers[2]


def test_attention_is_left_alone() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.TransformerEncoderLayer(8, 2, 16), nn.Linear(8, 8))
    names = [layer.name for layer in quantize_(model, QuantConfig()).quantized]
    assert names == ["1.linear1", "1.linear2"]


def test_the_summary_prints_and_becomes_json(network: Build) -> None:
    summary = quantize_(network(), QuantConfig(), overrides={"6": None})
    assert str(summary).splitlines()[0] == "quantised 2 of 5 layers, 49.7% of their weights"
    assert "  2 (Conv2d): signed_binary, default" in str(summary)
    assert "  6 (Linear): float, override" in str(summary)
    document = json.loads(json.dumps(summary.to_json()))
    assert document["quantized_share"] == summary.quantized_share
    configs = {layer["name"]: layer["config"] for layer in document["layers"]}
    assert configs["6"] is None
    assert QuantConfig.from_json(configs["2"]) == QuantConfig()


def test_quantising_draws_no_random_numbers(network: Build) -> None:
    model = network()
    before = torch.get_rng_state()
    quantize_(model, QuantConfig(SignedBinary(region_channels=2)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filter_fn": lambda module, name: False}, "no layer to quantise.*widen filter_fn"),
        ({"overrides": {"8": None}}, "name in overrides: got '8'; allowed: 0, 2, 4, 6, 7"),
        ({"overrides": {"1": QuantConfig()}}, "name in overrides: got '1'"),
        ({"overrides": {"2": "binary"}}, "configuration '2'.*allowed: a QuantConfig"),
        ({"overrides": ["2"]}, "allowed: a mapping"),
        ({"config": None}, "configuration 'config'"),
        ({"config": Binary()}, "configuration 'config'"),
        (
            {"config": QuantConfig(SignedBinary(region_channels=64))},
            "layer '2': signed_binary.region_channels: got 64.*overrides",
        ),
        (
            {"overrides": {"6": QuantConfig(SignedBinary(region_channels=64))}},
            "layer '6': signed_binary.region_channels",
        ),
    ],
)
def test_a_refused_call_names_the_cause_and_changes_nothing(
    network: Build, arguments: dict[str, Any], message: str
) -> None:
    model = network()
    before = list(model)
    with pytest.raises(SpecError, match=message):
        quantize_(model, **{"config": QuantConfig(), **arguments})
    assert [id(layer) for layer in model] == [id(layer) for layer in before]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("resnet18", "model: got 'str'; allowed: an nn.Module"),
        (nn.Linear(4, 4), "wrap the layer in nn.Sequential"),
        (nn.Sequential(nn.ReLU()), "no layer to quantise"),
        (nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), "keep_first_and_last=False"),
    ],
)
def test_a_model_without_layers_to_quantise_is_refused(model: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        quantize_(model, QuantConfig())


def test_an_override_on_a_layer_that_cannot_be_quantised_is_refused() -> None:
    model = nn.Sequential(Scaled(4, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1))
    with pytest.raises(SpecError, match=r"layer '0'.*neither exactly"):
        quantize_(model, QuantConfig(), overrides={"0": QuantConfig()})
