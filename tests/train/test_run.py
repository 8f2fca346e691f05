import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from signbin.errors import SignbinError, SpecError
from signbin.spec import ValueSet
from signbin.train import DivergenceError, train
from signbin.train import run as run_module
from signbin.train.folder import RunFolder
from signbin.train.progress import Silent
from signbin.train.run import RunResult


class StopsAfter(Silent):
    """Interrupts training as a user would, after some epochs of the whole run."""

    def __init__(self, epochs):
        self.left = epochs

    def end_epoch(self, loss, accuracy, cost=""):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def interrupt(monkeypatch, config, output, epochs):
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "Silent", lambda: StopsAfter(epochs))
        with pytest.raises(KeyboardInterrupt):
            train(config, output, progress=False)


def weights_of(output, seed=0):
    return (Path(output) / f"seed-{seed}" / "model.safetensors").read_bytes()


HARD_TO_RESUME = {
    "quantizers__signed_binary": {
        "weight": {
            **{"kind": "signed_binary", "scale": "learned", "offset": "learned"},
            **{"density": 0.2, "anneal": 0.6, "chunks": 1},
        },
        "estimator": {"kind": "shifted_ede"},
        "centre_inputs": True,
    },
    "optimizer": {
        **{"name": "sgd", "learning_rate": 0.05, "warmup": 0.2, "clip_gradient": 1.0},
        "low_bit": {"name": "adam", "learning_rate": 0.002},
    },
    "loss__label_smoothing": 0.1,
    "data__cutout": 2,
}
PENALISED = {"loss__ones": {"share": 0.1, "weight": 0.6}}


def test_a_penalty_on_ones_thins_out_the_codes(tmp_path, tiny):
    densities = {}
    for name, changes in (("plain", {}), ("penalised", PENALISED)):
        result = train(tiny(epochs=2, **changes), tmp_path / name, progress=False)
        densities[name] = result.summary["layers"][0]["density"]
    assert densities["penalised"] < 0.8 * densities["plain"]


@pytest.mark.parametrize("changes", [{}, HARD_TO_RESUME], ids=["recipe", "everything on"])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path, tiny, monkeypatch, logged, changes):
    config = tiny(**changes)
    train(config, tmp_path / "whole", progress=False)
    interrupt(monkeypatch, config, tmp_path / "parts", 1)
    assert not (tmp_path / "parts" / "summary.json").exists()
    torch.manual_seed(99)  # where the caller's generator stands must not matter
    train(config, tmp_path / "parts", resume=True, progress=False)
    assert weights_of(tmp_path / "whole") == weights_of(tmp_path / "parts")
    whole, parts = (tmp_path / name / "seed-0" / "metrics.jsonl" for name in ("whole", "parts"))
    assert logged(whole) == logged(parts)


def test_a_run_is_decided_by_its_configuration_and_seed(tmp_path, tiny):
    config = tiny(epochs=1, seeds=[0, 1])
    first = train(config, tmp_path / "a", progress=False)
    torch.manual_seed(7)
    second = train(config, tmp_path / "b", progress=False)
    assert weights_of(tmp_path / "a", 1) == weights_of(tmp_path / "b", 1)
    assert weights_of(tmp_path / "a", 0) != weights_of(tmp_path / "a", 1)
    assert first.accuracies == second.accuracies


def test_a_seed_does_not_depend_on_the_seeds_before_it(tmp_path, tiny):
    train(tiny(epochs=1, seeds=[0, 1]), tmp_path / "both", progress=False)
    train(tiny(epochs=1, seeds=[1]), tmp_path / "one", progress=False)
    assert weights_of(tmp_path / "both", 1) == weights_of(tmp_path / "one", 1)


def test_resuming_skips_finished_seeds_and_trains_the_missing_ones(tmp_path, tiny, monkeypatch):
    config = tiny(epochs=1, seeds=[0, 1])
    interrupt(monkeypatch, config, tmp_path / "run", 2)
    finished = tmp_path / "run" / "seed-0" / "model.safetensors"
    before = finished.stat().st_mtime_ns
    result = train(config, tmp_path / "run", resume=True, progress=False)
    assert finished.stat().st_mtime_ns == before
    assert len(result.accuracies) == 2
    assert train(config, tmp_path / "run", resume=True, progress=False).summary["seeds"] == [0, 1]


