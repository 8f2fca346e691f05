"""Trainings that have failed are stopped with a message that says what to do."""

import math

import pytest
import torch

from signbin.errors import FormatError, SignbinError
from signbin.quant import LayerHealth, ModelHealth, quantized_layers
from signbin.quant.latent import describe_latent
from signbin.train import CollapseError, DivergenceError, load_run, train
from signbin.train import seed as training
from signbin.train.failures import check_collapse, check_growth

LATENT = describe_latent(torch.ones(2))


def health(dead: int, filters: int = 4) -> ModelHealth:
    layer = LayerHealth("conv", 0.5, dead, filters, 0.0, None, None, 0.5, None, LATENT)
    return ModelHealth((layer,))


def record(epoch=1, train_loss=1.0, answers=5):
    return {"epoch": epoch, "train_loss": train_loss, "answers": answers}


def test_a_layer_of_zeros_is_a_collapse_and_a_single_filter_is_not():
    check_collapse(0, [record()], health(dead=3), patience=3)
    with pytest.raises(CollapseError, match=r"seed 7, epoch 1: every weight of conv.*threshold"):
        check_collapse(7, [record()], health(dead=4), patience=3)


def test_one_answer_for_too_long_is_a_collapse():
    metrics = [record(1, answers=1), record(2, answers=2), record(3, answers=1)]
    check_collapse(0, metrics, health(0), patience=2)
    metrics.append(record(4, answers=1))
    with pytest.raises(CollapseError, match="one answer to all held-out images for 2 epochs up"):
        check_collapse(0, metrics, health(0), patience=2)


def test_a_loss_ten_times_that_of_knowing_nothing_is_a_divergence():
    limit = 10 * math.log(10)
    check_growth(0, [record(1, 2.0), record(2, limit - 0.1)], classes=10)
    with pytest.raises(DivergenceError, match="training loss, epoch 2"):
        check_growth(0, [record(1, 2.0), record(2, limit + 0.1)], classes=10)
    check_growth(0, [record(1, 30.0), record(2, 200.0)], classes=10)


def test_failures_are_errors_of_signbin():
    assert issubclass(CollapseError, SignbinError)
    assert issubclass(DivergenceError, SignbinError)


def test_a_dead_network_stops_the_run_and_keeps_the_checkpoint(tmp_path, tiny, monkeypatch):
    plain = training.SeedTraining._train_one_epoch

    def kill_in_the_second_epoch(self, progress):
        rate = plain(self, progress)
        if self._sampler.epoch == 2:
            layer = next(iter(quantized_layers(self._trainer.model).values()))
            layer.weight.data.zero_()
        return rate

    monkeypatch.setattr(training.SeedTraining, "_train_one_epoch", kill_in_the_second_epoch)
    with pytest.raises(CollapseError, match="epoch 2: every weight of stages"):
        train(tiny(), tmp_path, progress=False)
    monkeypatch.undo()
    assert not (tmp_path / "summary.json").exists()
    train(tiny(), tmp_path, resume=True, progress=False)
    assert len(load_run(tmp_path).metrics) == 3


def test_a_nan_in_the_images_is_named_with_its_step(tmp_path, tiny, monkeypatch):
    plain = training.make_sampler

    def broken(*arguments):
        sampler = plain(*arguments)
        batches = sampler.remaining_batches

        def remaining():
            for number, batch in enumerate(batches()):
                if number == 2:
                    batch.images[0, 0, 0, 0] = math.nan
                yield batch

        sampler.remaining_batches = remaining
        return sampler

    monkeypatch.setattr(training, "make_sampler", broken)
    with pytest.raises(DivergenceError, match=r"seed 0: training loss, epoch 1, step 3: got nan"):
        train(tiny(), tmp_path, progress=False)
    assert not (tmp_path / "seed-0" / "checkpoint.pt").exists()


def test_damaged_checkpoints_are_refused_with_a_remedy(tmp_path, tiny):
    train(tiny(epochs=1), tmp_path, progress=False)
    for name in ("summary.json", "seed-0/summary.json", "seed-0/model.safetensors"):
        (tmp_path / name).unlink()
    (tmp_path / "seed-0" / "checkpoint.pt").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(FormatError, match="delete it to train this seed again"):
        train(tiny(epochs=1), tmp_path, resume=True, progress=False)
