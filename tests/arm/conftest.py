"""Python for 64-bit ARM in QEMU, as `make test-arm` makes it."""

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "build" / "aarch64" / "python"
EXTENSION = BUILT / "package" / "signbin" / "native" / "_signbin.so"
SOURCES = ("native/src", "native/include", "src/signbin")
CPUS = ("max", "cortex-a72")  # every extension there is, and none


@dataclasses.dataclass(frozen=True)
class Machine:
    """A CPU that QEMU plays. run() is what `python ARGUMENTS` would be there."""

    qemu: str
    cpu: str

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        packages = os.pathsep.join([str(BUILT / "package"), str(BUILT / "site")])
        environment = {"PYTHONPATH": packages, "OPENBLAS_NUM_THREADS": "1", "TMPDIR": str(BUILT)}
        sysroot = BUILT / "sysroot"
        python = sysroot / "usr" / "bin" / "python3"
        command = [self.qemu, "-cpu", self.cpu, "-L", str(sysroot), str(python), *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )


def reason_to_skip() -> str | None:
    """What is missing, and what brings it; None where everything is there and fresh."""
    if shutil.which("qemu-aarch64") is None:
        return "no qemu-aarch64: run 'make ci-tools', then 'make test-arm'"
    if not EXTENSION.is_file():
        return "signbin is not built for ARM: run 'make test-arm'"
    built = EXTENSION.stat().st_mtime
    sources = (path for folder in SOURCES for path in (ROOT / folder).rglob("*.*"))
    newer = [path for path in sources if path.is_file() and path.stat().st_mtime > built]
    if any("__pycache__" not in path.parts for path in newer):
        return "signbin for ARM is older than its sources: run 'make test-arm'"
    return None


@pytest.fixture(params=CPUS)
def machine(request) -> Machine:
    reason = reason_to_skip()
    if reason is not None:
        pytest.skip(reason)
    return Machine(str(shutil.which("qemu-aarch64")), request.param)