def test_metrics_that_a_stop_lost_come_back_from_the_checkpoint(tmp_path, tiny, monkeypatch):
    interrupt(monkeypatch, tiny(), tmp_path / "run", 3)
    metrics = tmp_path / "run" / "seed-0" / "metrics.jsonl"
    lines = metrics.read_text()
    metrics.unlink()
    train(tiny(), tmp_path / "run", resume=True, progress=False)
    assert metrics.read_text() == lines
    assert len(lines.splitlines()) == 3


def test_resuming_with_another_configuration_names_what_differs(tmp_path, tiny):
    RunFolder(tmp_path).start(tiny(), force=False)
    with pytest.raises(SpecError, match=r"differs in epochs: got {'epochs': 9}"):
        train(tiny(epochs=9), tmp_path, resume=True, progress=False)


def test_resuming_what_is_no_run_is_refused_and_leaves_nothing(tmp_path, tiny):
    with pytest.raises(SignbinError, match="not a run folder"):
        train(tiny(), tmp_path / "none", resume=True, progress=False)
    assert not (tmp_path / "none").exists()


def test_resuming_a_checkpoint_of_another_network_is_refused(tmp_path, tiny, monkeypatch):
    interrupt(monkeypatch, tiny(), tmp_path / "small", 1)
    RunFolder(tmp_path / "large").start(tiny(model__width=5), force=False)
    (tmp_path / "small" / "seed-0").rename(tmp_path / "large" / "seed-0")
    with pytest.raises(SignbinError, match="does not fit the configuration"):
        train(tiny(model__width=5), tmp_path / "large", resume=True, progress=False)


def test_an_earlier_run_is_replaced_only_with_force(tmp_path, tiny):
    train(tiny(epochs=1), tmp_path, progress=False)
    with pytest.raises(SpecError, match="earlier run"):
        train(tiny(epochs=2), tmp_path, progress=False)
    train(tiny(epochs=2), tmp_path, force=True, progress=False)
    assert len((tmp_path / "seed-0" / "metrics.jsonl").read_text().splitlines()) == 2


def test_resume_and_force_exclude_each_other(tmp_path, tiny):
    with pytest.raises(SpecError, match="resume and force"):
        train(tiny(), tmp_path, resume=True, force=True, progress=False)


def test_a_loss_that_is_not_finite_stops_the_run_with_a_remedy(tmp_path, tiny):
    config = tiny(weights="float", optimizer__learning_rate=1e30, model__block_style="plain")
    with pytest.raises(DivergenceError, match=r"seed 0: training loss, epoch 1.*lower optimizer"):
        train(config, tmp_path, progress=False)
    assert issubclass(DivergenceError, SignbinError)
    assert not (tmp_path / "summary.json").exists()
    assert not (tmp_path / "seed-0" / "model.safetensors").exists()


def test_weights_that_break_in_the_last_step_are_noticed(tmp_path, tiny):
    # One step per epoch: its loss is still finite, only the evaluation sees what it did.
    config = tiny(weights="float", epochs=1, data__batch_size=1438, optimizer__learning_rate=1e30)
    with pytest.raises(DivergenceError, match="seed 0: test loss after epoch 1"):
        train(config, tmp_path, progress=False)
    assert not (tmp_path / "seed-0" / "checkpoint.pt").exists()


def test_the_callers_generator_and_threads_are_put_back(tmp_path, tiny):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    torch.set_num_threads(2)
    train(tiny(epochs=1, threads=1), tmp_path, progress=False)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == 2


def test_a_silent_run_prints_nothing(tmp_path, tiny, capfd):
    train(tiny(epochs=1), tmp_path, progress=False)
    assert capfd.readouterr() == ("", "")


def test_progress_goes_to_standard_error_and_names_the_accuracy(tmp_path, tiny, capfd):
    result = train(tiny(epochs=1, weights="binary"), tmp_path)
    out, err = capfd.readouterr()
    assert out == ""
    assert "digits binary: seed 0 epoch 1/1" in err
    assert f"accuracy {100 * result.mean_accuracy:.2f} %" in err
    assert "0 s left" in err


def test_four_epochs_teach_a_small_signed_binary_network_most_digits(tmp_path, tiny):
    config = tiny(epochs=4, model__width=16, data__batch_size=64, weights="signed_binary")
    assert train(config, tmp_path, progress=False).mean_accuracy > 0.8


