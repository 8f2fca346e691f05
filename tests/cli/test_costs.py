"""costs: what a recipe's network costs here, and a training that is told it by a file."""

import json
import shlex
from pathlib import Path

import pytest

from signbin.layer_costs import CostUnit, read_costs

SMALL = ("--set", "model.width=8")


@pytest.fixture(scope="module")
def measured(signbin, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("costs") / "here.json"
    result = signbin("costs", "digits", *SMALL, "--seconds", 0.1, "-o", path, "--json")
    assert result.code == 0, result.err
    assert result.document == json.loads(path.read_text("utf-8"))
    return path


def test_every_quantised_layer_has_a_curve_that_rises_from_one_code_to_half(measured: Path):
    costs = read_costs(measured)
    assert costs.unit is CostUnit.MILLISECONDS
    assert [layer.module for layer in costs.layers] == [
        *("stages.0.0.conv1", "stages.0.0.conv2", "stages.1.0.conv1", "stages.1.0.conv2"),
    ]
    for layer in costs.layers:
        assert layer.counts[0] == 1
        assert layer.counts[-1] == layer.inputs // 2
        assert layer.costs[0] > 0
    assert 0 < costs.fixed < costs.binary


def test_the_table_says_milliseconds_by_density(signbin, tmp_path: Path):
    result = signbin(
        "costs", "digits", *SMALL, "--seconds", 0.1, "--isa", "portable", "-o", tmp_path / "c.json"
    )
    assert result.code == 0, result.err
    assert "density in all layers" in result.out
    assert "portable" in result.out
    assert "100 %" in result.out


def test_a_training_meets_its_milliseconds_by_the_file_of_another_machine(
    signbin, tmp_path: Path, measured: Path
):
    costs = read_costs(measured)
    low, high = costs.at_density(0.01), costs.binary
    limit = (low + high) / 2
    budget = f"budget={{milliseconds: {limit}, costs: {measured}, after_epochs: 1}}"
    small = (*SMALL, "--epochs", 2, "--seeds", 0, "--set", budget)
    result = signbin("train", "digits", *small, "-o", tmp_path / "run", "--json")
    assert result.code == 0, result.err
    found = result.document["budget"]
    assert found["target"] == costs.target
    assert found["limit"] == limit
    assert abs(found["predicted"] / limit - 1) < 0.05
    shown = signbin("train", "digits", *small, "-o", tmp_path / "run", "--resume")
    assert "predicted, budget" in shown.out
    report = signbin("report", tmp_path / "run", "-o", tmp_path / "report.html")
    assert report.code == 0, report.err
    html = (tmp_path / "report.html").read_text("utf-8")
    assert "predicted, budget" in html
    assert "Predicted time" in html


def test_a_file_of_another_network_is_refused_and_the_layers_named(
    signbin, tmp_path: Path, measured: Path
):
    budget = f"budget={{milliseconds: 1.0, costs: {measured}}}"
    result = signbin(
        "train", "digits", "--set", "model.width=4", "--set", budget, "-o", tmp_path / "run"
    )
    assert result.code == 1
    assert "budget.costs: got" in result.err
    assert "measured on another network: stages.0.0.conv1" in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("no-such-recipe",), "no-such-recipe"),
        (("digits", "--isa", "sse"), "instruction set: got 'sse'"),
        (("digits", "--seconds", "0"), "time to measure in: got 0.0"),
        (("digits", "--set", "weights=binary"), "weights beside a budget: got 'binary'"),
    ],
)
def test_a_mistake_is_named_and_leaves_nothing(signbin, tmp_path: Path, options, named):
    result = signbin("costs", *options, "-o", tmp_path / "c.json")
    assert result.code == 1
    assert named in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_kept_unless_forced(signbin, measured: Path):
    before = measured.read_bytes()
    result = signbin("costs", "digits", *SMALL, "-o", measured)
    assert result.code == 1
    assert "force" in result.err
    assert measured.read_bytes() == before


def test_the_commands_of_the_guide_run_as_they_stand(signbin, tmp_path: Path, monkeypatch):
    guide = Path(__file__).parents[2] / "docs" / "guide.md"
    section = guide.read_text("utf-8").partition("## Train to a budget\n")[2].partition("\n## ")[0]
    block = section.partition("```sh\n")[2].partition("```")[0]
    commands = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert [words[1] for words in commands] == ["costs", "train", "train", "analyze"]
    monkeypatch.chdir(tmp_path)
    for words in commands:
        result = signbin(*words[1:])
        assert result.code == 0, (words, result.err)
    budget = json.loads((tmp_path / "runs" / "few" / "summary.json").read_text("utf-8"))["budget"]
    assert abs(budget["predicted"] / 2e5 - 1) < 0.05
    counted = signbin("analyze", "runs/few", "--json").document["totals"]["adds"]["bucket"]
    assert budget["predicted"] == counted
