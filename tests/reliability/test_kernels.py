"""Every kernel alone: a slice of it here, and every fault that can be planted is found."""

from collections import Counter

import pytest

from reliability import kernels
from signbin import native

NATIVE = kernels.machines()[0]


@pytest.fixture(scope="session")
def program():
    """Built from the sources as they are."""
    return kernels.build(NATIVE)


def test_every_row_of_the_instruction_set_with_most_keeps_its_promises(program):
    rows = Counter(kernel.isa for kernel in native.kernels() if kernel.usable)
    ((isa, count),) = rows.most_common(1)
    counted, printed = kernels.run(NATIVE, program, "--cases", "1", "--seed", "20", "--isa", isa)
    assert counted["failures"] == [], printed
    assert counted["isas"] == {isa: counted["rows"]}
    assert counted["rows"] > count / 2
    assert counted["calls"] > 10 * counted["rows"]


@pytest.mark.wide
def test_every_row_that_this_cpu_runs_keeps_its_promises(program):
    counted, printed = kernels.run(NATIVE, program, "--cases", "1", "--seed", "20")
    assert counted["failures"] == [], printed
    assert counted["rows"] > 100
    assert counted["calls"] > 10_000
    assert sum(counted["isas"].values()) == counted["rows"]


def test_every_generated_walk_keeps_its_promises(program):
    counted, printed = kernels.run(
        NATIVE, program, "--cases", "1", "--seed", "21", "--kernel", "_g8"
    )
    assert counted["failures"] == [], printed
    assert counted["walks"] > 20 or not counted["rows"]


def test_a_seed_repeats_its_run(program):
    one, two = (
        kernels.run(NATIVE, program, "--cases", "1", "--seed", "7", "--kernel", "bucket")[0]
        for _ in range(2)
    )
    assert {**one, "seconds": 0} == {**two, "seconds": 0}


def test_every_planted_fault_is_found_and_named(program):
    found = kernels.planted(NATIVE, program)
    assert len(found) > 15
    assert [name for name, named in found.items() if not named] == []
