"""Cores of 64-bit ARM by name, with rates from models of their ports.

Nothing here was timed: every rate is modelled, never executed on hardware. Sustained additions,
loads and products come from the instructions of each loop and from LLVM's scheduling models of the
cores (llvm-mca; of Neoverse N1 for A76 and N1, of N2 for A710 and N2), corrected where in-order
cores block on 128-bit loads. What such a model leaves out, memory and mispredicted branches above
all, costs walks more than products: on the one processor where walks were modelled and measured, a
Zen 4, whole networks of them reached ``WALK_SHARE`` of what the model gives them against products.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["CORES", "MODELLED", "WALK_SHARE", "Core"]

MODELLED: Final = "modelled, never executed on hardware"
WALK_SHARE: Final = 0.64


@dataclasses.dataclass(frozen=True)
class Core:
    """One core, in cycles.

    part: its number in the main identification register. gigahertz: of the board or instance that
    is named first. isa: the best it runs. adds, loads: 128-bit additions and loads a cycle.
    offset_cycles, bucket_cycles: as in Target. result_cycles: from a vector of 16 sums to codes.
    products: multiply-accumulates of bytes a cycle, by instruction set.
    """

    name: str
    part: int
    gigahertz: float
    board: str
    isa: str
    adds: float
    loads: float
    offset_cycles: float
    bucket_cycles: float
    result_cycles: float
    products: Mapping[str, float]
    l1_bytes: int
    l2_bytes: int
    l3_bytes: int


_KB: Final = 1024
_MB: Final = 1024 * 1024
_OF_A76: Final = {"neon": 8.0, "neon_dot": 31.9}
_OF_A710: Final = {"neon": 10.6, "neon_dot": 31.9, "neon_i8mm": 63.5}
_ROWS: Final = (
    Core(
        "cortex-a53", 0xD03, 1.4, "Raspberry Pi 3 B+", "neon",
        0.556, 0.5, 12.0, 4.0, 36.0, {"neon": 3.6}, 32 * _KB, 512 * _KB, 512 * _KB,
    ),
    Core(
        "cortex-a55", 0xD05, 1.8, "RK3588, little cores", "neon_dot",
        1.03, 0.5, 8.8, 12.0, 36.0, {"neon": 4.0, "neon_dot": 11.5}, 32 * _KB, 128 * _KB, 3 * _MB,
    ),
    Core(
        "cortex-a72", 0xD08, 1.8, "Raspberry Pi 4", "neon",
        1.8, 1.0, 2.5, 15.0, 18.0, {"neon": 8.0}, 32 * _KB, 1 * _MB, 1 * _MB,
    ),
    Core(
        "cortex-a76", 0xD0B, 2.4, "Raspberry Pi 5", "neon_dot",
        2.0, 2.0, 1.0, 7.0, 13.0, _OF_A76, 64 * _KB, 512 * _KB, 2 * _MB,
    ),
    Core(
        "neoverse-n1", 0xD0C, 2.5, "AWS Graviton 2", "neon_dot",
        2.0, 2.0, 1.0, 7.0, 13.0, _OF_A76, 64 * _KB, 1 * _MB, 32 * _MB,
    ),
    Core(
        "cortex-a710", 0xD47, 2.5, "phones of 2022", "neon_i8mm",
        2.0, 2.0, 1.0, 7.0, 13.0, _OF_A710, 64 * _KB, 512 * _KB, 4 * _MB,
    ),
    Core(
        "neoverse-n2", 0xD49, 2.7, "Alibaba Yitian 710", "neon_i8mm",
        2.0, 2.0, 1.0, 7.0, 13.0, _OF_A710, 64 * _KB, 1 * _MB, 32 * _MB,
    ),
)  # fmt: skip
CORES: Final[Mapping[str, Core]] = MappingProxyType({core.name: core for core in _ROWS})
"""By name, from the slowest to the fastest."""
