"""The C library and its C test, compiled here with the sanitizers and run without Python."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"
COMPILER = shutil.which(os.environ.get("CC", "cc"))
FLAGS = ["-std=c11", "-D_DEFAULT_SOURCE", "-O0", "-Wno-psabi", '-DSB_VERSION="0"', "-pthread"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
# What is inlined by force is checked at every place it is used, and takes three times as long to
# compile; as functions it makes the same accesses and computes the same.
AS_FUNCTIONS = "-Dalways_inline="


def compiles(folder: Path, flags: list[str]) -> bool:
    source = folder / "probe.c"
    source.write_text("int main(void) { return 0; }\n", encoding="utf-8")
    command = [str(COMPILER), *flags, str(source), "-o", str(folder / "probe")]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
@pytest.mark.parametrize("dialect", [[], ["-DSB_PLAIN_C"]], ids=["vectors", "plain_c"])
def test_the_c_abi_works_without_python_and_under_the_sanitizers(
    tmp_path: Path, c_library: list[Path], dialect: list[str]
) -> None:
    flags = [*FLAGS, AS_FUNCTIONS, *dialect]
    if compiles(tmp_path, SANITIZERS):
        flags += SANITIZERS
    sources = [*c_library, *sorted((NATIVE / "tests").glob("test_*.c"))]
    program = tmp_path / "test_abi"
    include = ["-I", str(NATIVE / "include"), "-I", str(NATIVE / "src")]
    built = subprocess.run(
        [str(COMPILER), *flags, *include, *map(str, sources), "-o", str(program), "-lm"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([str(program)], capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
