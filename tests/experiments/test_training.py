"""What is kept of trained experiments, and what the pages say of it."""

import json
import math
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from experiments import training
from experiments.training import overview, page
from experiments.training.__main__ import collect
from signbin.report.experiment_chart import experiment_svg
from signbin.train import load_experiment, load_recipe, run_experiment

SMALL = """
title: Small networks
question: Which one?
recipe: digits
chart: {chart}
scales:
  smoke: {{epochs: 2, seeds: [0, 1], runs: [ours, theirs]}}
  cpu: {{epochs: 5, seeds: [0]}}
runs:
  ours: {{model.width: 4, data.batch_size: 256, batch_norm_images: 128}}
  theirs: {{weights: binary, model.width: 4, data.batch_size: 256, batch_norm_images: 128}}
  hot: {{optimizer.learning_rate: 1.0e+20}}
compare:
  ours: [theirs]
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Folders of two trained experiments; of the second one network has failed."""
    root = tmp_path_factory.mktemp("experiments")
    (root / "small.yaml").write_text(SMALL.format(chart="accuracy"))
    failing = SMALL.format(chart="density").replace("runs: [ours, theirs]", "runs: [ours, hot]")
    (root / "failing.yaml").write_text(failing.replace("[0, 1]", "[0]"))
    for name in ("small", "failing"):
        experiment = load_experiment(root / f"{name}.yaml")
        run_experiment(experiment, "smoke", root / "runs" / name, progress=False)
    return root


@pytest.fixture
def kept(runs, tmp_path, monkeypatch) -> Path:
    found = [load_experiment(path) for path in sorted(runs.glob("*.yaml"))]
    for module in (page, overview):
        monkeypatch.setattr(module, "experiments", lambda: found)
    for name in ("small", "failing"):
        collect(runs / f"{name}.yaml", runs / "runs" / name, tmp_path / "kept")
    return tmp_path / "kept"


def test_networks_of_another_folder_are_added_to_those_that_are_kept(runs, kept, tmp_path):
    (whole,) = [one for one in training.kept_results(kept) if one["experiment"] == "small"]
    elsewhere = tmp_path / "elsewhere" / "smoke"
    shutil.copytree(runs / "runs" / "small" / "smoke", elsewhere)
    for folder in elsewhere.glob("ours-seed-*"):
        shutil.rmtree(folder)
    collect(runs / "small.yaml", tmp_path / "elsewhere", kept)
    (again,) = [one for one in training.kept_results(kept) if one["experiment"] == "small"]
    assert again == whole


def written(kept: Path) -> dict[str, str]:
    return {path.name: text for path, text in page.pages(kept).items()}


def test_every_committed_result_has_its_logs_and_its_data_and_no_folder_of_a_machine():
    for results in training.kept_results():
        folder = training.RESULTS / f"{results['experiment']}-{results['scale']}"
        for run in results["runs"]:
            logs = folder / f"{run['run']}-seed-{run['seed']}"
            config = (logs / "config.yaml").read_text(encoding="utf-8")
            assert "folder: null" in config
            if run["accuracy"] is not None:
                rows = (logs / "metrics.csv").read_text(encoding="utf-8").splitlines()
                assert len(rows) == 1 + run["epochs"]
                assert len(run["data"]["sha256"]) == 64


def test_what_is_kept_is_what_was_trained_without_this_machine_s_folders(kept, runs):
    trained = json.loads((runs / "runs" / "small" / "smoke" / "results.json").read_text())
    found = json.loads((kept / "small-smoke" / "results.json").read_text())
    assert found == trained
    for path in kept.rglob("*"):
        if path.is_file():
            assert str(runs) not in path.read_text(encoding="utf-8")
    config = load_recipe(kept / "small-smoke" / "theirs-seed-1" / "config.yaml")
    assert (config.weights.value, config.seeds) == ("binary", (1,))
    rows = (kept / "small-smoke" / "ours-seed-0" / "metrics.csv").read_text().splitlines()
    assert len(rows) == 3


