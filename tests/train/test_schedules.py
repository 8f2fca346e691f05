import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from signbin.train import OptimizerConfig, OptimizerName, ScheduleName
from signbin.train.schedules import SCHEDULES, learning_rate, make_optimizer


def test_every_schedule_name_has_a_schedule():
    assert set(SCHEDULES) == set(ScheduleName)


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
    found = [learning_rate(config, step, 4) / 2 for step in range(4)]
    assert found == pytest.approx(expected)


def test_warmup_rises_linearly_to_the_full_rate_and_the_schedule_follows():
    config = OptimizerConfig(learning_rate=1.0, schedule=ScheduleName.LINEAR, warmup=0.5)
    found = [learning_rate(config, step, 8) for step in range(8)]
    assert found == pytest.approx([0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25])


@given(st.sampled_from(ScheduleName), st.floats(0, 0.99), st.integers(1, 50))
@settings(deadline=None, max_examples=50)
def test_a_rate_is_positive_and_never_above_the_full_one(schedule, warmup, steps):
    config = OptimizerConfig(learning_rate=0.5, schedule=schedule, warmup=warmup)
    rates = [learning_rate(config, step, steps) for step in range(steps)]
    assert all(0 < rate <= 0.5 for rate in rates)


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
    assert isinstance(make_optimizer(model, OptimizerConfig()), torch.optim.Adam)
