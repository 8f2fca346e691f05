"""Experiments: read strictly, trained once, resumed, and summed up in one JSON object."""

import json
import shutil
from pathlib import Path

import pytest

from signbin.errors import SpecError
from signbin.shipped import EXPERIMENTS
from signbin.train import load_experiment, run_experiment, seed
from signbin.train.progress import Silent
from signbin.tune import TimeLayers
from signbin.verbs.costs import Planned

SMALL = """
title: Small
question: Which one?
recipe: digits
chart: accuracy
scales:
  smoke: {epochs: 2, seeds: [0, 1], runs: [ours, theirs], settings: {data.batch_size: 256}}
  other: {epochs: 1, seeds: [3]}
runs:
  ours: {weights: signed_binary}
  theirs: {weights: binary}
  third: {model.width: 6}
compare:
  ours: [theirs]
"""
TINY = {"model.width": 4, "batch_norm_images": 128}


@pytest.fixture
def small(tmp_path):
    def write(*replaced: tuple[str, str]):
        text = SMALL
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "small.yaml").write_text(text)
        return load_experiment(tmp_path / "small.yaml")

    return write


def test_every_run_has_its_first_seed_before_any_has_its_second(small):
    names = [training.name for training in small().trainings("smoke")]
    assert names == ["ours-seed-0", "theirs-seed-0", "ours-seed-1", "theirs-seed-1"]


def test_a_run_is_the_recipe_with_its_changes_the_scale_s_and_the_callers(small):
    ours, theirs = small().trainings("smoke", {"data.shift": 1})[:2]
    assert (ours.config.weights.value, theirs.config.weights.value) == ("signed_binary", "binary")
    for training in (ours, theirs):
        config = training.config
        assert (config.epochs, config.seeds) == (2, (0,))
        assert (config.data.batch_size, config.data.shift) == (256, 1)
    everything = small().trainings("other")
    assert [training.run for training in everything] == ["ours", "theirs", "third"]


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        (("chart: accuracy", "chart: pie"), "chart: got 'pie'.*accuracy, effectual"),
        (("title: Small", "titel: Small"), "did you mean title"),
        (("runs: [ours, theirs]", "runs: [ours, hers]"), r"scales.smoke.runs: got 'hers'"),
        (("ours: [theirs]", "ours: [hers]"), r"compare.ours: got 'hers'"),
        (("ours: [theirs]", "ours: theirs"), "compare.ours.*a list of runs"),
        (("ours: [theirs]", "ours: [[theirs]]"), r"compare.ours: got \['theirs'\]"),
        (("ours: {weights: signed_binary}", "ours: 3"), "runs.ours.*a mapping"),
        (("ours: {weights: signed_binary}", "7: {}"), 'runs: a name: got 7.*text: "7"'),
        (("epochs: 2", "epoch: 2"), "did you mean epochs"),
        (("question: Which one?\n", ""), "question.*required"),
    ],
)
def test_a_mistake_in_the_file_is_named(small, replaced, message):
    with pytest.raises(SpecError, match=message):
        small(replaced)


def test_a_mistake_in_a_run_is_named_with_the_run(small):
    experiment = small(("{weights: binary}", "{weights: binary, model.depth: 3}"))
    with pytest.raises(SpecError, match=r"run theirs of small.*depth"):
        experiment.trainings("smoke")
    with pytest.raises(SpecError, match=r"scale: got 'large'.*smoke, other"):
        small().trainings("large")
    with pytest.raises(SpecError, match="experiment file"):
        load_experiment(Path("nowhere.yaml"))


@pytest.mark.parametrize("name", EXPERIMENTS.names())
def test_every_experiment_of_the_project_can_be_started(name):
    experiment = load_experiment(name)
    assert {"smoke", "cpu", "gpu"} <= set(experiment.scales)
    for scale in experiment.scales:
        trainings = experiment.trainings(scale, {"data.folder": "somewhere"})
        names = [training.name for training in trainings]
        assert len(names) == len(set(names)) > 0
    configs = [t.config for t in experiment.trainings("gpu") if t.seed == 0]
    assert len(set(map(repr, configs))) == len(configs), "two runs are the same training"


