"""Programs for the emulated board: built with arm-none-eabi-gcc, run in QEMU, and measured."""

from __future__ import annotations

import collections
import dataclasses
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from signbin.errors import ExecutionError

__all__ = ["CORES", "Program", "Run", "build", "compiled", "missing", "run", "version"]

COMPILER: Final = "arm-none-eabi-gcc"
EMULATOR: Final = "qemu-system-arm"
CORES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "cortex-m4": ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
        "cortex-m3": ("-mcpu=cortex-m3", "-mfloat-abi=soft"),
        "cortex-m0plus": ("-mcpu=cortex-m0plus", "-mfloat-abi=soft"),
    }
)
"""Core -> what the compiler is told; the board's own is a Cortex-M4, which runs code of all."""
_HERE: Final = Path(__file__).parent
_LINKED: Final = re.compile(r"^ \.(text|rodata|data|bss)\S*\s+0x(\w+)\s+0x(\w+)\s+(\S+)$", re.M)
_NUMBER: Final = re.compile(r"^(\w+) (\d+)$", re.M)


@dataclasses.dataclass(frozen=True)
class Program:
    """A linked program. sections: bytes by (object file, section), what was linked alone."""

    path: Path
    sections: Mapping[tuple[str, str], int]

    def bytes_of(self, section: str, objects: Iterable[str]) -> int:
        """Bytes of a section (text, rodata, data, bss) in these objects."""
        wanted = set(objects)
        return sum(
            size
            for (name, kind), size in self.sections.items()
            if kind == section and name in wanted
        )


@dataclasses.dataclass(frozen=True)
class Run:
    """What a program said. instructions: of the first run, to 40; stack, memory: bytes; differ:
    outputs that were wrong.
    """

    instructions: int
    stack: int
    memory: int
    differ: int


def missing() -> str | None:
    """The first program that is not installed, or None."""
    return next((name for name in (COMPILER, EMULATOR) if not shutil.which(name)), None)


def build(
    folder: Path,
    name: str,
    sources: Sequence[Path],
    includes: Sequence[Path],
    flags: Sequence[str],
    main: str = "measure.c",
) -> Program:
    """A program of this folder with sources of others.

    measure.c runs a network: its header NAME.h, and golden.h, lie in ``folder``. ExecutionError
    where the compiler or the linker says anything.
    """
    defines = {
        "NETWORK_H": f'"{name}.h"',
        "NETWORK_MEMORY": f"{name}_memory",
        "NETWORK_RUN": f"{name}_run",
        "NETWORK_OUTPUTS": "GOLDEN_OUTPUTS",
        "GOLDEN_H": '"golden.h"',
    }
    target, objects = folder / f"{name}.elf", []
    common = ["-mthumb", "-Wall", "-Wextra", "-ffunction-sections", "-fdata-sections", *flags]
    common += [f"-I{path}" for path in (folder, _HERE, *includes)]
    common += [f"-D{key}={value}" for key, value in defines.items()]
    for source in (_HERE / "start.c", _HERE / main, *sources):
        made = folder / f"{source.stem}.o"
        _silent([COMPILER, *common, "-c", str(source), "-o", str(made)])
        objects.append(str(made))
    link = ["-mthumb", *flags, "-nostartfiles", "-Wl,--gc-sections", "-T", str(_HERE / "board.ld")]
    chart = target.with_suffix(".map")
    _silent([COMPILER, *link, *objects, f"-Wl,-Map={chart}", "-o", str(target)])
    return Program(target, _sections(chart.read_text(encoding="utf-8")))


def run(program: Program, seconds: float = 600) -> Run:
    """Run it to its end; ExecutionError where it does not get there."""
    command = [EMULATOR, "-M", "mps2-an386", "-nographic", "-semihosting", "-icount", "shift=0"]
    told = subprocess.run(
        [*command, "-kernel", str(program.path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
        stdin=subprocess.DEVNULL,
    )
    found = {key: int(text) for key, text in _NUMBER.findall(told.stdout + told.stderr)}
    try:
        return Run(**{field.name: found[field.name] for field in dataclasses.fields(Run)})
    except KeyError as error:
        said = (told.stdout + told.stderr)[-500:]
        raise ExecutionError(f"running {program.path.name}", value=said) from error


def compiled(folder: Path, source: Path, flags: Sequence[str]) -> tuple[int, int]:
    """Bytes of code of a source file, and of the frames of all its functions together."""
    made = folder / f"{source.stem}.o"
    _silent([COMPILER, "-mthumb", *flags, "-fstack-usage", "-c", str(source), "-o", str(made)])
    told = subprocess.run(
        ["arm-none-eabi-size", str(made)], capture_output=True, text=True, check=True
    )
    frames = made.with_suffix(".su").read_text(encoding="utf-8").splitlines()
    return int(told.stdout.splitlines()[1].split()[0]), sum(int(line.split()[1]) for line in frames)


def version() -> str:
    """The compiler, as results name it."""
    told = subprocess.run([COMPILER, "-dumpversion"], capture_output=True, text=True, check=True)
    return f"{COMPILER} {told.stdout.strip()} -O2"


def _silent(command: list[str]) -> None:
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode or told.stderr:
        raise ExecutionError(f"{command[0]} for the board", value=told.stderr[-2000:])


def _sections(chart: str) -> dict[tuple[str, str], int]:
    """Of a linker map, behind the sections that were left out."""
    linked = chart[chart.index("Linker script and memory map") :]
    joined = re.sub(r"^( \.\S+)\n\s+(0x)", r"\1 \2", linked, flags=re.M)
    sizes: dict[tuple[str, str], int] = collections.Counter()
    for section, _, size, path in _LINKED.findall(joined):
        sizes[Path(path).name, section] += int(size, 16)
    return dict(sizes)
