"""The training step: losses, averages, clipping, precision, and what does not go together."""

import copy
import math
import shutil

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from signbin.errors import SpecError
from signbin.quant import channel_distribution_loss, quantized_layers
from signbin.train import (
    DataConfig,
    ExecutionConfig,
    LossConfig,
    ModelConfig,
    Precision,
    TeacherConfig,
    TrainConfig,
    load_recipe,
)
from signbin.train.average import WeightAverage
from signbin.train.data import Batch, Sampler, SamplerOptions
from signbin.train.distributed import ALONE, Processes
from signbin.train.network import make_model
from signbin.train.placement import prepare_machine
from signbin.train.schedules import RunLength
from signbin.train.step import Trainer
from signbin.train.teacher import Teacher

LENGTH = RunLength(2, 4)


def trainer_of(digits, config, processes=ALONE):
    torch.manual_seed(0)
    machine = prepare_machine(config.execution, config.execution.device)
    return Trainer(machine.place(make_model(config, digits)), config, machine, processes)


def first_batch(digits, size=64) -> Batch:
    sampler = Sampler(digits.train, digits.preprocessing, SamplerOptions(size, seed=1))
    return next(sampler.remaining_batches())


def take_steps(trainer, batch, count=3):
    with trainer:
        trainer.model.train()
        for number in range(count):
            trainer.step(batch, number, LENGTH)
    return trainer


def weights_of(trainer):
    return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_distillation_is_the_divergence_from_the_teachers_softened_answers(share):
    teacher, T = nn.Linear(4, 3), 5.0
    config = TeacherConfig(run="x", temperature=T, share=share)
    images, logits = torch.randn(7, 4), torch.randn(7, 3)
    found = Teacher(teacher, config).loss(images, logits, torch.tensor(2.0))
    p, q = F.softmax(teacher(images) / T, 1), F.softmax(logits / T, 1)
    divergence = (p * (p.log() - q.log())).sum(1).mean() * T**2
    torch.testing.assert_close(found, share * divergence + (1 - share) * 2.0)


def test_the_gradient_of_distillation_does_not_shrink_with_the_temperature():
    teacher, images = nn.Linear(4, 3), torch.randn(50, 4)
    sizes = []
    for T in (1.0, 10.0):
        logits = torch.zeros(50, 3, requires_grad=True)
        config = TeacherConfig(run="x", temperature=T)
        Teacher(teacher, config).loss(images, logits, torch.tensor(0.0)).backward()
        sizes.append(float(logits.grad.norm()))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.4)


def test_a_teacher_is_frozen_and_in_the_asked_mode():
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    x = torch.randn(20, 4) * 3 + 5
    answers = []
    for mode in ("train", "eval"):
        config = TeacherConfig(run="x", mode=type(TeacherConfig(run="x").mode)(mode))
        teacher = Teacher(copy.deepcopy(network), config)
        assert not any(p.requires_grad for p in teacher.model.parameters())
        before = teacher.model[0].weight.clone()
        logits = torch.zeros(20, 3, requires_grad=True)
        loss = teacher.loss(x, logits, torch.tensor(0.0))
        loss.backward()
        answers.append(loss.item())
        assert torch.equal(teacher.model[0].weight, before)
    assert answers[0] != answers[1]
    assert TeacherConfig(run="x").mode.value == "train", "as the released code has it"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (TeacherConfig, "run or checkpoint"),
        (lambda: TeacherConfig(run="a", checkpoint="b"), "run or checkpoint"),
        (lambda: TeacherConfig(checkpoint="b"), "teacher.model"),
        (lambda: TeacherConfig(run="a", model=ModelConfig("resnet18")), "teacher.model"),
        (lambda: TeacherConfig(run="a", temperature=0.0), "temperature"),
        (lambda: TeacherConfig(run="a", share=0.0), "share"),
        (lambda: LossConfig(distribution=-1.0), "distribution"),
        (lambda: ExecutionConfig(device="tpu"), "execution.device"),
        (lambda: ExecutionConfig(cuda_graphs=True), "execution.cuda_graphs"),
        (lambda: DataConfig("x", jitter=2.0), "data.jitter"),
        (lambda: DataConfig("x", workers=0), "data.workers"),
        (lambda: TrainConfig("r", DataConfig("x"), ModelConfig("y"), 1, average=1.0), "average"),
        (lambda: TrainConfig("r", DataConfig("x"), ModelConfig("y"), 1, patience=0), "patience"),
    ],
)
def test_options_outside_their_range_are_refused(build, message):
    with pytest.raises(SpecError, match=message.replace(".", r"\.")):
        build()


