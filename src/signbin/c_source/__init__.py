"""Networks as C99 source for microcontrollers: one bit per weight, no heap, no libm."""

from signbin.c_source.compiled import CompiledNetwork, c_compiler
from signbin.c_source.network import Network, write_network
from signbin.c_source.project import Golden, write_project
from signbin.c_source.sizes import DeviceBudget, Sizes, check_budget, parse_bytes

__all__ = [
    "CompiledNetwork",
    "DeviceBudget",
    "Golden",
    "Network",
    "Sizes",
    "c_compiler",
    "check_budget",
    "parse_bytes",
    "write_network",
    "write_project",
]
