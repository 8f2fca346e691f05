"""What is exported builds without a word, on every compiler at hand, and tests itself."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.c_source.conftest import Exported

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
CORTEX_M = {
    "cortex-m0plus": ["-mcpu=cortex-m0plus"],
    "cortex-m3": ["-mcpu=cortex-m3"],
    "cortex-m4": ["-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"],
}


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"no {program}: make ci-tools")


def build(exported: Exported, command: list[str], target: Path) -> None:
    told = subprocess.run(
        [
            *command,
            f"-I{exported.folder / 'src'}",
            *exported.sources,
            str(exported.folder / "test" / "test_small.c"),
            "-o",
            str(target),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert told.stderr == ""


def run(command: list[str]) -> str:
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


@pytest.mark.parametrize(
    "compiler", [pytest.param(each, marks=needs(each)) for each in ("gcc", "clang")]
)
@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_it_builds_without_a_warning_and_passes_its_own_test(
    exported: Exported, compiler: str, level: int, tmp_path: Path
) -> None:
    build(exported, [compiler, *STRICT, f"-O{level}"], tmp_path / "test")
    assert run([str(tmp_path / "test")]) == "small: 0 of 18 outputs differ\n"


@needs("gcc")
def test_the_sanitizers_find_nothing(exported: Exported, tmp_path: Path) -> None:
    flags = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    build(exported, ["gcc", *STRICT, *flags], tmp_path / "test")
    run([str(tmp_path / "test")])


@needs("aarch64-linux-gnu-gcc")
@needs("qemu-aarch64")
def test_64_bit_arm_gives_the_same(exported: Exported, tmp_path: Path) -> None:
    build(exported, ["aarch64-linux-gnu-gcc", *STRICT, "-O2", "-static"], tmp_path / "test")
    run(["qemu-aarch64", str(tmp_path / "test")])


@needs("arm-none-eabi-gcc")
@pytest.mark.parametrize("core", list(CORTEX_M))
@pytest.mark.parametrize("level", ["-O0", "-O2", "-Os"])
def test_microcontrollers_are_compiled_for_without_a_warning(
    exported: Exported, core: str, level: str, tmp_path: Path
) -> None:
    for source in exported.sources:
        told = subprocess.run(
            [
                "arm-none-eabi-gcc",
                *CORTEX_M[core],
                "-mthumb",
                *STRICT,
                level,
                "-c",
                source,
                "-o",
                str(tmp_path / "object.o"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (told.returncode, told.stderr) == (0, "")


@needs("g++")
def test_the_header_is_read_by_cpp_and_names_the_classes(
    exported: Exported, tmp_path: Path
) -> None:
    (tmp_path / "main.cpp").write_text(
        '#include "small.h"\n'
        "static const char *const classes[SMALL_OUTPUTS] = {SMALL_CLASSES};\n"
        'static_assert(sizeof(small_memory) >= SMALL_RAM_BYTES, "members");\n'
        "int main() { return classes[5][0] - 'f'; }\n",
        encoding="utf-8",
    )
    include = f"-I{exported.folder / 'src'}"
    command = ["g++", "-Wall", "-Wextra", "-Werror", include, str(tmp_path / "main.cpp")]
    run([*command, "-o", str(tmp_path / "main")])
    run([str(tmp_path / "main")])


@needs("cmake")
def test_cmake_builds_it_and_its_test(exported: Exported, tmp_path: Path) -> None:
    run(["cmake", "-S", str(exported.folder), "-B", str(tmp_path)])
    run(["cmake", "--build", str(tmp_path)])
    assert "differ" in run([str(tmp_path / "test_small")])


def test_other_build_systems_find_what_they_ask_for(exported: Exported) -> None:
    assert json.loads(exported.files["library.json"])["headers"] == "small.h"
    properties = dict(
        line.split("=", 1) for line in exported.files["library.properties"].splitlines()
    )
    wanted = {"name", "version", "author", "maintainer", "sentence", "category", "architectures"}
    assert wanted <= set(properties)
    assert "idf_component_register(SRCS" in exported.files["CMakeLists.txt"]
    assert "idf:" in exported.files["idf_component.yml"]