def test_the_summary_says_what_was_trained_on_what_and_how_well(finished: RunResult, digits):
    summary = json.loads((finished.folder / "summary.json").read_text())
    assert summary == finished.summary
    assert summary["weights"] == "signed_binary"
    assert summary["value_set"] == "{0,+1} or {0,-1} per region"
    assert summary["seeds"] == [3, 1]
    found = summary["test_accuracy"]
    assert found["mean"] == pytest.approx(sum(found["per_seed"]) / 2)
    assert found["std"] == pytest.approx(abs(found["per_seed"][0] - found["per_seed"][1]) / 2**0.5)
    assert tuple(found["per_seed"]) == finished.accuracies
    assert finished.mean_accuracy == found["mean"]
    assert summary["data"]["sha256"] == digits.sha256
    assert summary["seconds"] > 0
    assert {"python", "torch", "numpy", "cpu", "threads"} <= set(summary["environment"])


def test_densities_and_counts_are_means_over_the_seeds_that_agree_with_each_other(finished):
    summary = finished.summary
    seeds = [json.loads(finished_seed(finished, seed).read_text()) for seed in (3, 1)]
    parameters = summary["parameters"]
    assert parameters["quantized"] == sum(layer["weights"] for layer in summary["layers"])
    nonzero = sum(layer["weights"] * layer["density"] for layer in summary["layers"])
    assert parameters["effectual"] == pytest.approx(nonzero)
    assert summary["density"] == pytest.approx(nonzero / parameters["quantized"])
    for place, layer in enumerate(summary["layers"]):
        densities = [seed["layers"][place]["density"] for seed in seeds]
        assert layer["density"] == pytest.approx(sum(densities) / 2)
        assert 0.2 < layer["density"] < 0.6


def finished_seed(result, seed):
    return result.folder / f"seed-{seed}" / "summary.json"


def test_every_epoch_logs_losses_accuracies_and_the_health_of_every_layer(finished, logged):
    (record,) = logged(finished.folder / "seed-3" / "metrics.jsonl")
    assert record["epoch"] == 1
    assert 0 <= record["test_accuracy"] <= 1
    assert record["test_accuracy"] == finished.accuracies[0]
    layers = record["health"]["layers"]
    assert [layer["name"] for layer in layers] == [
        layer["name"] for layer in finished.summary["layers"]
    ]
    for layer in layers:
        assert layer["flip_rate"] > 0
        assert layer["mean_to_spread"] > 0


def test_a_float_run_has_no_density(tmp_path, tiny):
    summary = train(tiny(epochs=1, weights="float"), tmp_path, progress=False).summary
    assert summary["density"] is None
    assert summary["layers"] == []
    assert summary["parameters"]["quantized"] == 0
    assert summary["test_accuracy"]["std"] is None


def test_a_validation_run_never_uses_the_test_part(tmp_path, tiny, digits, monkeypatch):
    config = tiny(epochs=1, data__holdout="validation")
    first = train(config, tmp_path / "a", progress=False)
    altered = dataclasses.replace(digits, test=digits.test.select(np.arange(3)))
    monkeypatch.setattr(run_module, "load_dataset", lambda data, cache: altered)
    second = train(config, tmp_path / "b", progress=False)
    assert "test_accuracy" not in first.summary
    assert first.accuracies == tuple(first.summary["validation_accuracy"]["per_seed"])
    assert first.accuracies == second.accuracies
    assert weights_of(tmp_path / "a") == weights_of(tmp_path / "b")


def test_the_resolved_configuration_is_saved_before_training(tmp_path, tiny, monkeypatch):
    config = tiny(weights="ternary")
    interrupt(monkeypatch, config, tmp_path / "run", 1)
    saved = RunFolder(tmp_path / "run").read_config()
    assert saved == config
    assert saved.weights is ValueSet.TERNARY


def test_a_model_beyond_memory_is_refused_and_leaves_nothing(tmp_path, tiny):
    with pytest.raises(SpecError, match=r"cannot be built: got .*10000000.*make it smaller"):
        train(tiny(model__width=10_000_000), tmp_path / "run", progress=False)
    assert not list(tmp_path.iterdir())
