"""What the compiler and the linker put around the library, read off the file that was built."""

import shutil
import subprocess
from pathlib import Path

import pytest

from signbin import native


def described(library: Path) -> str:
    """Program headers, dynamic section and symbols."""
    readelf = shutil.which("readelf")
    if readelf is None:
        pytest.skip("no readelf: run 'make ci-tools'")
    command = [readelf, "-W", "-l", "-d", "-s", str(library)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def expect_hardened(library: Path) -> None:
    """Everything that the tests here ask of a library."""
    found = described(library)
    expect_relro(found)
    expect_no_written_code(found)
    expect_guards(found)


def expect_relro(found: str) -> None:
    assert "GNU_RELRO" in found
    assert "BIND_NOW" in found or "Flags: NOW" in found


def expect_no_written_code(found: str) -> None:
    """A line: type, offset, two addresses, two sizes, flags (which may stand apart), alignment."""
    lines = [line.split() for line in found.splitlines()]
    flags = {"GNU_STACK": [], "LOAD": []}
    for words in lines:
        if words and words[0] in flags:
            flags[words[0]].append("".join(words[6:-1]))
    assert len(flags["GNU_STACK"]) == 1
    assert "E" not in flags["GNU_STACK"][0]
    assert any("E" in one for one in flags["LOAD"])
    assert not any("W" in one and "E" in one for one in flags["LOAD"])


def expect_guards(found: str) -> None:
    assert "__stack_chk_fail" in found
    assert "_chk@" in found.replace("__stack_chk_fail@", "")


@pytest.fixture(scope="module")
def built() -> str:
    return described(Path(native.extension().__file__))


def test_what_the_loader_has_set_cannot_be_written(built: str) -> None:
    expect_relro(built)


def test_no_stack_and_no_segment_is_both_written_and_executed(built: str) -> None:
    expect_no_written_code(built)


def test_stacks_are_guarded_and_copies_of_known_size_are_checked(built: str) -> None:
    expect_guards(built)
