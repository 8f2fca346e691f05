"""The compiled kernels: what they are, and the thin extension the runtime drives.

The extension is loaded on first use, so that rooms which only plan or read files work without
it.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signbin.errors import ExecutionError
from signbin.spec import Kernel

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["cpu", "extension", "isas", "kernels", "resolve_isa", "version"]


def extension() -> ModuleType:
    """The module signbin.native._signbin; ExecutionError where it has not been built."""
    try:
        from signbin.native import _signbin  # noqa: PLC0415 - loaded on first use
    except ImportError as error:
        raise ExecutionError(
            f"the native library cannot be loaded ({error})",
            remedy="install signbin with a C compiler at hand: pip install -e .",
        ) from error
    return _signbin


def kernels() -> tuple[Kernel, ...]:
    """Every row of native/src/kernels.def, in its order; ``usable`` is about this CPU."""
    return tuple(Kernel(**row) for row in extension().kernels())


def version() -> str:
    """Version of libsignbin."""
    return str(extension().version())


def isas() -> tuple[str, ...]:
    """Names that force an instruction set; the first, ``auto``, takes the best of this CPU."""
    return tuple(str(extension().isa_choices()).split(", "))


def resolve_isa(name: str) -> str:
    """The instruction set that ``name`` stands for on this CPU.

    ``auto`` is the best one. ExecutionError for a name that is none, or one this CPU lacks.
    """
    library = extension()
    try:
        return str(library.resolve_isa(name))
    except (library.StatusError, TypeError) as error:
        raise ExecutionError(
            "instruction set", value=name, allowed=", ".join(isas()), remedy="choose one of them"
        ) from error


def cpu() -> dict[str, Any]:
    """This CPU: ``name``, ``architecture``, ``isa`` (what ``auto`` means here), ``l1_bytes``,
    ``l2_bytes`` and ``l3_bytes`` (data caches; 0 where the system does not say), ``generates``;
    ``parts``: numbers of the cores of 64-bit ARM, as Linux tells them, () elsewhere.

    generates: whether this process may run machine code that it has written. That takes x86-64 or
    64-bit ARM, and a system that lets a page of memory become executable; it is tried with one
    page.
    """
    return {
        "name": _cpu_name(),
        "architecture": platform.machine(),
        "isa": resolve_isa("auto"),
        **extension().cpu(),
        "generates": extension().generates(),
        "parts": _parts(_described()),
    }


def _described() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _parts(text: str) -> tuple[int, ...]:
    """The part numbers of ARM Ltd's cores that /proc/cpuinfo lists, each once."""
    found = dict[int, None]()
    designer = ""
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "CPU implementer":
            designer = value
        elif key == "CPU part" and designer == "0x41":
            found[int(value, 16)] = None
    return tuple(found)


def _cpu_name() -> str:
    for line in _described().splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model"):
            return value.strip()
    return platform.processor() or platform.machine()
