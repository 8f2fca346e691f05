"""Every kernel alone, after the checkasm of FFmpeg and dav1d: built here, run, and counted.

    python -m reliability.kernels                       # this processor, and 64-bit ARM in QEMU
    python -m reliability.kernels --machine native --cases 1
    python -m reliability.kernels --go-on               # what is kept already is left out

native/tests/kernels is the program: each row of kernels.def and each walk that became machine code
is called through a trampoline, on memory between pages that nobody may touch. First every fault
that it must find is planted and must be named. Then it runs on this processor; where QEMU is there,
on an x86-64 without AVX, so that a kernel that uses more than its instruction set promises dies;
and, cross-compiled, on 64-bit ARM with every extension and with none.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from reliability import RESULTS, ROOT
from reliability.scripts import cmake
from signbin import native
from signbin.environment import environment
from signbin.errors import SignbinError
from signbin.files import write_text

__all__ = ["PLANTED", "Machine", "build", "machines", "planted", "run"]

_ARM_LIBRARIES: Final = "/usr/aarch64-linux-gnu"
_BUILT: Final = ROOT / "build" / "check-kernels"

PLANTED: Final[Mapping[str, str]] = {
    "read-behind-input": "0 bytes behind the end of the input",
    "read-before-input": "1 bytes before the start of the input",
    "write-behind-output": "0 bytes behind the end of the output",
    "write-before-output": "it wrote beside the output",
    "write-input": "which may only be read",
    "write-weights": "of the scale (",
    "read-behind-weights": "behind the end of the scale",
    "wrong-value": "is 12345.5, not",
    "share-matters": "other results",
    "place-matters": "other results",
    "never-ends": "does not end",
    "illegal-instruction": "SIGILL",
    "stack-write": "the stack of its caller is written",
    "stack-pointer": "sp is not kept",
    "walk-returns-at-once": "a generated walk: wrong",
    "walk-is-no-instruction": "a generated walk: SIGILL",
    "rbx": "rbx is not kept",
    "rbp": "rbp is not kept",
    "r15": "r15 is not kept",
    "mxcsr": "mxcsr is",
    "direction-flag": "the direction flag is set",
    "x87-register": "x87 registers are left in use",
    "x87-control": "the x87 control word is not kept",
    "upper-half": "the upper half of ymm5 is left in use",
    "arithmetic": "SIGFPE",
    "x19": "x19 is not kept",
    "x28": "x28 is not kept",
    "d8": "d8 is not kept",
    "d15": "d15 is not kept",
    "fpcr": "fpcr is",
}
"""What each planted fault must be called."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """Where the program runs. command: what stands before it; folder: of its build; plants: whether
    faults are planted there first, for which a crash must reach the program."""

    name: str
    folder: str
    command: tuple[str, ...] = ()
    plants: bool = True


def machines() -> list[Machine]:
    """Those that this computer can play, itself first."""
    found = [Machine("native", platform.machine())]
    if platform.machine() == "x86_64" and shutil.which("qemu-x86_64"):
        without = ("qemu-x86_64", "-cpu", "Nehalem")
        found.append(Machine("without AVX", platform.machine(), without, plants=False))
    if shutil.which("qemu-aarch64") and shutil.which("aarch64-linux-gnu-gcc"):
        for cpu in ("max", "cortex-a72"):
            command = ("qemu-aarch64", "-cpu", cpu, "-L", _ARM_LIBRARIES)
            found.append(Machine(f"aarch64, {cpu}", "aarch64", command))
    return found


def _made_by_install() -> Path | None:
    """The one for this processor that ``make install`` has built, where nothing is newer."""
    newest = max(path.stat().st_mtime for path in (ROOT / "native").rglob("*") if path.is_file())
    found = (ROOT / "build").glob("cp*/check_kernels")
    return next((path for path in found if path.stat().st_mtime >= newest), None)


def build(machine: Machine, folder: Path = _BUILT) -> Path:
    """The program for a machine, from the sources as they are.

    Raises:
        SignbinError: it does not build; the message ends with what the compiler says.
    """
    made = _made_by_install()
    if made is not None and machine.folder == platform.machine():
        return made
    there = folder / machine.folder
    options = ["-DSIGNBIN_CHECK_KERNELS=ON", "-DSIGNBIN_WERROR=ON"]
    if machine.folder == "aarch64":
        options.append(f"-DCMAKE_TOOLCHAIN_FILE={ROOT / 'native' / 'aarch64.cmake'}")
    if shutil.which("ccache"):
        options.append("-DCMAKE_C_COMPILER_LAUNCHER=ccache")
    for command in (
        [cmake(), "-S", str(ROOT), "-B", str(there), *options],
        [cmake(), "--build", str(there), "--parallel", "2", "--target", "check_kernels"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SignbinError("check_kernels does not build", reason=done.stdout + done.stderr)
    return there / "check_kernels"


def run(machine: Machine, program: Path, *options: str) -> tuple[dict[str, Any], str]:
    """What a run counted, and what it printed; it ends with 0 or, where something failed, 1.

    Raises:
        SignbinError: the program itself broke off.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "counts.json"
        command = [*machine.command, str(program), "--json", str(path), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1) or not path.exists():
            raise SignbinError(
                " ".join(command), value=done.returncode, reason=done.stdout + done.stderr
            )
        counted: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {"machine": machine.name, **counted}, done.stdout


