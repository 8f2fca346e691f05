"""The targets in C: their names, what is counted, and what is planted in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reliability.fuzz.target import NativePlant, NativeTarget

__all__ = ["NATIVE_TARGETS"]

_BUILDING: Final = ("build/", "weights/", "operands/", "step.c", "registry.c", "contents.c", "jit/")

NATIVE_TARGETS: Final[Mapping[str, NativeTarget]] = {
    target.name: target
    for target in (
        NativeTarget(
            "builder",
            "calls of the C builder, in any order, with any numbers",
            _BUILDING,
            NativePlant(
                "numbers of operations may be one less than the least",
                "build/direct.c",
                "given->data[i] < number->least || given",
                "given->data[i] < number->least - 1 || given",
            ),
        ),
        NativeTarget(
            "executor",
            "programs, run on any numbers: a batch, its images and one thread give the same bits",
            (*_BUILDING, "run/"),
            NativePlant(
                "rows and columns are looked up where there are none",
                "build/resample.c",
                "if (given[i] < -1 || given[i] >= extent)",
                "if (given[i] < -1)",
            ),
        ),
        NativeTarget(
            "sharing",
            "shared sums: found, checked against their members, and read from lists of anybody",
            ("sums/", "weights/check_sums.c", "weights/pack_sums.c", "weights/sums.c"),
            NativePlant(
                "operands of lists of sums may be negative",
                "weights/check_sums.c",
                "if (operand < 0 || used >= node)",
                "if (used >= node)",
            ),
        ),
    )
}
