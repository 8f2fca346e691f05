"""Exported C as WebAssembly: clang and wasm-ld, and nothing of any operating system."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from signbin.errors import ExecutionError

__all__ = ["TOOLS", "missing_tools", "web_assembly"]

TOOLS: Final = ("clang", "wasm-ld")
"""Programs that ``make ci-tools`` installs."""
_HOST: Final = Path(__file__).parent / "host.c"
_COMPILED: Final = (
    *("--target=wasm32", "-std=c99", "-O3", "-ffreestanding", "-nostdlib", "-fno-builtin"),
    *("-Wall", "-Wextra", "-Wpedantic", "-Werror"),
)
_LINKED: Final = ("-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=65536")
_SHOWN: Final = 2000


def missing_tools() -> tuple[str, ...]:
    """Those of TOOLS that this machine lacks."""
    return tuple(tool for tool in TOOLS if shutil.which(tool) is None)


def web_assembly(files: Mapping[str, str], code_bytes: int, *, simd: bool) -> bytes:
    """A module of the exported network and its host, ``host.c``.

    files: texts by path, as write_project gives them. code_bytes: of all watched images together.
    simd: whether it may use vectors of 128 bits. ExecutionError without tools, or where one of them
    says anything at all.
    """
    missing = missing_tools()
    if missing:
        raise ExecutionError(
            "compiling for browsers",
            value=f"no {' and no '.join(missing)}",
            allowed=" and ".join(TOOLS),
            remedy="apt-get install clang lld, or make ci-tools as root",
        )
    with tempfile.TemporaryDirectory(prefix="signbin-") as folder:
        target = Path(folder) / "network.wasm"
        sources = _written(Path(folder), files)
        command = [
            *("clang", *_COMPILED, f"-DCODE_BYTES={code_bytes}", f"-I{folder}/src"),
            *(("-msimd128",) if simd else ()),
            *(*_LINKED, str(_HOST), *sources, "-o", str(target)),
        ]
        _run(command)
        return target.read_bytes()


def _written(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Paths of the sources, once they are there."""
    sources = []
    for path, text in files.items():
        if path.startswith("src/"):
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
            if path.endswith(".c"):
                sources.append(str(folder / path))
    return sources


def _run(command: Sequence[str]) -> None:
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode or told.stderr:
        raise ExecutionError(
            "compiling a network for browsers", value=told.stderr[-_SHOWN:], allowed="no message"
        )
