"""The machine a plan is made for: one frozen description, so that x86 can plan for ARM."""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
from collections.abc import Mapping
from typing import Any, Final

from signbin.errors import PlanError, nearest
from signbin.plan.cores import CORES, MODELLED, WALK_SHARE, Core

__all__ = ["MachineCode", "Target"]

_LARGEST_CACHE: Final = 2**40
# The instruction sets of a processor, each with all kernels of those before it.
_NEON: Final = ("neon", "neon_dot", "neon_i8mm")
_FAMILIES: Final = (("avx2", "avx512", "avx512vnni"), _NEON)


class MachineCode(enum.Enum):
    """Whether kernels may be used whose machine code is made when a program is built.

    The value is what a plan says of it. UNKNOWN: nobody has asked the machine.
    """

    ON = "generated code"
    OFF = "no generated code: it is switched off"
    REFUSED = "no generated code: the system gives no memory to run it from"
    UNKNOWN = "no generated code: the machine was not asked"
    UNMEASURED = "no generated code: nobody has measured it on this processor; jit=True makes it"


@dataclasses.dataclass(frozen=True)
class Target:
    """Instruction set, vector width, caches and the rates that the cost model uses.

    isa: name of the instruction set, as in Kernel.isa. lanes: fp32 numbers per vector.
    l1_bytes, l2_bytes, l3_bytes: data caches one thread sees. fma_per_cycle: vector
    multiply-adds that a dense kernel sustains. add_per_cycle, load_per_cycle: vector additions
    and loads. add_latency: cycles until a sum can be added to again. offset_cycles: to read
    where one input lies. bucket_cycles: to enter and leave one bucket (its length, its loop,
    its share of mispredicted exits). l2_load_cost: cycles of a vector of floats from L2 in those of
    one from L1. registers: vector registers. host: whether the CPU that
    reported the kernels is this target; where it is not, Kernel.usable says nothing about this
    target and is ignored. generation: whether walks may become machine code.
    core: a name of signbin.plan.cores, whose rates are modelled; "" for none. code_adds: additions
    that a vector of 8-bit codes takes. merge_cycles: of such a vector, from the sum of a walk to
    the output. walk_share: of the speed that these rates give walks over codes, what networks of
    them keep.
    """

    isa: str
    lanes: int
    fma_per_cycle: float
    add_per_cycle: float
    load_per_cycle: float
    add_latency: float
    offset_cycles: float
    bucket_cycles: float
    registers: int = 16
    l2_load_cost: float = 3.0
    l1_bytes: int = 32 * 1024
    l2_bytes: int = 512 * 1024
    l3_bytes: int = 8 * 1024 * 1024
    host: bool = True
    generation: MachineCode = MachineCode.UNKNOWN
    core: str = ""
    code_adds: int = 1
    merge_cycles: float = 9.0
    walk_share: float = 1.0

    def __post_init__(self) -> None:
        if not self.isa:
            raise PlanError("target isa", value=self.isa, allowed="a name")
        for name in ("lanes", "registers", "l1_bytes", "l2_bytes", "l3_bytes", "code_adds"):
            extent = getattr(self, name)
            if isinstance(extent, bool) or not isinstance(extent, int) or extent < 1:
                raise PlanError(f"target {name}", value=extent, allowed="a positive whole number")
        rates = ("fma_per_cycle", "add_per_cycle", "load_per_cycle", "l2_load_cost", "walk_share")
        for name in rates:
            rate = getattr(self, name)
            if not math.isfinite(rate) or rate <= 0:
                raise PlanError(f"target {name}", value=rate, allowed="a positive number")
        for name in ("add_latency", "offset_cycles", "bucket_cycles", "merge_cycles"):
            cycles = getattr(self, name)
            if not math.isfinite(cycles) or cycles < 0:
                raise PlanError(f"target {name}", value=cycles, allowed="a number >= 0")

    @classmethod
    def portable(cls) -> Target:
        """Any 64-bit CPU: the kernels in plain C, 8 lanes in two 16-byte registers."""
        return _INSTRUCTION_SETS["portable"]

    @classmethod
    def for_isa(cls, isa: str, *, host: bool = True) -> Target:
        """The default description of an instruction set; PlanError for one we do not know."""
        if not isinstance(isa, str) or isa not in _INSTRUCTION_SETS:
            raise PlanError("target isa", value=isa, allowed=", ".join(_INSTRUCTION_SETS))
        return dataclasses.replace(_INSTRUCTION_SETS[isa], host=host)

    @classmethod
    def named(cls, name: str) -> Target:
        """Another machine than this one: a core of :mod:`signbin.plan.cores`, or the typical one of
        an instruction set. PlanError, with the nearest name, for one that is neither.

        >>> print(Target.named("cortex-a76"))
        cortex-a76, neon_dot (4 lanes, L1 64 KiB); rates modelled, never executed on hardware
        """
        if isinstance(name, str) and name in CORES:
            return dataclasses.replace(_on_core(CORES[name]), host=False)
        known = [*CORES, *_INSTRUCTION_SETS]
        if name not in known:
            allowed, meant = ", ".join(known), nearest(name, known)
            raise PlanError("target", value=name, allowed=allowed, remedy=meant)
        return cls.for_isa(name, host=False)

    @classmethod
    def from_cpu(cls, cpu: Mapping[str, Any], isa: str = "auto") -> Target:
        """The machine at hand, driven with ``isa``: its caches from what the CPU reports.

        cpu: a mapping with ``isa`` (what ``auto`` stands for; portable where absent) and
        ``l1_bytes``, ``l2_bytes``, ``l3_bytes``; a size that is absent, zero or None is unknown
        and keeps the default. ``generates``: whether code may be generated and run; where nobody
        has measured it, none is all the same (:meth:`generating`). ``parts``: of ARM's cores; the
        fastest that we know gives the rates. PlanError for anything else.
        """
        if isa == "auto":
            isa = cpu.get("isa", "portable")
        known: dict[str, Any] = {}
        for name in ("l1_bytes", "l2_bytes", "l3_bytes"):
            size = cpu.get(name)
            if size is None or size == 0:
                continue
            if isinstance(size, bool) or not isinstance(size, int) or not 0 < size < _LARGEST_CACHE:
                raise PlanError(f"cpu {name}", value=size, allowed="a size in bytes, or 0")
            known[name] = size
        generates = cpu.get("generates")
        if generates is not None:
            allowed = MachineCode.UNMEASURED if isa in _NEON else MachineCode.ON
            known["generation"] = allowed if generates else MachineCode.REFUSED
        parts = cpu.get("parts", ())
        core = next((one for one in reversed(list(CORES.values())) if one.part in parts), None)
        described = cls.for_isa(isa)
        if core is not None and isa in _NEON[: _NEON.index(core.isa) + 1]:
            described = dataclasses.replace(_on_core(core), isa=isa)
        return dataclasses.replace(described, **known)

    def generating(self, jit: bool | None) -> Target:
        """This machine with the switch for machine code: None leaves it as it is.

        False: none. True: also where nobody has measured it, but not where the system refuses.
        """
        if jit is False:
            return dataclasses.replace(self, generation=MachineCode.OFF)
        if jit and self.generation is MachineCode.UNMEASURED:
            return dataclasses.replace(self, generation=MachineCode.ON)
        return self

    @property
    def is_arm(self) -> bool:
        """Whether its instruction set is one of 64-bit ARM's."""
        return self.isa in _NEON

    @property
    def code_bytes(self) -> int:
        """Bytes of an 8-bit code in memory: additions of ARM widen bytes, those of x86 do not."""
        return 1 if self.is_arm else 2

    @property
    def isas(self) -> tuple[str, ...]:
        """Instruction sets whose kernels serve this target, the preferred one first.

        The scalar kernels are the reference: a target forced to them uses nothing else.
        """
        if self.isa == "scalar":
            return (self.isa,)
        family = next((isas for isas in _FAMILIES if self.isa in isas), (self.isa,))
        below = family[: family.index(self.isa)][::-1]
        return tuple(dict.fromkeys((self.isa, *below, "portable", "scalar")))

    @functools.lru_cache(maxsize=64)  # noqa: B019 - equal targets are one, and there are few
    def running(self, isa: str) -> Target:
        """This machine while it runs a kernel of ``isa``: that width and rate, these caches."""
        if isa == self.isa:
            return self
        if self.isa in _NEON and isa in _NEON:
            return dataclasses.replace(self, isa=isa)
        caches = {name: getattr(self, name) for name in ("l1_bytes", "l2_bytes", "l3_bytes")}
        return dataclasses.replace(
            self.for_isa(isa), host=self.host, generation=self.generation, **caches
        )

    def __str__(self) -> str:
        size = f"{self.lanes} lanes, L1 {self.l1_bytes // 1024} KiB"
        generates = self.generation is MachineCode.ON
        described = f"{self.isa} ({size}{', generated code' if generates else ''})"
        if self.core:
            described = f"{self.core}, {described}"
        return f"{described}; rates {MODELLED}" if self.isa in _NEON else described


