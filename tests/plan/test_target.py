import dataclasses

import pytest

from signbin.errors import PlanError
from signbin.plan import MachineCode, Target


def test_the_caches_of_the_cpu_replace_the_defaults_where_it_reports_them():
    cpu = {"isa": "portable", "l1_bytes": 48 * 1024, "l2_bytes": 0, "vendor": "someone"}
    target = Target.from_cpu(cpu)
    assert target.isa == "portable"
    assert target.l1_bytes == 48 * 1024
    assert target.l2_bytes == Target.portable().l2_bytes
    assert Target.from_cpu(cpu, "scalar").lanes == 1


@pytest.mark.parametrize("cpu", [{"l1_bytes": -1}, {"l1_bytes": "32K"}, {"isa": "z80"}, {"isa": 3}])
def test_a_cpu_that_makes_no_sense_is_refused(cpu):
    with pytest.raises(PlanError):
        Target.from_cpu(cpu)


def test_kernels_of_the_target_come_first_and_scalar_stands_alone():
    assert Target.for_isa("avx2").isas == ("avx2", "portable", "scalar")
    assert Target.for_isa("avx512").isas == ("avx512", "avx2", "portable", "scalar")
    vnni = Target.for_isa("avx512vnni").isas
    assert vnni == ("avx512vnni", "avx512", "avx2", "portable", "scalar")
    assert Target.for_isa("neon_i8mm").isas == (
        "neon_i8mm",
        "neon_dot",
        "neon",
        "portable",
        "scalar",
    )
    assert Target.portable().isas == ("portable", "scalar")
    assert Target.for_isa("scalar").isas == ("scalar",)


@pytest.mark.parametrize(
    "change",
    [{"lanes": 0}, {"lanes": True}, {"fma_per_cycle": 0.0}, {"bucket_cycles": -1.0}, {"isa": ""}],
)
def test_impossible_machines_are_refused(change):
    with pytest.raises(PlanError):
        dataclasses.replace(Target.portable(), **change)


def test_machine_code_is_made_unasked_only_where_it_has_been_measured():
    x86 = Target.from_cpu({"isa": "avx2", "generates": True})
    arm = Target.from_cpu({"isa": "neon_dot", "generates": True})
    refused = Target.from_cpu({"isa": "neon", "generates": False})
    wanted = {
        None: (MachineCode.ON, MachineCode.UNMEASURED, MachineCode.REFUSED),
        True: (MachineCode.ON, MachineCode.ON, MachineCode.REFUSED),
        False: (MachineCode.OFF,) * 3,
    }
    for jit, generations in wanted.items():
        found = tuple(target.generating(jit).generation for target in (x86, arm, refused))
        assert found == generations, jit


def test_codes_have_a_byte_on_arm_and_two_elsewhere():
    assert [Target.for_isa(isa).code_bytes for isa in ("neon_i8mm", "neon", "avx2")] == [1, 1, 2]
