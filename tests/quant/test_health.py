"""Training health: each number on a layer whose number is known by hand."""

import dataclasses
import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from signbin.errors import SpecError
from signbin.quant import (
    Binary,
    ClippedStraightThrough,
    ModelHealth,
    Offset,
    QConv2d,
    QLinear,
    QuantConfig,
    ShiftedErrorDecay,
    SignedBinary,
    StraightThrough,
    Ternary,
    TrainedTernary,
    probe,
    quantize_,
    quantized_layers,
    record_outputs,
    snapshot,
    training_health,
)
from signbin.quant.latent import describe_latent


def one_layer(rows: list[list[float]], **options: float) -> nn.Sequential:
    layer = QLinear(len(rows[0]), len(rows), config=QuantConfig(SignedBinary.released(**options)))  # type: ignore[arg-type]  # floats only
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
    layer = QConv2d(3, 5, 3, config=QuantConfig(SignedBinary.released()))
    model = nn.Sequential(layer)
    images = torch.rand(8, 3, 6, 6) * torch.arange(1, 9).reshape(8, 1, 1, 1)
    with record_outputs(model) as recorder:
        for batch in images.chunk(batches):
            model(batch)
    outputs = layer(images).detach().double().movedim(1, 0).flatten(1)
    means, variances = outputs.mean(1), outputs.var(1, correction=0)
    expected = math.sqrt(means.square().sum() / variances.sum())
    assert recorder.mean_to_spread()["0"] == pytest.approx(expected, rel=1e-9)
    health = training_health(model, probed=probe(model, images, torch.sum))
    assert health.layers[0].mean_to_spread == pytest.approx(expected, rel=1e-9)


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
    for offset in (Offset.NONE, Offset.CENTRED):
        layer = QConv2d(
            32, 16, 3, bias=False, config=QuantConfig(SignedBinary.released(offset=offset))
        )
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
    probed = probe(model, torch.randn(2, 3, 8, 8), torch.sum)
    health = training_health(model, snapshot(model), probed)
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


def test_the_sign_balance_counts_weights_that_are_not_zero() -> None:
    rows = [[2.0, 0.5, -1.5, 0.0], [-1.0, -1.0, 1.0, -1.0]]
    (health,) = training_health(one_layer(rows, positive_share=0.5)).layers
    assert health.positive == 2 / 5
    for quantizer in (Ternary(), TrainedTernary()):
        layer = QLinear(4, 2, config=QuantConfig(quantizer))
        layer.weight.data.copy_(torch.tensor([[2.0, 2.0, -2.0, 0.0], [2.0, 0.0, 0.0, 2.0]]))
        (health,) = training_health(nn.Sequential(layer)).layers
        assert health.positive == 4 / 5
    (health,) = training_health(one_layer([[0.0, 0.0], [0.0, 0.0]])).layers
    assert health.positive is None


def squared(outputs: torch.Tensor) -> torch.Tensor:
    return outputs.square().sum()


def test_the_gradient_mismatch_is_the_direction_the_estimator_loses() -> None:
    layer = QLinear(6, 4, config=QuantConfig(SignedBinary.released(), ShiftedErrorDecay()))
    model = nn.Sequential(layer)
    layer.set_progress(0.8)
    x = torch.randn(5, 6)
    mismatch = probe(model, x, squared).gradient_mismatch["0"]
    quantized = layer.quantized_weight()
    (q,) = torch.autograd.grad(squared(x @ quantized.T + layer.bias), quantized, retain_graph=True)
    (w,) = torch.autograd.grad(squared(x @ quantized.T + layer.bias), layer.weight)
    expected = 1 - float(nn.functional.cosine_similarity(q.flatten(), w.flatten(), dim=0))
    assert mismatch == pytest.approx(expected, abs=1e-6)
    assert mismatch > 0.01
    (health,) = training_health(model, probed=probe(model, x, squared)).layers
    assert health.gradient_mismatch == mismatch


def test_the_identity_loses_nothing_and_a_window_without_weights_everything() -> None:
    x = torch.randn(5, 6)
    layer = QLinear(6, 4, config=QuantConfig(SignedBinary.released(), StraightThrough()))
    assert probe(layer, x, squared).gradient_mismatch[""] == pytest.approx(0, abs=1e-6)
    outside = QLinear(6, 4, config=QuantConfig(Binary(), ClippedStraightThrough()))
    outside.weight.data.fill_(2.0)
    assert probe(outside, x, squared).gradient_mismatch[""] is None


def test_probing_leaves_mode_gradients_and_statistics_alone(
    network: Callable[[], nn.Sequential],
) -> None:
    model = network()
    quantize_(model, QuantConfig(Binary()))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    probe(model, torch.randn(2, 3, 8, 8), squared)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(layer.weight_observer is None for layer in quantized_layers(model).values())


@pytest.mark.parametrize("family", ["uniform", "gaussian", "laplacian"])
def test_the_family_of_latent_weights_is_the_one_they_were_drawn_from(family: str) -> None:
    random = np.random.default_rng(1)
    draws = {
        "uniform": random.uniform(-0.3, 0.3, (64, 100)),
        "gaussian": random.normal(0.0, 0.02, (64, 100)),
        "laplacian": random.laplace(0.0, 5.0, (64, 100)),
    }
    latent = describe_latent(torch.from_numpy(draws[family]))
    assert latent.family == family
    assert latent.std == pytest.approx(draws[family].std())
    assert latent.mean == pytest.approx(draws[family].mean())
    assert latent.largest == pytest.approx(np.abs(draws[family]).max())


def test_the_likelihood_of_a_family_is_that_of_its_best_member() -> None:
    values = torch.tensor([-2.0, -1.0, 0.0, 1.0, 3.0], dtype=torch.float64)
    latent = describe_latent(values)
    spread = 7 / 5
    assert latent.likelihood == pytest.approx(
        {
            "uniform": math.log(1 / 6),
            "gaussian": float(
                torch.distributions.Normal(values.mean(), values.std(correction=0))
                .log_prob(values)
                .mean()
            ),
            "laplacian": math.log(1 / (2 * spread)) - 7 / 5 / spread,
        }
    )


def test_the_histogram_has_the_zero_in_its_middle_bin_and_counts_every_weight() -> None:
    latent = describe_latent(torch.tensor([0.0, 0.01, -1.0, 1.0, 0.5]))
    assert len(latent.histogram) == 33
    assert sum(latent.histogram) == 5
    assert latent.histogram[16] == 2
    assert latent.histogram[0] == latent.histogram[-1] == latent.histogram[24] == 1


def test_broken_and_equal_weights_have_no_family() -> None:
    assert describe_latent(torch.full((4,), math.nan)).family is None
    assert describe_latent(torch.zeros(4)).family is None
    assert describe_latent(torch.tensor([1.0, 1.0, math.inf])).largest == 1.0
