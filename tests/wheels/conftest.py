"""The wheels that `make wheel` and `make wheel-arm` built and installed, with numpy alone."""

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("native/src", "native/include", "src/signbin")


@dataclasses.dataclass(frozen=True)
class InstalledWheel:
    """A wheel as users get it, where it is installed, and the command that is its Python."""

    wheel: Path
    package: Path
    python: tuple[str, ...]
    environment: dict[str, str]

    @property
    def library(self) -> Path:
        (library,) = self.package.glob("native/_signbin*.so")
        return library

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What `python ARGUMENTS` says, where nothing else is to be found."""
        command = [*self.python, *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )


def built(target: str, folder: Path) -> Path:
    """The wheel of a target; skips where there is none, or one of other sources."""
    found = [*(folder / "repaired").glob("*.whl")]
    if len(found) != 1:
        pytest.skip(f"no wheel in {folder.name}: run 'make {target}'")
    sources = (path for each in SOURCES for path in (ROOT / each).rglob("*.*"))
    newest = max(path.stat().st_mtime for path in sources if "__pycache__" not in path.parts)
    if newest > found[0].stat().st_mtime:
        pytest.skip(f"the wheel is older than its sources: run 'make {target}'")
    return found[0]


def wheel_for_x86() -> InstalledWheel:
    folder = ROOT / "build" / "wheel"
    wheel, environment = built("wheel", folder), folder / "empty"
    (package,) = environment.glob("lib/python3*/site-packages/signbin")
    paths = {"PATH": str(environment / "bin")}  # where no compiler is
    return InstalledWheel(wheel, package, (str(environment / "bin" / "python"), "-I"), paths)


def wheel_for_arm() -> InstalledWheel:
    folder, qemu = ROOT / "build" / "wheel-aarch64", shutil.which("qemu-aarch64")
    if qemu is None:
        pytest.skip("no qemu-aarch64: run 'make ci-tools', then 'make wheel-arm'")
    wheel, installed = built("wheel-arm", folder), folder / "installed"
    sysroot = ROOT / "build" / "aarch64" / "python" / "sysroot"
    paths = {"PYTHONPATH": str(installed), "OPENBLAS_NUM_THREADS": "1"}
    python = (qemu, "-L", str(sysroot), str(sysroot / "usr" / "bin" / "python3"), "-s")
    return InstalledWheel(wheel, installed / "signbin", python, paths)


WHEELS = {"x86_64": wheel_for_x86, "aarch64": wheel_for_arm}


@pytest.fixture(params=WHEELS)
def installed(request) -> InstalledWheel:
    return WHEELS[request.param]()
