"""Paired timing: turns, rounds, ratios, on sides whose times are known."""

import dataclasses

import pytest

from signbin.errors import SpecError
from signbin.measure import InProcess, Schedule, Times, paired_ratio, take_turns

QUICK = Schedule(rounds=4, warm_up_s=0.0, turn_s=1e-9)


@dataclasses.dataclass
class Scripted:
    """A side that takes the seconds it is told, and writes down when it ran."""

    name: str
    seconds: float
    log: list

    def run(self, count):
        self.log.append((self.name, count))
        return [self.seconds] * count


def test_sides_alternate_and_every_other_round_is_reversed():
    log: list = []
    take_turns([Scripted("a", 1.0, log), Scripted("b", 1.0, log)], QUICK)
    assert [name for name, _ in log[2:]] == list("abbaabba")


def test_calls_per_turn_fill_the_turn():
    log: list = []
    sides = [Scripted("fast", 0.001, log), Scripted("slow", 0.3, log)]
    times = take_turns(sides, Schedule(rounds=3, warm_up_s=0.0, turn_s=0.1))
    assert times["fast"].calls == 3 * 100
    assert times["slow"].calls == 3 * 1


def test_warm_up_runs_until_its_time_is_spent():
    log: list = []
    take_turns([Scripted("a", 2**-6, log)], dataclasses.replace(QUICK, warm_up_s=20 * 2**-6))
    assert len(log) - QUICK.rounds == 10  # a call that is not timed goes with every timed one


def test_the_statistics_are_those_of_all_calls_in_milliseconds():
    times = Times(((1.0, 2.0, 3.0), (4.0, 100.0)))
    assert times.to_json() == {
        "median_ms": 3.0,
        "min_ms": 1.0,
        "p90_ms": pytest.approx(4 + 0.6 * 96),
        "mean_ms": 22.0,
        "calls": 5,
    }


def test_the_ratio_is_theirs_over_ours_inside_each_round():
    ours = Times(((1.0,), (10.0,), (2.0,)))
    theirs = Times(((2.0,), (20.0,), (5.0,)))
    ratio = paired_ratio(theirs, ours)
    assert (ratio.median, ratio.low, ratio.high) == (2.0, 2.0, 2.5)
    # the machine was busy in the second round: medians over all calls would say 5 / 2 = 2.5


def test_a_side_of_this_process_is_called_once_more_than_it_is_timed():
    calls = []
    seconds = InProcess("count", lambda: calls.append(1)).run(5)
    assert (len(calls), len(seconds)) == (6, 5)
    assert all(second > 0 for second in seconds)


def test_a_slower_function_of_this_process_is_slower():
    sides = [
        InProcess("short", lambda: sum(range(100))),
        InProcess("long", lambda: sum(range(9999))),
    ]
    times = take_turns(sides, Schedule(rounds=3, warm_up_s=0.001, turn_s=0.002))
    assert paired_ratio(times["long"], times["short"]).low > 5


@pytest.mark.parametrize("names", [(), ("a", "a")])
def test_no_side_and_two_of_one_name_are_refused(names):
    with pytest.raises(SpecError, match="each name once"):
        take_turns([Scripted(name, 1.0, []) for name in names], QUICK)


@pytest.mark.parametrize(
    "wrong", [{"rounds": 2}, {"turn_s": 0.0}, {"warm_up_s": -1.0}, {"turn_s": float("nan")}]
)
def test_a_schedule_that_measures_nothing_is_refused(wrong):
    with pytest.raises(SpecError):
        Schedule(**wrong)
