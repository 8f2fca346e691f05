"""Networks made without training: the law of their weights, and that they compute something."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from signbin.errors import SpecError
from signbin.quant import quantized_layers
from signbin.spec import ValueSet
from signbin.train import BenchmarkNetwork, BlockStyle, load_run, new_network, train
from signbin.train import untrained as module
from signbin.train.untrained import zero_pattern_share


def make(folder: Path, weights=ValueSet.SIGNED_BINARY, image_size=16, **options):
    network = BenchmarkNetwork("resnet20", weights, image_size=image_size, **options)
    return new_network(network, folder)


def codes_of(folder: Path):
    layers = quantized_layers(load_run(folder).model)
    return {name: layer.codes().numpy() for name, layer in layers.items()}


@pytest.mark.parametrize("density", [0.1, 0.35, 0.9])
@pytest.mark.parametrize("weights", [ValueSet.SIGNED_BINARY, ValueSet.TERNARY])
def test_every_layer_has_the_asked_density_up_to_chance(tmp_path, weights, density):
    summary = make(tmp_path, weights, density=density)
    assert summary["asked_density"] == density
    for name, codes in codes_of(tmp_path).items():
        deviation = (density * (1 - density) / codes.size) ** 0.5
        assert abs(np.count_nonzero(codes) / codes.size - density) < 5 * deviation, name


def test_zeros_are_independent_between_filters(tmp_path):
    summary = make(tmp_path, density=0.25)
    expected = (1 - 0.25) ** 8
    positions = summary["parameters"]["quantized"] / 8
    deviation = (expected * (1 - expected) / positions) ** 0.5
    assert abs(summary["p0"] - expected) < 5 * deviation


def test_half_the_filters_of_a_signed_binary_layer_have_each_sign(tmp_path):
    make(tmp_path)
    for codes in codes_of(tmp_path).values():
        half = len(codes) // 2
        assert set(np.unique(codes[:half])) == {0, 1}
        assert set(np.unique(codes[half:])) == {-1, 0}


@pytest.mark.parametrize("weights", [ValueSet.BINARY, ValueSet.TERNARY])
def test_signs_of_binary_and_ternary_codes_are_a_fair_coin(tmp_path, weights):
    make(tmp_path, weights)
    everything = np.concatenate([codes.ravel() for codes in codes_of(tmp_path).values()])
    signs = everything[everything != 0]
    assert abs(float(signs.mean())) < 5 / len(signs) ** 0.5


def test_binary_and_float_networks_ignore_the_density(tmp_path):
    first = make(tmp_path / "a", ValueSet.BINARY, density=0.2)
    make(tmp_path / "b", ValueSet.BINARY, density=0.9)
    assert first["density"] == 1.0
    assert first["asked_density"] is None
    assert first["p0"] == 0.0
    same = zip(codes_of(tmp_path / "a").values(), codes_of(tmp_path / "b").values(), strict=True)
    assert all(np.array_equal(one, other) for one, other in same)
    summary = make(tmp_path / "c", ValueSet.FLOAT)
    assert summary["density"] is summary["p0"] is None
    assert summary["layers"] == []


def test_the_seed_decides_every_byte(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        make(tmp_path / name, seed=seed)
    a, b = (tmp_path / name / "seed-3" / "model.safetensors" for name in "ab")
    assert load_run(tmp_path / "a").provenance == load_run(tmp_path / "b").provenance
    first, second = load_run(tmp_path / "a").model, load_run(tmp_path / "b").model
    for key, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[key])
    assert a.stat().st_size == b.stat().st_size
    third = codes_of(tmp_path / "c")
    assert not any(np.array_equal(codes, third[n]) for n, codes in codes_of(tmp_path / "a").items())


@pytest.mark.parametrize("style", list(BlockStyle))
@pytest.mark.parametrize("weights", [kind for kind in ValueSet if kind is not ValueSet.MULTI_BIT])
def test_activations_neither_vanish_nor_explode(tmp_path, weights, style):
    summary = make(tmp_path, weights, image_size=None, block_style=style)
    run = load_run(tmp_path)
    assert len(summary["output_spread"]) >= 20
    assert all(0.05 <= spread <= 20 for spread in summary["output_spread"].values())
    with torch.no_grad():
        logits = run.model(torch.from_numpy(run.test_images))
    assert logits.std(dim=0).min() > 0.01


def test_batch_norm_has_the_statistics_of_the_generated_images(tmp_path):
    make(tmp_path)
    run = load_run(tmp_path)
    images = run.dataset.train.pixels.astype(np.float32) / 255
    x = (images - 0.5) / 0.25
    stem, norm = run.model.stem[0], run.model.stem[1]
    with torch.no_grad():
        channels = stem(torch.from_numpy(x)).transpose(0, 1).flatten(1)
    torch.testing.assert_close(norm.running_mean, channels.mean(1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(norm.running_var, channels.var(1), rtol=1e-4, atol=1e-4)


def test_a_spread_outside_the_band_is_refused_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SPREADS", (0.05, 0.06))
    with pytest.raises(SpecError, match=r"standard deviation of layer outputs.*stem"):
        make(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_the_run_folder_says_that_nothing_was_trained(tmp_path):
    summary = make(tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert summary["trained"] is False
    assert summary["epochs"] == 0
    assert not [key for key in summary if key.endswith("accuracy")]
    run = load_run(tmp_path)
    assert run.metrics == ()
    assert run.provenance["epochs"] == "0"
    assert run.provenance["data"] == "generated images"


def test_image_size_and_classes_may_be_chosen(tmp_path):
    new_network(BenchmarkNetwork("resnet18", classes=7, image_size=48, width=8), tmp_path)
    run = load_run(tmp_path)
    assert run.test_images.shape[1:] == (3, 48, 48)
    assert run.model.fc.out_features == len(run.class_names) == 7


def test_an_earlier_network_is_replaced_only_with_force(tmp_path):
    make(tmp_path)
    with pytest.raises(SpecError, match="earlier run"):
        make(tmp_path)
    new_network(BenchmarkNetwork("resnet20", seed=5), tmp_path, force=True)
    assert load_run(tmp_path).seed == 5


def test_a_network_cannot_be_trained_for_no_epochs(tmp_path):
    make(tmp_path / "made")
    config = load_run(tmp_path / "made").config
    with pytest.raises(SpecError, match=r"epochs: got 0.*signbin new"):
        train(config, tmp_path / "trained", progress=False)
    assert not (tmp_path / "trained").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"density": 0.0}, "density: got 0.0"),
        ({"density": 1.5}, "density: got 1.5"),
        ({"classes": 1}, "classes: got 1"),
        ({"seed": -1}, "seed: got -1"),
        ({"image_size": 0}, "image_size: got 0"),
    ],
)
def test_impossible_wishes_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        BenchmarkNetwork("resnet20", **options)


def test_an_unknown_network_is_refused_and_the_known_ones_are_named(tmp_path):
    with pytest.raises(SpecError, match=r"model: got 'resnet19'; allowed: .*resnet18"):
        new_network(BenchmarkNetwork("resnet19"), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_p0_counts_groups_of_eight_filters_and_a_smaller_last_one():
    codes = np.zeros((10, 4), np.int8)
    codes[3, 0] = codes[9, 1] = -1
    assert zero_pattern_share(codes) == pytest.approx((3 + 3) / 8)
