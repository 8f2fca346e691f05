import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.errors import SpecError
from signbin.train import OptimizerConfig, ScheduleName
from signbin.train.schedules import SCHEDULES, RunLength, learning_rate


def rates(config, steps):
    return [learning_rate(config, step, RunLength(1, steps)) for step in range(steps)]


def test_every_schedule_name_has_a_schedule_but_those_with_milestones():
    with_milestones = {ScheduleName.STEP, ScheduleName.RESTARTS}
    assert set(SCHEDULES) == set(ScheduleName) - with_milestones


def test_the_cosine_begins_anew_after_every_milestone():
    config = OptimizerConfig(
        learning_rate=1.0, schedule=ScheduleName.RESTARTS, milestones=(1, 3), warmup=0.05
    )
    found = [learning_rate(config, step, RunLength(5, 4)) for step in range(20)]
    periods = [[1.0], [0.5 * (1 + math.cos(math.pi * n / 3)) for n in range(3)]]
    periods += [[0.5 * (1 + math.cos(math.pi * n / 8)) for n in range(8)]] * 2
    assert found == pytest.approx([rate for period in periods for rate in period])


def test_the_step_schedule_falls_after_its_milestones():
    config = OptimizerConfig(
        learning_rate=1.0, schedule=ScheduleName.STEP, milestones=(2, 3), decay=0.1, warmup=0.05
    )
    found = [learning_rate(config, step, RunLength(5, 4)) for step in range(20)]
    assert found == pytest.approx([1] * 8 + [0.1] * 4 + [0.01] * 8)


@pytest.mark.parametrize(
    ("schedule", "milestones"),
    [
        ("step", ()),
        ("restarts", ()),
        ("cosine", (3,)),
        ("step", (3, 2)),
        ("step", (2, 2)),
        ("step", (0, 2)),
    ],
)
def test_milestones_are_increasing_epochs_of_two_schedules_alone(schedule, milestones):
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