def planted(machine: Machine, program: Path) -> dict[str, bool]:
    """Every fault that the program can plant in itself: whether it was found and named."""
    listed = subprocess.run(
        [*machine.command, str(program), "--plants"], capture_output=True, text=True, check=True
    )
    found = {}
    for name in listed.stdout.split():
        counted, _ = run(machine, program, "--cases", "1", "--seed", "1", "--plant", name)
        faults = [failure["kernel"] + ": " + failure["fault"] for failure in counted["failures"]]
        found[name] = any(PLANTED[name] in fault for fault in faults)
    return found


def _check(machine: Machine, cases: int, seed: int | None) -> tuple[dict[str, Any], Sequence[str]]:
    program = build(machine)
    faults = planted(machine, program) if machine.plants else {}
    options = ["--cases", str(cases), *([] if seed is None else ["--seed", str(seed)])]
    counted, printed = run(machine, program, *options)
    missed = [f"planted {name} is not found" for name, found in faults.items() if not found]
    sys.stdout.write(f"{machine.name}: {len(faults)} planted faults, {len(missed)} missed\n")
    sys.stdout.write(printed)
    sys.stdout.flush()
    return {**counted, "planted": len(faults)}, missed


def _kept(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    runs: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["runs"]
    return runs


def main() -> int:
    """Check, keep what was counted after each machine, and exit with 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=100, help="of every row, on this processor")
    parser.add_argument("--emulated-cases", type=int, default=10, help="of every row, in QEMU")
    parser.add_argument("--seed", type=int, help="repeats a run; else one of the time")
    parser.add_argument("--machine", help="only machines whose name has this part; nothing is kept")
    parser.add_argument("--go-on", action="store_true", help="with machines that are not kept yet")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "kernels.json")
    options = parser.parse_args()
    runs, wrong = _kept(options.output) if options.go_on else [], 0
    for machine in machines():
        cases = options.emulated_cases if machine.command else options.cases
        known = {(run["machine"], run["cases_per_row"]) for run in runs}
        if (options.machine or "") not in machine.name or (machine.name, cases) in known:
            continue
        counted, missed = _check(machine, cases, options.seed)
        sys.stderr.writelines(f"{line}\n" for line in missed)
        wrong += len(missed) + counted["faults"]
        runs = [run for run in runs if run["machine"] != machine.name] + [counted]
        if not options.machine:
            document = {"runs": runs, "environment": environment({"signbin": native.version()})}
            options.output.parent.mkdir(parents=True, exist_ok=True)
            write_text(options.output, json.dumps(document, indent=1) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
