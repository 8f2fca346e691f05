"""experiment: every network of a scale, the table of them, and nothing trained twice."""

import json

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
    again = signbin(*given)
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
