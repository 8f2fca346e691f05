"""What a target is: a reader, or a part of the C library, that is given bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final

__all__ = ["MOST_MEMORY", "MOST_SECONDS", "NativePlant", "NativeTarget", "PythonTarget"]

MOST_SECONDS: Final = 10
"""Processor time of one execution; more is a finding."""
MOST_MEMORY: Final = 1024
"""MiB that one execution may add to the process; more is a finding."""


@dataclasses.dataclass(frozen=True)
class NativePlant:
    """A bug in a copy of one source file below native/src: ``sound`` becomes ``unsound``."""

    words: str
    file: str
    sound: str
    unsound: str


@dataclasses.dataclass(frozen=True)
class NativeTarget:
    """sb_fuzz_NAME of native/tests/fuzz. counted: files below native/src whose lines are stated."""

    name: str
    words: str
    counted: Sequence[str]
    plant: NativePlant
    largest: int = 1024
    executions: int = 2_000_000
    seconds: int = 20 * 60
    plant_executions: int = 200_000


@dataclasses.dataclass(frozen=True)
class PythonTarget:
    """``read`` is given bytes and raises nothing but SignbinError.

    counted: files below src/signbin whose lines are stated. plant: where, as "module:name", and
    what a bug puts there, given what there was.
    """

    name: str
    words: str
    read: Callable[[bytes], None]
    counted: Sequence[str]
    plant_words: str
    plant_place: str
    plant: Callable[[Any], Any]
    largest: int = 4096
    executions: int = 200_000
    seconds: int = 15 * 60
    plant_executions: int = 30_000
