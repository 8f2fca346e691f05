"""A network trained within a budget: decided once, kept to the end, counted as analyze counts."""

import dataclasses
import json
import shutil

import pytest

from signbin.documents import from_document, to_document
from signbin.errors import FormatError, SpecError
from signbin.layer_costs import CostUnit, read_costs
from signbin.quant import quantized_layers, set_densities
from signbin.strict_yaml import read_yaml, write_yaml
from signbin.train import BudgetConfig, TrainConfig, load_recipe, load_run, run, train
from signbin.train.checkpoint import read_checkpoint
from signbin.train.progress import PlainProgress, Silent
from signbin.verbs.analyze import analyze_json
from signbin.verbs.costs import Planned

HALF = {"share_of_additions": 0.5}


def budgeted(tiny, **changes):
    return tiny(**{"budget": HALF, "model__width": 8, "checkpoint_steps": 2, **changes})


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory, tiny):
    """Half of binary's additions, two seeds. Read only."""
    output = tmp_path_factory.mktemp("budget") / "run"
    train(budgeted(tiny, seeds=[0, 1]), output, progress=False, pricing=Planned())
    return output


def summary_of(folder):
    return json.loads((folder / "summary.json").read_text("utf-8"))


def test_the_trained_network_costs_what_was_asked_for_within_five_percent(finished_run):
    for seed in (0, 1):
        budget = summary_of(finished_run / f"seed-{seed}")["budget"]
        assert budget["limit"] == 0.5 * budget["binary"]
        assert 0.98 * budget["limit"] <= budget["expected"] <= budget["limit"]
        assert abs(budget["predicted"] / budget["limit"] - 1) <= 0.05


def test_the_budget_counts_exactly_the_additions_that_analyze_counts(finished_run):
    for seed in (0, 1):
        found = analyze_json(finished_run, seed=seed)
        budget = summary_of(finished_run / f"seed-{seed}")["budget"]
        assert budget["predicted"] == found["totals"]["adds"]["bucket"]


def test_every_filter_has_exactly_the_density_that_was_decided(finished_run):
    trained = load_run(finished_run, 1)
    densities = summary_of(finished_run / "seed-1")["budget"]["densities"]
    layers = quantized_layers(trained.model)
    assert set(densities) == set(layers)
    for name, layer in layers.items():
        codes = layer.codes().flatten(1).count_nonzero(1)
        inputs = layer.weight[0].numel()
        assert codes.unique().tolist() == [round(densities[name] * inputs)]


def test_the_cost_stands_beside_the_accuracy_of_every_epoch(finished_run):
    lines = (finished_run / "seed-0" / "metrics.jsonl").read_text("utf-8").splitlines()
    costs = [json.loads(line)["predicted_additions"] for line in lines]
    budget = summary_of(finished_run / "seed-0")["budget"]
    assert costs[0] > 1.5 * costs[-1], "the first epoch has the natural density"
    assert costs[-1] == budget["predicted"]
    header = (finished_run / "seed-0" / "metrics.csv").read_text("utf-8").splitlines()[0]
    assert "predicted_additions" in header.split(",")


def test_the_summary_of_a_run_has_the_means_of_its_seeds(finished_run):
    whole = summary_of(finished_run)["budget"]
    seeds = [summary_of(finished_run / f"seed-{seed}")["budget"] for seed in (0, 1)]
    for key in ("expected", "predicted"):
        assert whole[key] == sum(one[key] for one in seeds) / 2
    assert {key: whole[key] for key in ("unit", "limit", "binary")} == {
        key: seeds[0][key] for key in ("unit", "limit", "binary")
    }


class StopsAt(Silent):
    """Interrupts a run at one of its steps."""

    def __init__(self, step):
        self.left = step

    def end_step(self):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("step", [3, 6, 8])
