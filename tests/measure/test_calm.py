"""Waiting for cores that nobody else uses."""

import pytest

from signbin.errors import SpecError
from signbin.measure import CalmCores, Schedule, take_turns


class Machine:
    """Probes of a core, each at the next of some speeds; the last one stays."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)
        self.probes = 0

    def probe(self, core: int) -> list[float]:
        self.probes += 1
        taken = self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]
        return [taken] * 3


def test_a_busy_core_is_waited_for_until_it_is_as_fast_as_before():
    machine = Machine(1.0, 1.6, 1.5, 1.02)
    cores = CalmCores((0,), 60.0, machine.probe)
    assert cores.wait()
    assert cores.wait()
    assert machine.probes == 4
    assert (cores.calm, cores.asked) == (2, 2)


def test_all_cores_must_be_calm():
    machine = Machine(1.0, 1.0, 1.0, 2.0, 1.0, 1.0)
    cores = CalmCores((0, 1), 60.0, machine.probe)
    assert cores.wait()
    assert cores.wait()
    assert machine.probes == 6


def test_after_the_limit_nothing_is_waited_for():
    machine = Machine(1.0, 2.0)
    cores = CalmCores((0,), 0.05, machine.probe)
    assert cores.wait()
    assert not cores.wait()
    before = machine.probes
    assert not cores.wait()
    assert machine.probes == before
    assert (cores.calm, cores.asked) == (1, 3)


def test_every_turn_waits():
    class Side:
        name = "a"

        def run(self, count):
            return [0.001] * count

    cores = CalmCores((0,), 60.0, Machine(1.0).probe)
    take_turns([Side()], Schedule(rounds=4, warm_up_s=0.0, turn_s=1e-9), cores)
    assert (cores.calm, cores.asked) == (4, 4)


def test_the_probe_of_this_machine_leaves_the_process_where_it_may_run():
    import os

    allowed = os.sched_getaffinity(0)
    cores = CalmCores((min(allowed),), 5.0)
    cores.wait()
    assert os.sched_getaffinity(0) == allowed


@pytest.mark.parametrize("limit", [-1.0, float("nan")])
def test_a_limit_is_not_negative(limit):
    with pytest.raises(SpecError, match="calm"):
        CalmCores((0,), limit)
    with pytest.raises(SpecError, match="calm"):
        Schedule(calm_s=limit)