def test_a_page_shows_the_numbers_beside_their_schedule(kept):
    pages = written(kept)
    small, results = pages["small.md"], training.kept_results(kept)[1]
    assert results["experiment"] == "small"
    assert "2 epochs, seeds 0, 1" in small
    ours = [run["accuracy"] for run in results["runs"] if run["run"] == "ours"]
    assert f"| {50 * sum(ours):.2f} ± " in small
    assert results["runs"][0]["data"]["sha256"] in small
    assert "| ours - theirs | 2 | " in small
    assert "| Small networks | smoke | 4 | 4 | " in pages["training.md"]
    assert "| Small networks | cpu | 3 | 0 | " in pages["training.md"]


def test_a_failure_is_shown_and_what_is_missing_is_named(kept):
    assert "DivergenceError" in written(kept)["failing.md"]
    results = training.kept_results(kept)[0]
    results["missing"] = ["ours-seed-7"]
    assert "Not trained yet: ours-seed-7." in "\n".join(page._section(results, set()))


@pytest.mark.parametrize("chart", ["accuracy", "effectual", "density", "nested"])
def test_every_chart_is_a_picture_of_its_own(kept, chart):
    results = {**training.kept_results(kept)[1], "chart": chart}
    picture = ElementTree.fromstring(experiment_svg(results))
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert picture.findtext("{http://www.w3.org/2000/svg}title").startswith("Small networks, 2 ep")
    assert not experiment_svg({**results, "runs": []})


def test_the_families_of_all_and_of_effectual_weights_stand_side_by_side(kept):
    results = {**training.kept_results(kept)[1], "chart": "nested"}
    section = "\n".join(page._section(results, set()))
    for layer in results["runs"][0]["latent"]:
        counts = [sum(layer[name]["histogram"]) for name in ("all", "effectual")]
        families = [layer[name]["family"] for name in ("all", "effectual")]
        assert f"| {counts[0]:,} | {families[0]} | {counts[1]:,} | {families[1]} | " in section


def test_the_interval_is_students():
    # Differences 1, 2, 3: mean 2, standard deviation 1, t(2) = 4.303.
    half = 4.303 / math.sqrt(3)
    pairs = [(0.51, 0.50), (0.52, 0.50), (0.53, 0.50)]
    assert page.difference(pairs) == f"+2.00 ({2 - half:+.2f} to {2 + half:+.2f})"
    assert page.difference([(0.4, 0.5)]) == "-10.00"


def test_work_is_counted_in_multiply_adds():
    def config(**model):
        changes = {"model": {"name": "resnet20", **model}}
        return load_recipe("cifar10-resnet20-paper", changes).model

    # 40.6 million for ResNet-20 with option-A shortcuts; 1x1 convolutions add a little.
    plain = overview.multiply_adds(config(block_style="plain"))
    assert (
        plain
        == 3 * 16 * 9 * 1024
        + 9 * (6 * 256 * 1024 + 512 * 256 + 5 * 1024 * 256)
        + 9 * (2048 * 64 + 5 * 4096 * 64)
        + 640
    )
    assert overview.relative_work(config()) == 1
    assert 3.5 < overview.relative_work(config(width=32)) < 4
    assert 2.9 < overview.relative_work(config(name="resnet56")) < 3.2


def test_estimates_come_from_the_fastest_epoch_that_was_measured(kept):
    kept_results = training.kept_results(kept)
    assert overview.measured_epoch(kept_results) is None, "digits are not CIFAR-10"
    run = {**kept_results[1]["runs"][0], "changes": {}, "fastest_epoch_seconds": 50.0}
    run["data"] = {**run["data"], "train_images": 50_000}
    slower = {**run, "fastest_epoch_seconds": 60.0}
    wide = {**run, "fastest_epoch_seconds": 1.0, "changes": {"model.width": 8}}
    found = {**kept_results[1], "recipe": "cifar10-resnet20-paper", "runs": [slower, run, wide]}
    assert overview.measured_epoch([found]) == 50.0
    assert "not known" in written(kept)["training.md"]