def _on_core(core: Core) -> Target:
    """A core's rates."""
    return Target(
        isa=core.isa,
        lanes=4,
        fma_per_cycle=core.adds,
        add_per_cycle=core.adds,
        load_per_cycle=core.loads,
        add_latency=4.0,
        offset_cycles=core.offset_cycles,
        bucket_cycles=core.bucket_cycles,
        registers=32,
        l1_bytes=core.l1_bytes,
        l2_bytes=core.l2_bytes,
        l3_bytes=core.l3_bytes,
        generation=MachineCode.UNMEASURED,
        core=core.name,
        code_adds=2,
        merge_cycles=core.result_cycles,
        walk_share=WALK_SHARE,
    )


def _typical(isa: str, core: str) -> Target:
    """An instruction set as a core of that name runs it, with caches of nobody in particular."""
    return dataclasses.replace(
        _on_core(CORES[core]),
        isa=isa,
        core="",
        l1_bytes=32 * 1024,
        l2_bytes=512 * 1024,
        l3_bytes=2 * 1024 * 1024,
        generation=MachineCode.UNKNOWN,
    )


# Rates per cycle as one core sustains them in our kernels, not the peaks of the data sheets. Those
# of avx2 were fitted to measured tiles of ResNet-18's layers on a Zen 4, and the cost of the second
# cache in avx512, whose vectors are whole lines; the others are estimates, those of neon the
# modelled ones of a typical core.
_INSTRUCTION_SETS: Final = {
    target.isa: target
    for target in (
        Target("scalar", 1, 1.0, 1.0, 2.0, 4.0, 0.5, 1.0),
        Target("portable", 4, 1.0, 2.0, 1.5, 4.0, 0.5, 1.0),
        Target("avx2", 8, 1.65, 2.0, 2.0, 4.0, 1.0, 1.0),
        Target("avx512", 16, 0.96, 1.0, 1.0, 4.0, 0.5, 1.0, registers=32, l2_load_cost=1.5),
        Target("avx512vnni", 16, 0.96, 1.0, 1.0, 4.0, 0.5, 1.0, registers=32, l2_load_cost=1.5),
        _typical("neon", "cortex-a72"),
        _typical("neon_dot", "cortex-a76"),
        _typical("neon_i8mm", "cortex-a710"),
    )
}
