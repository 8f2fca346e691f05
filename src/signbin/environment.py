"""The machine and the software a number was obtained on, as plain data for JSON."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

__all__ = ["cpu_flags", "environment"]

_FLAGS_OF_INTEREST: Final = (
    "sse4_1", "ssse3", "avx", "avx2", "fma", "f16c", "bmi2", "avx512f", "avx512bw", "avx512vl",
    "avx512_vnni", "avx_vnni", "amx_int8", "neon", "asimd", "asimddp", "i8mm", "sve",
)  # fmt: skip
_PROCESSOR: Final = Path("/proc/cpuinfo")
_MEMORY: Final = Path("/proc/meminfo")
_CACHES: Final = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS: Final = {"K": 1024, "M": 1024**2, "G": 1024**3}


def environment(native: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What influences a result: CPU, memory, operating system, versions, load, time.

    native: what the native library says of its own build (compiler, flags), copied as it is.
    Keys ``cpu``: model, architecture, flags (the vector extensions present), cores_online,
    cores_allowed (by affinity), caches_bytes of core 0 by name; ``memory_bytes``;
    ``system``; ``versions`` of Python, numpy, and, where installed, signbin and torch (which is
    looked up, not imported);
    ``load_average`` over 1, 5, 15 minutes; ``time_utc``, ISO 8601 to the second. What the system
    does not tell is None or missing. No host, user or path names.
    """
    allowed = _allowed_cores()
    return {
        "cpu": {
            "model": _field(_PROCESSOR, ("model name", "Model", "Hardware")),
            "architecture": platform.machine(),
            "flags": cpu_flags(),
            "cores_online": os.cpu_count(),
            "cores_allowed": allowed,
            "caches_bytes": _caches(),
        },
        "memory_bytes": _memory_bytes(),
        "system": f"{platform.system()} {platform.release()}",
        "versions": _versions(),
        "native": dict(native or {}),
        "load_average": _load_average(),
        "time_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _field(path: Path, names: tuple[str, ...]) -> str | None:
    """The first ``name : value`` line of a /proc file; None where there is none."""
    for line in _read(path).splitlines():
        name, separator, value = line.partition(":")
        if separator and name.strip() in names:
            return value.strip()
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def cpu_flags() -> list[str]:
    """The vector extensions this CPU has, by Linux's names, narrow ones first; [] elsewhere."""
    present = set((_field(_PROCESSOR, ("flags", "Features")) or "").split())
    return [flag for flag in _FLAGS_OF_INTEREST if flag in present]


def _allowed_cores() -> int | None:
    if not hasattr(os, "sched_getaffinity"):
        return None
    return len(os.sched_getaffinity(0))


def _caches() -> dict[str, int]:
    """``L1 data``, ``L2 unified``... -> bytes."""
    caches = {}
    for folder in sorted(_CACHES.glob("index*")):
        level, kind, size = (_read(folder / name).strip() for name in ("level", "type", "size"))
        if level and size[:-1].isdigit() and size[-1] in _UNITS:
            caches[f"L{level} {kind.lower()}"] = int(size[:-1]) * _UNITS[size[-1]]
    return caches


def _memory_bytes() -> int | None:
    total = (_field(_MEMORY, ("MemTotal",)) or "").split()
    return int(total[0]) * 1024 if total and total[0].isdigit() else None


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    for name in ("signbin", "torch"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _load_average() -> list[float] | None:
    try:
        return [round(load, 2) for load in os.getloadavg()]
    except OSError:
        return None
