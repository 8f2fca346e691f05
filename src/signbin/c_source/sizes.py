"""What an exported network takes of a microcontroller, and whether that fits a budget."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Final

from signbin.errors import SpecError

__all__ = ["DeviceBudget", "Sizes", "check_budget", "kernel_text", "parse_bytes", "sizes_of"]

_UNITS: Final = {"": 1, "k": 1024, "kb": 1024, "m": 1024**2, "mb": 1024**2}
_CALL_BYTES: Final = 28  # of a call with its arguments, Thumb-2
_RUN_STACK_BYTES: Final = 96  # of the function that runs the network
_SHOWN: Final = 3


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Bytes. constants: weights and all else that does not change. code, stack: at most, compiled
    for a Cortex-M4 with -O2 (``kernels/sizes.toml``). ram: the memory that a call takes.
    """

    constants: int
    code: int
    ram: int
    stack: int

    @property
    def flash(self) -> int:
        """Constants and code."""
        return self.constants + self.code


@dataclasses.dataclass(frozen=True)
class DeviceBudget:
    """Most bytes of flash, and of RAM with the stack; None: any."""

    flash: int | None = None
    ram: int | None = None


def kernel_text(name: str) -> str:
    """The text of a kernel file, as it is shipped."""
    return (resources.files("signbin.c_source") / "kernels" / name).read_text(encoding="utf-8")


def parse_bytes(option: str, text: str | None) -> int | None:
    """A size as people write it; SpecError for anything else.

    >>> parse_bytes("--max-flash", "128k"), parse_bytes("--max-flash", None)
    (131072, None)
    """
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,9})\s*([a-zA-Z]{0,2})", text.strip())
    if found is None or found[2].lower() not in _UNITS:
        raise SpecError(option, value=text, allowed="bytes, as 65536, 64k or 1M")
    return int(found[1]) * _UNITS[found[2].lower()]


def sizes_of(constants: int, ram: int, calls: int, kernels: tuple[str, ...]) -> Sizes:
    """What is known before anything is compiled."""
    table = tomllib.loads(kernel_text("sizes.toml"))
    stack: Mapping[str, int] = table["stack_bytes"]
    code = sum(table["code_bytes"][name] for name in kernels) + calls * _CALL_BYTES
    inner = max(stack[name] for name in kernels)
    beneath = stack["moving.c"] if "moving.c" in kernels else 0
    return Sizes(constants, code, ram, _RUN_STACK_BYTES + inner + beneath)


def check_budget(sizes: Sizes, budget: DeviceBudget, layers: Mapping[str, int], arena: str) -> None:
    """SpecError where the network does not fit, with what takes most and what would fit.

    layers: bytes of constants by layer. arena: which values fill it, in words.
    """
    if budget.flash is not None and sizes.flash > budget.flash:
        largest = sorted(layers.items(), key=lambda item: -item[1])[:_SHOWN]
        shown = ", ".join(f"{name} {size:,}" for name, size in largest)
        raise SpecError(
            "flash of the exported network",
            value=f"{sizes.flash:,} bytes: constants {sizes.constants:,}, code {sizes.code:,}",
            allowed=f"at most {budget.flash:,}",
            remedy=f"--max-flash {_kilobytes(sizes.flash)} fits; the largest layers: {shown}",
        )
    ram = sizes.ram + sizes.stack
    if budget.ram is not None and ram > budget.ram:
        raise SpecError(
            "RAM of the exported network",
            value=f"{ram:,} bytes: memory {sizes.ram:,}, stack {sizes.stack:,}",
            allowed=f"at most {budget.ram:,}",
            remedy=f"--max-ram {_kilobytes(ram)} fits; fullest where these are held: {arena}",
        )


def _kilobytes(size: int) -> str:
    return f"{-(-size // 1024)}k"
