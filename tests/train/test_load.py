import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from signbin.errors import FormatError, SpecError
from signbin.quant import quantized_layers
from signbin.train import load_run, train


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    """A copy of the finished run, to be damaged."""
    return Path(shutil.copytree(finished.folder, tmp_path / "run"))


@pytest.mark.parametrize("place", [0, 1])
def test_a_loaded_network_reaches_the_accuracy_that_was_recorded(finished, place):
    run = load_run(finished.folder, finished.config.seeds[place])
    assert not run.model.training
    with torch.no_grad():
        answers = run.model(torch.from_numpy(run.test_images)).argmax(dim=1).numpy()
    assert (answers == run.test_labels).mean() == pytest.approx(finished.accuracies[place])


def test_without_a_seed_the_first_one_is_loaded(finished):
    assert load_run(finished.folder).seed == 3


def test_a_run_brings_its_data_and_its_records(finished, digits):
    run = load_run(finished.folder, 1)
    assert run.config == finished.config
    assert run.preprocessing == digits.preprocessing
    assert run.class_names == tuple("0123456789")
    assert run.test_images.dtype == np.float32
    assert run.test_images.shape == (len(digits.test), 1, 8, 8)
    np.testing.assert_array_equal(run.test_labels, digits.test.labels)
    assert run.summary == finished.summary
    assert len(run.metrics) == 1
    assert run.provenance["seed"] == "1"
    assert run.provenance["data_sha256"] == digits.sha256
    assert all(isinstance(value, str) for value in run.provenance.values())


def test_training_images_are_evenly_spaced_and_normalised(finished, digits):
    from signbin.train.data import normalize

    run = load_run(finished.folder)
    assert run.trained
    few = run.training_images(10)
    places = np.arange(10) * len(digits.train) // 10
    expected = normalize(digits.train.pixels[places], digits.preprocessing)
    np.testing.assert_array_equal(few, expected)
    assert len(run.training_images(10**6)) == len(digits.train)


def test_loading_leaves_the_callers_generator_alone(finished):
    before = torch.get_rng_state()
    load_run(finished.folder)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_learned_scale_and_small_regions_come_back(tmp_path, tiny):
    config = tiny(
        epochs=1,
        quantizers__signed_binary__weight={
            "kind": "signed_binary",
            "scale": "learned",
            "region_channels": 3,
            "seed": 4,
        },
    )
    result = train(config, tmp_path, progress=False)
    run = load_run(tmp_path)
    layers = quantized_layers(run.model)
    assert [layer.density for layer in layers.values()] == [
        layer["density"] for layer in result.summary["layers"]
    ]
    assert all(hasattr(layer, "weight_scale") for layer in layers.values())


def test_a_seed_the_run_does_not_have_is_refused(finished):
    with pytest.raises(SpecError, match="seed: got 0; allowed: 3, 1"):
        load_run(finished.folder, 0)


def test_a_missing_folder_is_not_a_run(tmp_path):
    with pytest.raises(FormatError, match="not a run folder"):
        load_run(tmp_path / "none")


def test_an_unfinished_run_is_refused_with_a_remedy(copied):
    (copied / "summary.json").unlink()
    with pytest.raises(FormatError, match=r"unfinished run.*resume"):
        load_run(copied)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.yaml", b"", "damaged configuration"),
        ("config.yaml", b"recipe: [", "damaged configuration"),
        ("config.yaml", b"\xff\xfe", "damaged configuration"),
        ("summary.json", b"{", "damaged summary"),
        ("summary.json", b"[1]", "damaged summary"),
        ("summary.json", b"{}", "data set digits is not the one"),
        ("seed-3/model.safetensors", b"", "weights that cannot be loaded"),
        ("seed-3/model.safetensors", b"\x00" * 64, "weights that cannot be loaded"),
        ("seed-3/model.safetensors", None, "weights that cannot be loaded"),
        ("seed-3/metrics.jsonl", b"{", "damaged metrics"),
        ("seed-3/metrics.jsonl", b"", "damaged metrics"),
        ("seed-3/metrics.jsonl", None, "damaged metrics"),
    ],
)
def test_a_damaged_file_is_refused_by_name(copied, name, content, message):
    path = copied / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        load_run(copied)


def test_weights_cut_short_anywhere_are_refused(copied):
    path = copied / "seed-3" / "model.safetensors"
    content = path.read_bytes()
    for length in range(0, len(content), len(content) // 8):
        path.write_bytes(content[:length])
        with pytest.raises(FormatError, match="weights that cannot be loaded"):
            load_run(copied)


def test_weights_of_another_network_are_refused(copied):
    config = copied / "config.yaml"
    text = config.read_text()
    assert "width: 4" in text
    config.write_text(text.replace("width: 4", "width: 5"))
    with pytest.raises(FormatError, match="weights that cannot be loaded"):
        load_run(copied)


def test_a_run_on_other_data_is_refused(copied):
    summary = json.loads((copied / "summary.json").read_text())
    summary["data"]["sha256"] = "0" * 64
    (copied / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(FormatError, match="not the one"):
        load_run(copied)
