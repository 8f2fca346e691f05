"""compile --activations: calibrated on real samples, judged, compared; mistakes are named."""

import json
from pathlib import Path

import numpy as np
import pytest

OWN_MODEL = """
from collections import OrderedDict

import torch
from torch import nn

def make():
    torch.manual_seed(0)
    layers = {"stem": nn.Conv2d(1, 4, 3), "act": nn.ReLU(), "middle": nn.Conv2d(4, 4, 3)}
    layers |= {"flat": nn.Flatten(), "classifier": nn.Linear(64, 5)}
    return nn.Sequential(OrderedDict(layers)).eval(), (torch.zeros(1, 1, 8, 8),)
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    path = tmp_path / "own_model.py"
    path.write_text(OWN_MODEL, encoding="utf-8")
    return f"{path}:make"


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Images for the model of one's own, with labels."""
    samples = np.random.default_rng(0).standard_normal((40, 1, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "labelled.npz", images=samples, labels=np.zeros(40, np.int64))
    return tmp_path / "labelled.npz"


def test_the_cost_is_measured_on_the_test_images_with_their_labels(quantized, trained) -> None:
    cost = quantized[1]["quantization"]
    summary = json.loads((trained / "summary.json").read_text())
    assert cost["samples"] == 359
    assert cost["accuracy_before"] == pytest.approx(summary["test_accuracy"]["per_seed"][0])
    assert abs(cost["accuracy_after"] - cost["accuracy_before"]) < 0.05
    assert cost["top1_agreement"] > 0.9
    assert {layer["module"] for layer in cost["layers"]} == {
        layer["module"] for layer in quantized[1]["layers"]
    }


def test_the_file_says_how_it_was_calibrated(quantized) -> None:
    provenance = quantized[1]["provenance"]
    assert provenance["activations"] == "int8"
    assert provenance["calibration"] == "mse, 256 samples"


def test_the_program_is_exact_and_close_to_pytorch(signbin, trained, quantized) -> None:
    # After one epoch classes are close to one another: more of them change than by default may.
    options = ("--samples", 60, "--min-agreement", 0.85, "--json")
    result = signbin("compare", trained, quantized[0], *options)
    assert result.code == 0, result.err
    assert result.document["exactness"]["values"] > 0
    assert result.document["exactness"]["differing"] == 0
    assert result.document["tolerance"] == 0.2


def test_the_float_tolerance_can_be_asked_for_and_is_not_met(signbin, trained, quantized) -> None:
    result = signbin("compare", trained, quantized[0], "--samples", 20, "--tolerance", 1e-4)
    assert result.code == 1
    assert "disagrees with PyTorch" in result.err


def test_the_table_names_accuracies_and_the_layers_with_most_noise(
    signbin, own: str, labelled: Path, tmp_path: Path
) -> None:
    options = ("--activations", "int7", "--calibration-method", "percentile")
    result = signbin("compile", own, "-o", tmp_path / "m.sbn", *options, "--calibrate", labelled)
    assert result.code == 0, result.err
    for words in ("accuracy before", "accuracy after", "same top-1 as float", "signal to noise"):
        assert words in result.out
    assert "dB" in result.out


def test_layers_left_float_are_float(signbin, own: str, labelled: Path, tmp_path: Path) -> None:
    from signbin.runtime import Program

    options = ("--activations", "int8", "--float-layers", "stem,classifier", "--json")
    given = ("--calibrate", labelled, "-o", tmp_path / "m.sbn")
    result = signbin("compile", own, *given, *options)
    assert result.code == 0, result.err
    on_codes = {
        layer["module"]: layer["on_codes"] for layer in result.document["quantization"]["layers"]
    }
    assert on_codes == {"stem": False, "middle": True, "classifier": False}
    graph = Program.load(tmp_path / "m.sbn").graph
    assert graph.type_of(graph.nodes[0].name).dtype == "f32"


def test_other_data_can_be_named(signbin, own: str, trained, images, tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", images=np.load(images))
    for number, data in enumerate((images, tmp_path / "images.npz", trained)):
        options = ("--activations", "int8", "--calibrate", data, "--calibration-samples", 5)
        result = signbin("compile", own, "-o", tmp_path / f"{number}.sbn", *options, "--json")
        assert result.code == 0, result.err
        assert result.document["provenance"]["calibration"] == "mse, 5 samples"


def test_images_of_a_folder_are_prepared_as_the_model_wants_them(
    signbin, trained, tmp_path: Path
) -> None:
    from signbin.train import load_run, write_test_images

    write_test_images(tmp_path / "pictures", 8, load_run(trained).dataset)
    options = ("--activations", "int8", "--calibrate", tmp_path / "pictures", "--json")
    result = signbin("compile", trained, "-o", tmp_path / "m.sbn", *options)
    assert result.code == 0, result.err
    assert result.document["provenance"]["calibration"] == "mse, 8 samples"


def test_a_model_of_ones_own_is_judged_on_the_calibration_data(
    signbin, own: str, labelled: Path, tmp_path: Path
) -> None:
    np.savez(tmp_path / "bare.npz", images=np.load(labelled)["images"])
    for name in ("bare", "labelled"):
        data = tmp_path / f"{name}.npz"
        options = ("--activations", "int8", "--calibrate", data, "--json")
        result = signbin("compile", own, "-o", tmp_path / f"{name}.sbn", *options)
        assert result.code == 0, result.err
        cost = result.document["quantization"]
        assert cost["samples"] == 40
        assert (cost["accuracy_before"] is None) == (name == "bare")


def test_accuracies_of_an_untrained_network_are_not_printed(signbin, tmp_path: Path) -> None:
    run = tmp_path / "run"
    made = signbin("new", "digits_resnet", "-o", run, "--image-size", 8)
    assert made.code == 0, made.err
    result = signbin("compile", run, "-o", tmp_path / "m.sbn", "--activations", "int8", "--json")
    assert result.code == 0, result.err
    assert result.document["quantization"]["accuracy_before"] is None
    assert result.document["quantization"]["samples"] == 16


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--activations", "int4"), "--activations: got 'int4'; allowed: float, int8, int7"),
        (("--calibration-method", "mse"), "--calibration-method"),
        (("--calibrate", "."), "--calibrate: got '.'; allowed: only with"),
        (("--calibration-samples", 3), "--calibration-samples"),
        (("--float-layers", "stem.0"), "--float-layers"),
        (("--activations", "int8", "--calibration-method", "best"), "min-max, percentile, mse"),
        (("--activations", "int8", "--float-layers", "nothing"), "got 'nothing'; allowed: stem.0"),
        (("--activations", "int8", "--calibrate", "nowhere"), "nowhere"),
    ],
)
def test_a_mistake_is_named_and_leaves_nothing(
    signbin, trained, tmp_path: Path, *, options: tuple, named: str
) -> None:
    result = signbin("compile", trained, "-o", tmp_path / "m.sbn", *options)
    assert result.code == 1
    assert named in result.err
    assert result.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_ones_own_needs_data(signbin, own: str, tmp_path: Path) -> None:
    result = signbin("compile", own, "-o", tmp_path / "m.sbn", "--activations", "int8")
    assert result.code == 1
    assert "--calibrate DATA" in result.err


def test_no_samples_at_all_is_wrong_usage(signbin, trained, tmp_path: Path) -> None:
    options = ("--activations", "int8", "--calibration-samples", 0)
    assert signbin("compile", trained, "-o", tmp_path / "m.sbn", *options).code == 2
