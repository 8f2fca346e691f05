"""Accuracy at equal cost: the width curve, its intervals, and what is measured for it."""

import json
import math

import numpy as np
import pytest

from experiments.training import codesign, costs
from signbin.report.experiment_chart import cost_svg
from signbin.train import load_experiment, run_experiment

SMALL = """
title: Small networks
question: Which one?
recipe: digits
chart: accuracy
scales:
  smoke: {epochs: 1, seeds: [0]}
runs:
  ours: {model.width: 4, data.batch_size: 256, batch_norm_images: 128}
  float: {weights: float, model.width: 4, data.batch_size: 256, batch_norm_images: 128}
"""


def network(weights, seed, ms, accuracy, run=None):
    name = run or f"{weights}-{ms}"
    return {"run": name, "weights": weights, "seed": seed, "min_ms": ms, "accuracy": accuracy}


def test_the_width_curve_is_a_line_between_two_widths_and_ends_with_them():
    found = [network("binary", 0, 1.0, 0.6), network("binary", 0, 2.0, 0.8)]
    assert codesign.width_curve(found, 0, "min_ms", 1.5) == pytest.approx(0.7)
    assert codesign.width_curve(found, 0, "min_ms", 2.0) == pytest.approx(0.8)
    assert codesign.width_curve(found, 0, "min_ms", 0.9) is None
    assert codesign.width_curve(found, 1, "min_ms", 1.5) is None


def test_the_interval_pools_the_deviation_of_all_runs():
    found = [network("binary", seed, ms, ms / 10) for seed in (0, 1) for ms in (1.0, 2.0, 3.0, 4.0)]
    found += [
        network("signed_binary", 0, 1.5, 0.16, "a"),
        network("signed_binary", 1, 1.5, 0.18, "a"),
    ]
    found += [network("ternary", 0, 2.5, 0.25, "b"), network("ternary", 1, 2.5, 0.25, "b")]
    above = {
        run: (seeds, mean, half)
        for run, seeds, mean, half in codesign.above_the_curve(found, "min_ms")
    }
    # Differences 1 and 3, 0 and 0: the sum of squares is 2, over 2 degrees of freedom.
    half = 4.302653 * math.sqrt(2 / 2 / 2)
    assert above["a"] == (2, pytest.approx(2), pytest.approx(half))
    assert above["b"] == (2, pytest.approx(0, abs=1e-9), pytest.approx(half))


def test_one_seed_has_no_interval():
    found = [network("binary", 0, 1.0, 0.6), network("binary", 0, 2.0, 0.8)]
    found += [network("signed_binary", 0, 1.5, 0.75, "a")]
    ((run, seeds, mean, half),) = codesign.above_the_curve(found, "min_ms")
    assert (run, seeds) == ("a", 1)
    assert mean == pytest.approx(5)
    assert math.isnan(half)


def test_costs_are_those_of_the_networks_that_were_trained(tmp_path, monkeypatch):
    (tmp_path / "small.yaml").write_text(SMALL)
    experiment = load_experiment(tmp_path / "small.yaml")
    run_experiment(experiment, "smoke", tmp_path / "runs", progress=False)
    monkeypatch.setattr(costs, "_PEERS", ())
    found = costs.finished(tmp_path / "small.yaml", "smoke", tmp_path / "runs")
    assert [(name, seed) for name, seed, _ in found] == [("ours", 0), ("float", 0)]
    path = costs.keep("small", "smoke", costs.measure(found, rounds=3), tmp_path)
    ours, floats = json.loads(path.read_text())["rows"]
    assert ours["additions_millions"] < floats["additions_millions"]
    assert 0 < ours["min_ms"] <= ours["median_ms"]
    for row, (_, _, run) in zip((ours, floats), found, strict=True):
        exact = run.summary["test_accuracy"]["mean"]
        assert np.isclose(row["codes_accuracy"], exact, atol=0.05)  # 8-bit codes turn few images
    assert "microseconds" in cost_svg(
        [{**ours, "accuracy": 0.5, "weights": "signed_binary"}], "min_ms", 1e3, "microseconds"
    )
