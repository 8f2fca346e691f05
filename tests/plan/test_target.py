import dataclasses

import pytest

from signbin.errors import PlanError
from signbin.plan import MachineCode, Target
from signbin.plan.cores import CORES, MODELLED


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


def test_a_core_is_another_machine_and_says_that_its_rates_are_modelled():
    target = Target.named("cortex-a76")
    assert not target.host
    assert target.isa == "neon_dot"
    assert target.generation is MachineCode.UNMEASURED
    assert all(MODELLED in str(Target.named(name)) for name in CORES)
    assert Target.named("avx2") == Target.for_isa("avx2", host=False)


@pytest.mark.parametrize(
    ("name", "meant"), [("cortex-a77", "cortex-a76"), ("neon-dot", "neon_dot"), ("", ""), (3, "")]
)
def test_an_unknown_target_is_refused_with_the_nearest(name, meant):
    with pytest.raises(PlanError, match=f"did you mean {meant}" if meant else "neoverse-n1"):
        Target.named(name)


def test_a_board_is_its_fastest_known_core_with_its_own_caches():
    cpu = {"isa": "neon_dot", "parts": (0xD05, 0xD0B), "l1_bytes": 32 * 1024}
    target = Target.from_cpu(cpu)
    assert (target.core, target.isa, target.l1_bytes) == ("cortex-a76", "neon_dot", 32 * 1024)
    assert target.host
    assert Target.from_cpu(cpu, "neon").core == "cortex-a76"
    assert Target.from_cpu(cpu, "portable").core == ""
    assert Target.from_cpu({"isa": "neon_dot", "parts": (0x123,)}).core == ""


def test_a_core_keeps_its_rates_with_kernels_of_lower_instruction_sets():
    target = Target.named("neoverse-n2")
    assert target.running("neon").add_per_cycle == target.add_per_cycle
    assert target.running("neon").isa == "neon"
    assert target.running("portable").core == ""