def test_the_average_follows_the_weights_slower_and_slower():
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    nn.init.zeros_(model[0].weight)
    average = WeightAverage(model, 0.5)
    expected, value = 0.0, 0.0
    for step in range(12):
        value = float(step + 1)
        model[0].weight.data.fill_(value)
        model[1].running_mean.fill_(value)
        average.update(model, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
        assert average.model[0].weight.item() == pytest.approx(expected)
        assert average.model[1].running_mean.item() == value
    assert model[0].weight.item() == value


def test_the_average_is_evaluated_and_trained_on_are_the_weights(digits, tiny):
    trainer = trainer_of(digits, tiny(average=0.9))
    take_steps(trainer, first_batch(digits))
    assert trainer.evaluated is trainer.average.model
    assert trainer.evaluated is not trainer.model
    assert not any(p.requires_grad for p in trainer.evaluated.parameters())
    plain = take_steps(trainer_of(digits, tiny()), first_batch(digits))
    assert torch.equal(weights_of(trainer), weights_of(plain))
    assert plain.evaluated is plain.model


def test_clipping_bounds_the_whole_gradient(digits, tiny):
    options = {"optimizer": {"name": "sgd", "learning_rate": 1.0, "momentum": 0.0}}
    batch = first_batch(digits)
    moves = {}
    for limit in (None, 0.25):
        chosen = {**options["optimizer"], "schedule": "constant", "clip_gradient": limit}
        trainer = trainer_of(digits, tiny(optimizer=chosen, weights="float"))
        before = weights_of(trainer)
        take_steps(trainer, batch, 1)
        moves[limit] = weights_of(trainer) - before
    assert moves[None].norm() > 0.5
    assert moves[0.25].norm() == pytest.approx(0.25, rel=1e-4)
    cosine = F.cosine_similarity(moves[None], moves[0.25], dim=0)
    assert cosine == pytest.approx(1.0, abs=1e-5)


def test_the_distribution_loss_is_added_with_its_weight(digits, tiny):
    batch = first_batch(digits)
    plain = take_steps(trainer_of(digits, tiny()), batch, 1)
    added = trainer_of(digits, tiny(loss={"distribution": 2.0}))
    inputs = []
    handles = [
        layer.register_forward_pre_hook(lambda module, x: inputs.append(x[0].detach()))
        for layer in quantized_layers(added.model).values()
    ]
    take_steps(added, batch, 1)
    for handle in handles:
        handle.remove()
    expected = 2 * torch.stack([channel_distribution_loss(x) for x in inputs]).mean()
    difference = added.score(ALONE).loss - plain.score(ALONE).loss
    assert difference == pytest.approx(expected.item(), rel=1e-4)
    assert not torch.equal(weights_of(added), weights_of(plain))
    assert not any(module._forward_pre_hooks for module in added.model.modules())


@pytest.mark.parametrize("weights", ["float", "signed_binary", "ternary"])
def test_channels_last_trains_the_same_up_to_rounding(digits, tiny, weights):
    batch = first_batch(digits)
    plain = take_steps(trainer_of(digits, tiny(weights=weights)), batch, 1)
    other = trainer_of(digits, tiny(weights=weights, execution={"channels_last": True}))
    images = batch.images.contiguous(memory_format=torch.channels_last)
    take_steps(other, Batch(images, batch.labels), 1)
    assert other.score(ALONE).loss == pytest.approx(plain.score(ALONE).loss, rel=1e-5)
    weight = next(iter(other.model.stages.parameters()))
    assert weight.dim() == 1 or weight.is_contiguous(memory_format=torch.channels_last)


def test_autocast_multiplies_in_bfloat16_and_keeps_float32_weights(digits, tiny):
    seen = []
    trainer = trainer_of(digits, tiny(execution={"precision": "bfloat16"}))
    trainer.model.stages.register_forward_hook(lambda m, i, output: seen.append(output.dtype))
    take_steps(trainer, first_batch(digits), 2)
    assert torch.bfloat16 in seen or seen == [torch.float32] * 2
    conv = next(iter(quantized_layers(trainer.model).values()))
    with trainer._machine.autocast():
        assert conv(torch.randn(2, conv.in_channels, 8, 8)).dtype is torch.bfloat16
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}
    plain = take_steps(trainer_of(digits, tiny()), first_batch(digits), 2)
    assert trainer.score(ALONE).loss == pytest.approx(plain.score(ALONE).loss, rel=0.02)