class StopsAt(Silent):
    """Interrupts at one of its epochs."""

    def __init__(self, epochs):
        self.left = epochs

    def end_epoch(self, loss, accuracy, cost=""):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def trained(experiment, output, **changes):
    return run_experiment(
        experiment, "smoke", output, overrides={**TINY, **changes}, progress=False
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(the experiment SMALL trained as smoke, its results, its folder). Read only."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "small.yaml").write_text(SMALL)
    experiment = load_experiment(folder / "small.yaml")
    return experiment, trained(experiment, folder / "runs"), folder / "runs"


def without_times(results):
    """What two machines of the same kind agree on."""
    text = json.loads(json.dumps(results))
    for run in text["runs"]:
        assert run.pop("epoch_seconds") >= run.pop("fastest_epoch_seconds") > 0
    return text


def test_an_experiment_that_is_killed_goes_on_where_it_stopped(finished, tmp_path, monkeypatch):
    experiment, whole, folder = finished
    assert json.loads((folder / "smoke" / "results.json").read_text()) == whole
    assert whole["missing"] == []
    stopped = StopsAt(4)  # after the second network's second epoch, before its summary
    with monkeypatch.context() as patch:
        patch.setattr("signbin.train.run.Silent", lambda: stopped)
        with pytest.raises(KeyboardInterrupt):
            trained(experiment, tmp_path / "parts")
    parts = json.loads((tmp_path / "parts" / "smoke" / "results.json").read_text())
    assert [run["run"] for run in parts["runs"]] == ["ours"]
    assert parts["missing"] == ["theirs-seed-0", "ours-seed-1", "theirs-seed-1"]
    assert without_times(trained(experiment, tmp_path / "parts")) == without_times(whole)


def test_what_is_finished_is_not_trained_again(finished, tmp_path, monkeypatch):
    experiment, first, folder = finished
    again = shutil.copytree(folder, tmp_path / "again")
    monkeypatch.setattr(seed.SeedTraining, "run", lambda *_: pytest.fail("trained again"))
    assert trained(experiment, again) == first


def test_a_record_holds_what_a_figure_is_made_from(finished):
    results = finished[1]
    ours = results["runs"][0]
    assert (ours["run"], ours["seed"], ours["epochs"]) == ("ours", 0, 2)
    assert ours["accuracy"] == ours["per_epoch"][-1]["accuracy"]
    weights = sum(layer["weights"] for layer in ours["layers"])
    assert ours["parameters"]["effectual"] == round(ours["density"] * weights)
    assert len(ours["per_epoch"][0]["layer_density"]) == len(ours["layers"])
    assert len(ours["data"]["sha256"]) == 64
    assert [layer["name"] for layer in ours["latent"]] == [each["name"] for each in ours["layers"]]
    for layer, described in zip(ours["latent"], ours["layers"], strict=True):
        assert sum(layer["all"]["histogram"]) == described["weights"]
        kept = sum(layer["effectual"]["histogram"])
        assert kept == round(described["density"] * described["weights"])


def test_a_training_that_diverges_is_a_result_and_the_next_one_begins(small, tmp_path):
    hot = "{weights: binary, optimizer.learning_rate: 1.0e+20}"
    experiment = small(("{weights: binary}", hot), ("seeds: [0, 1]", "seeds: [0]"))
    results = trained(experiment, tmp_path)
    ours, theirs = results["runs"]
    assert ours["accuracy"] is not None
    assert theirs["accuracy"] is None
    assert theirs["failure"]["kind"] == "DivergenceError"
    assert results["missing"] == []
    assert trained(experiment, tmp_path) == results


def test_numbers_of_other_settings_are_not_taken_for_this_ones(small, finished, tmp_path):
    folder = shutil.copytree(finished[2], tmp_path / "runs")
    with pytest.raises(SpecError, match=r"trained with other settings.*model"):
        trained(small(), folder, **{"model.width": 5})
    with pytest.raises(SpecError, match="trained with other settings"):
        trained(small(("epochs: 2", "epochs: 1")), folder)


@pytest.mark.parametrize("name", EXPERIMENTS.names())
def test_the_smoke_scale_of_every_experiment_needs_no_data(name, tmp_path):
    experiment = load_experiment(name)
    small = {"model.width": 4, "batch_norm_images": 16}
    pricing = Planned(TimeLayers(0.1))
    results = run_experiment(
        experiment, "smoke", tmp_path, overrides=small, progress=False, pricing=pricing
    )
    assert len(results["runs"]) == len(experiment.scales["smoke"].runs)
    assert not results["missing"]
    assert all(run["accuracy"] is not None for run in results["runs"])