@pytest.mark.parametrize("average", [None, 0.9])
def test_an_interruption_before_at_and_after_the_decision_leaves_no_trace(
    tmp_path, tiny, monkeypatch, step, average
):
    """Epochs have five steps; the densities are decided before the sixth."""
    config = budgeted(tiny, average=average, epochs=2)
    train(config, tmp_path / "whole", progress=False, pricing=Planned())
    with monkeypatch.context() as patch:
        patch.setattr(run, "Silent", lambda: StopsAt(step))
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "parts", progress=False, pricing=Planned())
    train(config, tmp_path / "parts", resume=True, progress=False, pricing=Planned())
    whole, parts = (
        (tmp_path / name / "seed-0" / "model.safetensors").read_bytes()
        for name in ("whole", "parts")
    )
    assert whole == parts
    assert (
        summary_of(tmp_path / "whole" / "seed-0")["budget"]
        == summary_of(tmp_path / "parts" / "seed-0")["budget"]
    )
    state = read_checkpoint(tmp_path / "parts" / "seed-0" / "checkpoint.pt")
    assert state["budget"] == summary_of(tmp_path / "parts" / "seed-0")["budget"]["densities"]


def test_resuming_keeps_the_costs_that_were_found_first(tmp_path, tiny, monkeypatch, finished_run):
    """Milliseconds are never the same twice: a second measurement would decide otherwise."""
    shutil.copytree(finished_run, tmp_path / "run")
    (tmp_path / "run" / "seed-1" / "summary.json").unlink()
    monkeypatch.setattr(Planned, "costs", None)
    config = budgeted(tiny, seeds=[0, 1])
    train(config, tmp_path / "run", resume=True, progress=False, pricing=Planned())
    assert (tmp_path / "run" / "seed-1" / "summary.json").is_file()
    (tmp_path / "run" / "costs.json").unlink()
    with pytest.raises(FormatError, match=r"costs\.json"):
        train(config, tmp_path / "run", resume=True, progress=False, pricing=Planned())


def test_decided_from_the_initial_weights_the_first_epoch_is_within_the_budget(tmp_path, tiny):
    config = budgeted(tiny, epochs=1, budget={**HALF, "after_epochs": 0})
    train(config, tmp_path / "run", progress=False, pricing=Planned())
    budget = summary_of(tmp_path / "run")["budget"]
    assert budget["predicted"] <= 1.05 * budget["limit"]


def test_the_uniform_allocation_has_one_density_to_a_code(tmp_path, tiny):
    config = budgeted(tiny, epochs=1, budget={**HALF, "after_epochs": 0, "allocation": "uniform"})
    train(config, tmp_path / "run", progress=False, pricing=Planned())
    costs = read_costs(tmp_path / "run" / "costs.json")
    densities = summary_of(tmp_path / "run")["budget"]["densities"]
    least = min(one.inputs for one in costs.layers)
    assert max(densities.values()) - min(densities.values()) <= 1 / least


def test_a_teacher_with_a_budget_keeps_its_densities(tmp_path, tiny, finished_run):
    from signbin.train.data import load_dataset
    from signbin.train.teacher import TeacherConfig, load_teacher

    teacher = load_teacher(TeacherConfig(run=str(finished_run)), load_dataset("digits"))
    found = {name: layer.density for name, layer in quantized_layers(teacher.model).items()}
    trained = load_run(finished_run)
    assert found == {name: one.density for name, one in quantized_layers(trained.model).items()}


def test_what_was_decided_and_what_is_predicted_is_told(tmp_path, tiny, monkeypatch, capsys):
    monkeypatch.setattr(run, "console_progress", PlainProgress)
    train(budgeted(tiny, epochs=2), tmp_path / "run", pricing=Planned())
    told = capsys.readouterr().err
    assert "densities 0." in told
    assert "binary weights" in told
    assert told.count("M additions  ") == 2


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({}, r"budget: got \[\]; allowed: exactly one of milliseconds, additions, share_of_m"),
        ({"milliseconds": 1.0, "additions": 2.0}, r"budget: got \['milliseconds', 'additions'\]"),
        ({"milliseconds": 0.0}, r"budget.milliseconds: got 0.0; allowed: > 0"),
        ({"share_of_additions": 1.5}, r"budget.share_of_additions: got 1.5; allowed: 0 < x <= 1"),
        ({"additions": 1e6, "target": "avx2"}, r"allowed: none beside additions"),
        ({"milliseconds": 1.0, "target": "avx2", "costs": "c.json"}, r"none beside costs"),
        ({**HALF, "after_epochs": 3}, r"budget.after_epochs: got 3; allowed: < 3 epochs"),
        ({**HALF, "after_epochs": -1}, r"budget.after_epochs: got -1; allowed: >= 0"),
        ({**HALF, "least_density": 0.6}, r"budget.least_density: got 0.6; allowed: 0 < x <= 0.5"),
        ({**HALF, "allocation": "best"}, r"budget.allocation: got 'best'; allowed: energy, uni"),
        ({"seconds": 1.0}, r"key of budget: got 'seconds'"),
    ],
)
def test_a_budget_that_is_none_is_refused_and_what_is_allowed_said(tiny, budget, message):
    with pytest.raises(SpecError, match=message):
        tiny(budget=budget)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": "binary"}, r"weights beside a budget: got 'binary'"),
        (
            {"quantizers__signed_binary__weight__density": 0.2},
            r"quantizers.signed_binary.weight.density beside a budget: got 0.2; allowed: null",
        ),
        (
            {"quantizers__signed_binary__weight__region_channels": 4},
            r"region_channels beside a budget: got 4",
        ),
        ({"loss__ones": {"share": 0.2}}, r"loss.ones beside a budget"),
        (
            {"execution": {"device": "cuda", "cuda_graphs": True}},
            r"budget.after_epochs: got 1; allowed: 0 with execution.cuda_graphs",
        ),
    ],
)
def test_what_else_would_decide_densities_is_refused_beside_a_budget(tiny, changes, message):
    with pytest.raises(SpecError, match=message):
        tiny(budget=HALF, **changes)