def test_all_layers_read_one_progress(digits, tiny):
    trainer = take_steps(trainer_of(digits, tiny()), first_batch(digits), 3)
    for layer in quantized_layers(trainer.model).values():
        assert layer.estimator_progress is trainer._dial
    assert trainer._dial.item() == pytest.approx(2 / LENGTH.steps)


def test_what_methods_do_after_a_step_is_done(digits, tiny):
    chosen = {"quantizers.binary": {"weight": {"kind": "binary_connect"}}, "weights": "binary"}
    config = load_recipe("digits", {**chosen, "model.width": 4})
    trainer = trainer_of(digits, config)
    for layer in quantized_layers(trainer.model).values():
        layer.weight.data.mul_(100)
    take_steps(trainer, first_batch(digits), 1)
    for layer in quantized_layers(trainer.model).values():
        assert layer.weight.detach().abs().max() == 1


def test_a_loss_that_is_no_number_takes_no_step(digits, tiny):
    trainer = trainer_of(digits, tiny())
    batch = first_batch(digits)
    before = weights_of(trainer)
    broken = Batch(batch.images * math.nan, batch.labels)
    take_steps(trainer, broken, 1)
    assert not trainer.is_finite()
    assert torch.equal(weights_of(trainer), before)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused(tiny):
    execution = tiny(execution={"device": "cuda"}).execution
    with pytest.raises(SpecError, match=r"execution\.device: got 'cuda'.*sees no GPU"):
        prepare_machine(execution, "cuda")


def test_compiling_without_a_compiler_is_refused_by_name(tiny, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    execution = tiny(execution={"compile": True}).execution
    with pytest.raises(SpecError, match=r"needs a C\+\+ compiler \(c\+\+, g\+\+, clang\+\+\)"):
        prepare_machine(execution, "cpu")


@pytest.mark.parametrize(
    ("changes", "processes", "message"),
    [
        ({"loss": {"distribution": 1.0}, "execution": {"compile": True}}, ALONE, "distribution"),
        (
            {"execution": {"device": "cuda", "compile": True, "cuda_graphs": True}},
            ALONE,
            "cuda_graphs",
        ),
        ({"execution": {"device": "cuda", "cuda_graphs": True}}, Processes(0, 2), "cuda_graphs"),
    ],
)
def test_options_that_do_not_go_together_are_refused(digits, tiny, changes, processes, message):
    config = tiny(**changes)
    machine = prepare_machine(ExecutionConfig(), "cpu")
    with pytest.raises(SpecError, match=message):
        Trainer(make_model(config, digits), config, machine, processes)


@pytest.mark.skipif(not shutil.which("c++"), reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.compile's own
def test_a_compiled_step_is_the_same_step_up_to_rounding(digits, tiny):
    batch = first_batch(digits)
    plain = take_steps(trainer_of(digits, tiny()), batch, 2)
    compiled = take_steps(trainer_of(digits, tiny(execution={"compile": True})), batch, 2)
    assert compiled.score(ALONE).loss == pytest.approx(plain.score(ALONE).loss, rel=1e-4)
    torch.testing.assert_close(weights_of(compiled), weights_of(plain), rtol=1e-2, atol=1e-3)
    assert set(compiled.model.state_dict()) == set(plain.model.state_dict())


def test_the_precision_of_a_recipe_is_read_by_its_name(tiny):
    config = tiny(execution={"precision": "bfloat16"})
    assert config.execution.precision is Precision.BFLOAT16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": "ternary"}, "share of ones of ternary weights"),
        ({"quantizers.signed_binary.weight.density": 0.2}, "share of ones .* leave the density"),
    ],
)
def test_a_penalty_on_ones_that_are_fixed_or_none_is_refused_before_any_step(
    digits, changes, message
):
    config = load_recipe("digits", {"loss.ones": {"share": 0.2}, **changes})
    with pytest.raises(SpecError, match=message):
        trainer_of(digits, config)
