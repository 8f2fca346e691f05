"""The C library and its C test, compiled here with the sanitizers and run without Python.

`make test` compiles one kernel of each family that any CPU runs, with checks; the wide sweeps every
row, and plain C.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from reliability.fuzz.corpus import CORPUS, kept_inputs
from reliability.fuzz.native_build import leave_one_tile_of_each_family
from reliability.fuzz.native_targets import NATIVE_TARGETS

NATIVE = Path(__file__).parents[2] / "native"
COMPILER = shutil.which(os.environ.get("CC", "cc"))
FLAGS = ["-std=c11", "-D_DEFAULT_SOURCE", "-O0", "-Wno-psabi", '-DSB_VERSION="0"', "-pthread"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
# What is inlined by force is checked at every place it is used, and takes three times as long to
# compile; as functions it makes the same accesses and computes the same.
AS_FUNCTIONS = "-Dalways_inline="
DIALECTS = [
    pytest.param([], SANITIZERS, id="vectors"),
    pytest.param(["-DSB_PLAIN_C"], SANITIZERS, id="plain_c", marks=pytest.mark.wide),
    pytest.param(["-DSB_PLAIN_C"], [], id="plain_c_unchecked", marks=pytest.mark.wide),
]


def compiles(folder: Path, flags: list[str]) -> bool:
    source = folder / "probe.c"
    source.write_text("int main(void) { return 0; }\n", encoding="utf-8")
    command = [str(COMPILER), *flags, str(source), "-o", str(folder / "probe")]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(params=["one_of_each_family", pytest.param("every_row", marks=pytest.mark.wide)])
def sources(request: pytest.FixtureRequest, tmp_path: Path, cmake: str) -> Path:
    """A copy of native/src, with the C files of its kernels."""
    room = tmp_path / "src"
    shutil.copytree(NATIVE / "src", room)
    if request.param == "one_of_each_family":
        leave_one_tile_of_each_family(room / "kernels.def", ("scalar", "portable"))
    kernels = room / "made"
    kernels.mkdir()
    script = str(room / "kernels.cmake")
    subprocess.run([cmake, "-D", f"folder={kernels}", "-P", script], check=True)
    return room


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
@pytest.mark.parametrize(("dialect", "checks"), DIALECTS)
def test_the_c_abi_works_without_python_and_under_the_sanitizers(
    tmp_path: Path, sources: Path, dialect: list[str], checks: list[str]
) -> None:
    flags = [*FLAGS, AS_FUNCTIONS, *dialect]
    if compiles(tmp_path, checks):
        flags += checks
    tests = sorted((NATIVE / "tests").glob("test_*.c"))
    tests += [NATIVE / "tests" / "chance.c", NATIVE / "tests" / "hostile.c"]
    tests += [
        path for path in sorted((NATIVE / "tests" / "fuzz").glob("*.c")) if path.stem != "entry"
    ]
    files = [*sorted(sources.rglob("*.c")), *tests]
    program = tmp_path / "test_abi"
    include = ["-I", str(NATIVE / "include"), "-I", str(sources)]
    built = subprocess.run(
        [str(COMPILER), *flags, *include, *map(str, files), "-o", str(program), "-lm"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([str(program)], capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    for target in NATIVE_TARGETS:
        replay_corpus(program, target, tmp_path / target)


def replay_corpus(program: Path, target: str, folder: Path) -> None:
    """What fuzzers found interesting, and what once broke something, breaks nothing."""
    folder.mkdir()
    for name, content in kept_inputs(target).items():
        (folder / name).write_bytes(content)
    files = sorted(map(str, folder.iterdir()))
    assert files, f"no inputs in {CORPUS}"
    command = [str(program), target, *files]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr[-3000:]
