"""Training health: each number on a layer whose number is known by hand."""

import dataclasses
import json
import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from signbin.errors import SpecError
from signbin.quant import (
    Binary,
    ModelHealth,
    QConv2d,
    QLinear,
    QuantConfig,
    SignedBinary,
    quantize_,
    quantized_layers,
    record_outputs,
    snapshot,
    training_health,
)


def one_layer(rows: list[list[float]], **options: float) -> nn.Sequential:
    layer = QLinear(len(rows[0]), len(rows), config=QuantConfig(SignedBinary(**options)))  # type: ignore[arg-type]  # floats only
    layer.weight.data.copy_(torch.tensor(rows))
    return nn.Sequential(layer)


def test_density_dead_filters_and_saturation_are_counted() -> None:
    rows = [[2.0, 0.5, -1.5, 0.0], [-1.0, -1.0, -1.0, -1.0], [-3.0, 1.0, 0.0, 0.0], [0.0] * 4]
    (health,) = training_health(one_layer(rows)).layers
    assert health.name == "0"
    assert health.density == 3 / 16
    assert (health.dead_filters, health.filters) == (2, 4)
    assert health.saturated == 3 / 16
    assert health.flip_rate is None
    assert health.mean_to_spread is None


def test_the_flip_rate_is_the_share_of_codes_that_changed() -> None:
    model = one_layer([[1.0, 0.5, 0.0, -1.0], [-1.0, -0.5, 0.0, 1.0]])
    before = snapshot(model)
    assert training_health(model, before).layers[0].flip_rate == 0
    model[0].weight.data[0, 1] = -0.5  # +1 -> 0
    model[0].weight.data[1, 2] = -0.3  # 0 -> -1
    model[0].weight.data[0, 0] = 0.9  # moved, same code
    assert training_health(model, before).layers[0].flip_rate == 2 / 8


def test_a_snapshot_does_not_follow_the_model() -> None:
    model = one_layer([[1.0, 1.0]], positive_share=1.0)
    before = snapshot(model)
    model[0].weight.data.neg_()
    assert before.codes["0"].tolist() == [[1, 1]]


@pytest.mark.parametrize("batches", [1, 2, 4])
def test_mean_to_spread_is_that_of_all_outputs_seen(batches: int) -> None:
    layer = QConv2d(3, 5, 3, config=QuantConfig(SignedBinary()))
    model = nn.Sequential(layer)
    images = torch.rand(8, 3, 6, 6) * torch.arange(1, 9).reshape(8, 1, 1, 1)
    with record_outputs(model) as recorder:
        for batch in images.chunk(batches):
            model(batch)
    outputs = layer(images).detach().double().movedim(1, 0).flatten(1)
    means, variances = outputs.mean(1), outputs.var(1, correction=0)
    expected = math.sqrt(means.square().sum() / variances.sum())
    assert recorder.mean_to_spread()["0"] == pytest.approx(expected, rel=1e-9)
    health = training_health(model, outputs=recorder)
    assert health.layers[0].mean_to_spread == recorder.mean_to_spread()["0"]


def test_linear_outputs_have_their_features_last() -> None:
    layer = QLinear(4, 3)
    x = torch.rand(2, 5, 4)
    with record_outputs(layer) as recorder:
        layer(x)
    outputs = layer(x).detach().double().reshape(10, 3)
    expected = (outputs.mean(0).square().sum() / outputs.var(0, correction=0).sum()).sqrt()
    assert recorder.mean_to_spread()[""] == pytest.approx(float(expected), rel=1e-9)


def test_same_sign_filters_on_non_negative_inputs_have_a_common_mode_and_centring_removes_it() -> (
    None
):
    ratios = []
    for centred in (False, True):
        layer = QConv2d(32, 16, 3, bias=False, config=QuantConfig(SignedBinary(centred=centred)))
        with record_outputs(layer) as recorder:
            torch.manual_seed(1)
            layer(torch.randn(4, 32, 8, 8).relu())
        ratios.append(recorder.mean_to_spread()[""])
    plain, centred_ratio = ratios
    assert plain is not None
    assert centred_ratio is not None
    assert plain > 5
    assert centred_ratio < 1


def test_a_ratio_without_spread_is_none() -> None:
    layer = QLinear(4, 3)
    with record_outputs(layer) as recorder:
        layer(torch.ones(5, 4))
        layer(torch.ones(0, 4))
    assert recorder.mean_to_spread() == {"": None}


def test_recording_stops_with_the_block_also_on_an_error() -> None:
    layer = QLinear(4, 3)
    with pytest.raises(KeyError), record_outputs(layer):
        raise KeyError
    assert len(layer._forward_hooks) == 0


def test_recording_changes_no_output() -> None:
    layer = QLinear(4, 3)
    x = torch.rand(5, 4)
    expected = layer(x)
    with record_outputs(layer):
        assert torch.equal(layer(x), expected)


def test_the_report_is_json_in_the_order_of_the_layers(
    network: Callable[[], nn.Sequential],
) -> None:
    model = network()
    quantize_(model, QuantConfig(Binary()))
    with record_outputs(model) as recorder:
        model(torch.randn(2, 3, 8, 8))
    health = training_health(model, snapshot(model), recorder)
    document = json.loads(json.dumps(health.to_json(), allow_nan=False))
    assert [layer["name"] for layer in document["layers"]] == list(quantized_layers(model))
    assert all(layer["density"] == 1.0 and layer["flip_rate"] == 0 for layer in document["layers"])
    with pytest.raises(dataclasses.FrozenInstanceError):
        health.layers = ()  # type: ignore[misc]  # that is the test


def test_a_float_model_has_an_empty_report() -> None:
    assert training_health(nn.Linear(2, 2)) == ModelHealth(())


def test_a_snapshot_of_another_model_is_refused() -> None:
    small, large = one_layer([[1.0, 2.0]]), one_layer([[1.0, 2.0, 3.0]])
    with pytest.raises(SpecError, match=r"snapshot of layer '0': got \(1, 3\)"):
        training_health(small, snapshot(large))
    with pytest.raises(SpecError, match="snapshot: got"):
        training_health(nn.Sequential(nn.ReLU(), small[0]), snapshot(small))
