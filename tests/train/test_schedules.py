import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from signbin.errors import SpecError
from signbin.train import OptimizerConfig, OptimizerName, ScheduleName
from signbin.train.schedules import SCHEDULES, RunLength, learning_rate, make_optimizer


def rates(config, steps):
    return [learning_rate(config, step, RunLength(1, steps)) for step in range(steps)]


def test_every_schedule_name_has_a_schedule_but_step_which_has_milestones():
    assert set(SCHEDULES) == set(ScheduleName) - {ScheduleName.STEP}


def test_the_step_schedule_falls_after_its_milestones():
    config = OptimizerConfig(
        learning_rate=1.0, schedule=ScheduleName.STEP, milestones=(2, 3), decay=0.1, warmup=0.05
    )
    found = [learning_rate(config, step, RunLength(5, 4)) for step in range(20)]
    assert found == pytest.approx([1] * 8 + [0.1] * 4 + [0.01] * 8)


@pytest.mark.parametrize(
    ("schedule", "milestones"),
    [("step", ()), ("cosine", (3,)), ("step", (3, 2)), ("step", (2, 2)), ("step", (0, 2))],
)
def test_milestones_are_increasing_epochs_of_the_step_schedule_alone(schedule, milestones):
    with pytest.raises(SpecError, match=r"optimizer\.milestones"):
        OptimizerConfig(schedule=ScheduleName(schedule), milestones=milestones)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (ScheduleName.CONSTANT, [1, 1, 1, 1]),
        (ScheduleName.LINEAR, [1, 0.75, 0.5, 0.25]),
        (ScheduleName.COSINE, [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2]),
    ],
)
def test_a_schedule_starts_at_the_full_rate_and_follows_its_formula(schedule, expected):
    config = OptimizerConfig(learning_rate=2.0, schedule=schedule)
    found = [rate / 2 for rate in rates(config, 4)]
    assert found == pytest.approx(expected)


def test_warmup_rises_linearly_to_the_full_rate_and_the_schedule_follows():
    config = OptimizerConfig(learning_rate=1.0, schedule=ScheduleName.LINEAR, warmup=0.5)
    assert rates(config, 8) == pytest.approx([0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25])


@given(st.sampled_from(list(SCHEDULES)), st.floats(0, 0.99), st.integers(1, 50))
@settings(deadline=None, max_examples=50)
def test_a_rate_is_positive_and_never_above_the_full_one(schedule, warmup, steps):
    config = OptimizerConfig(learning_rate=0.5, schedule=schedule, warmup=warmup)
    assert all(0 < rate <= 0.5 for rate in rates(config, steps))


@pytest.mark.parametrize("name", list(OptimizerName))
def test_only_weight_tensors_decay(name):
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.PReLU(3), nn.Linear(3, 2))
    config = OptimizerConfig(name=name, weight_decay=0.1)
    decayed, others = make_optimizer(model, config).param_groups
    assert decayed["weight_decay"] == 0.1
    assert others["weight_decay"] == 0.0
    assert {id(p) for p in decayed["params"]} == {id(model[0].weight), id(model[3].weight)}
    assert len(decayed["params"]) + len(others["params"]) == len(list(model.parameters()))


def test_the_optimizer_is_the_one_that_was_asked_for():
    model = nn.Linear(2, 2)
    sgd = make_optimizer(model, OptimizerConfig(name=OptimizerName.SGD, momentum=0.8))
    assert isinstance(sgd, torch.optim.SGD)
    assert sgd.param_groups[0]["momentum"] == 0.8
    assert type(make_optimizer(model, OptimizerConfig())) is torch.optim.Adam
    adamw = OptimizerConfig(name=OptimizerName.ADAMW)
    assert type(make_optimizer(model, adamw)) is torch.optim.AdamW


def test_adamw_decays_the_weight_and_not_the_gradient():
    for name, expected in ((OptimizerName.ADAMW, 1.0 - 0.1 * 0.5), (OptimizerName.ADAM, 0.9)):
        model = nn.Linear(1, 1, bias=False)
        nn.init.ones_(model.weight)
        config = OptimizerConfig(name=name, learning_rate=0.1, weight_decay=0.5)
        optimizer = make_optimizer(model, config)
        model.weight.grad = torch.zeros(1, 1)
        optimizer.step()
        assert model.weight.item() == pytest.approx(expected)
