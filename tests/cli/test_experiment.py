"""experiment: every network of a scale, the table of them, and nothing trained twice."""

import json
import subprocess
import sys

import pytest

from signbin.run_folders import HEADER
from signbin.shipped import EXPERIMENTS
from signbin.train import load_recipe, recipe_names

EXPERIMENT = """
title: Small
question: Which one?
recipe: digits
chart: accuracy
scales:
  smoke: {epochs: 1, seeds: [0]}
runs:
  ours: {}
  theirs: {weights: binary}
"""
SMALL = ("--set", "model.width=4", "--set", "data.batch_size=256", "--set", "batch_norm_images=64")


def test_an_experiment_leaves_its_results_and_is_not_trained_twice(signbin, tmp_path):
    (tmp_path / "small.yaml").write_text(EXPERIMENT)
    given = ("experiment", tmp_path / "small.yaml", "-o", tmp_path / "runs", *SMALL)
    result = signbin(*given, "--json")
    assert result.code == 0, result.err
    written = json.loads((tmp_path / "runs" / "smoke" / "results.json").read_text())
    assert result.document == written
    (tmp_path / "runs" / "smoke" / "results.json").unlink()  # killed just before it was written
    again = signbin(*given)
    kept = json.loads((tmp_path / "runs" / "smoke" / "results.json").read_text())
    assert kept == written
    assert again.code == 0
    for run in written["runs"]:
        assert f"{100 * run['accuracy']:.1f} %" in again.out
        assert run["run"] in again.out
    assert "epoch 1/1" not in again.err


def test_an_unknown_scale_is_named_and_leaves_nothing(signbin, tmp_path):
    (tmp_path / "small.yaml").write_text(EXPERIMENT)
    where = ("-o", tmp_path / "runs", "--scale", "huge")
    result = signbin("experiment", tmp_path / "small.yaml", *where)
    assert result.code == 1
    assert "huge" in result.err
    assert not (tmp_path / "runs").exists()


def test_recipes_lists_all_that_train_takes_by_name(signbin) -> None:
    rows = signbin("recipes", "--json").document["recipes"]
    assert [row["name"] for row in rows] == list(recipe_names())
    assert all(row["purpose"] and len(row["purpose"]) < 100 for row in rows)
    digits = next(row for row in rows if row["name"] == "digits")
    assert (digits["data"], digits["network"]) == ("digits", load_recipe("digits").model.name)
    assert "cifar10-resnet20" in signbin("recipes").out


def test_experiments_lists_all_that_experiment_takes_by_name(signbin) -> None:
    rows = signbin("experiments", "--json").document["experiments"]
    assert [row["name"] for row in rows] == list(EXPERIMENTS.names())
    low = next(row for row in rows if row["name"] == "low-density")
    assert (low["recipe"], "smoke" in low["scales"]) == ("cifar10-resnet20", True)
    assert "low-density" in signbin("experiments").out


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (("train", "digit", "-o", "runs"), "did you mean digits?"),
        (("experiment", "low_density", "-o", "runs"), "did you mean low-density?"),
        (("train", "digits", "-o", "runs", "--weights", "signed-binary"), "signed_binary?"),
        (("new", "resnet-18", "-o", "runs"), "did you mean resnet18?"),
        (("compile", "runs", "-o", "m.sbn", "--activations", "int-8"), "did you mean int8?"),
    ],
)
def test_a_name_that_is_nearly_right_is_answered_with_the_one_that_was_meant(
    signbin, tmp_path, monkeypatch, given, meant
) -> None:
    monkeypatch.chdir(tmp_path)
    result = signbin(*given)
    assert result.code == 1
    assert meant in result.err


@pytest.mark.parametrize(
    "given",
    [("train", "mnist", "-o", "new"), ("train", "digits", "-o", "old"), ("experiment", "a")],
)
def test_what_cannot_be_trained_is_refused_before_torch_is_loaded(tmp_path, given) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "config.yaml").write_text(HEADER)
    program = (
        "import sys; from signbin.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as stop: assert stop.code == 1, stop.code\n"
        "assert 'torch' not in sys.modules\n"
    )
    where = () if "-o" in given else ("-o", "new")
    command = [sys.executable, "-c", program, *given, *where]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("error: ")