def test_a_budget_out_of_reach_is_refused_with_what_can_be_reached(tmp_path, tiny):
    config = budgeted(tiny, budget={"additions": 10.0})
    with pytest.raises(SpecError, match=r"budget.additions: got 10.0; allowed: [\d.e+]+ \(density"):
        train(config, tmp_path / "run", progress=False, pricing=Planned())
    config = budgeted(tiny, budget={"additions": 1e12})
    with pytest.raises(SpecError, match=r"lower it, or leave the budget out"):
        train(config, tmp_path / "run", progress=False, pricing=Planned())
    assert list(tmp_path.iterdir()) == []


def test_a_budget_needs_someone_who_knows_costs(tmp_path, tiny):
    with pytest.raises(SpecError, match=r"pricing of a run with a budget.*Planned"):
        train(budgeted(tiny), tmp_path / "run", progress=False)


@pytest.mark.parametrize(
    "budget",
    [
        None,
        {"milliseconds": 0.25, "target": "avx2", "allocation": "uniform"},
        {"additions": 1e7, "after_epochs": 2, "least_density": 0.05},
        {"share_of_milliseconds": 0.6, "costs": "zen.json"},
    ],
)
def test_a_configuration_with_a_budget_reads_back_equal(tiny, budget):
    config = tiny(budget=budget)
    assert from_document(TrainConfig, read_yaml(write_yaml(to_document(config)), "x")) == config


def test_a_configuration_from_before_there_were_budgets_has_none(tiny):
    document = to_document(tiny())
    del document["budget"]
    assert from_document(TrainConfig, document) == tiny()
    assert load_recipe("digits").budget is None


def test_densities_are_given_to_signed_binary_layers_alone(finished_run):
    model = load_run(finished_run).model
    with pytest.raises(SpecError, match=r"layer to give a density: got 'stem.0'"):
        set_densities(model, {"stem.0": 0.5})
    before = {name: layer.density for name, layer in quantized_layers(model).items()}
    with pytest.raises(SpecError, match="density"):
        set_densities(model, dict.fromkeys(before, 1.5))
    assert before == {name: layer.density for name, layer in quantized_layers(model).items()}


def test_densities_missing_from_a_summary_are_an_error_that_names_it(tmp_path, finished_run):
    shutil.copytree(finished_run, tmp_path / "run")
    path = tmp_path / "run" / "seed-0" / "summary.json"
    document = json.loads(path.read_text("utf-8"))
    document["budget"]["densities"] = {"stages.0.0.conv1": "much"}
    path.write_text(json.dumps(document), "utf-8")
    with pytest.raises(FormatError, match=r"densities of a network with a budget.*summary\.json"):
        load_run(tmp_path / "run")


def test_limits_are_in_their_unit_or_shares_of_binary():
    assert BudgetConfig(milliseconds=0.2).limit(1.0) == 0.2
    assert BudgetConfig(share_of_milliseconds=0.2).limit(4.0) == 0.8
    assert BudgetConfig(additions=5.0).unit is CostUnit.ADDITIONS
    assert dataclasses.replace(BudgetConfig(additions=5.0)).key == "additions"
