"""Every kernel alone, on 64-bit ARM: a slice of `make check-kernels`."""

import pytest

from reliability import kernels

pytestmark = pytest.mark.arm
PROGRAM = kernels.ROOT / "build" / "aarch64" / "release" / "check_kernels"


def there(machine) -> kernels.Machine:
    command = (machine.qemu, "-cpu", machine.cpu, "-L", "/usr/aarch64-linux-gnu")
    return kernels.Machine(machine.cpu, "aarch64", command)


def test_every_row_of_arm_and_every_walk_keeps_its_promises(machine) -> None:
    counted, printed = kernels.run(there(machine), PROGRAM, "--cases", "1", "--seed", "21")
    assert counted["failures"] == [], printed
    assert counted["rows"] > 100
    assert "neon" in counted["isas"]


def test_every_generated_walk_of_arm_keeps_its_promises(machine) -> None:
    options = ("--cases", "1", "--seed", "22", "--kernel", "_g8")
    counted, printed = kernels.run(there(machine), PROGRAM, *options)
    assert counted["failures"] == [], printed
    assert counted["walks"] > 20


@pytest.mark.parametrize("machine", ["max"], indirect=True)
def test_every_planted_fault_is_found_and_named_on_arm(machine) -> None:
    found = kernels.planted(there(machine), PROGRAM)
    assert {"d8", "x19", "fpcr", "walk-is-no-instruction"} <= set(found)
    assert [name for name, named in found.items() if not named] == []
