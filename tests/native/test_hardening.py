"""What the compiler and the linker put around the library, read off the file that was built."""

import shutil
import subprocess

import pytest

from signbin import native

READELF = shutil.which("readelf")


@pytest.fixture(scope="module")
def described() -> str:
    """Program headers, dynamic section and symbols."""
    if READELF is None:
        pytest.skip("no readelf: install binutils")
    command = [READELF, "-W", "-l", "-d", "-s", native.extension().__file__]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_what_the_loader_has_set_cannot_be_written(described: str) -> None:
    assert "GNU_RELRO" in described
    assert "BIND_NOW" in described or "Flags: NOW" in described


def test_no_stack_and_no_segment_is_both_written_and_executed(described: str) -> None:
    """A line: type, offset, two addresses, two sizes, flags (which may stand apart), alignment."""
    lines = [line.split() for line in described.splitlines()]
    flags = {"GNU_STACK": [], "LOAD": []}
    for words in lines:
        if words and words[0] in flags:
            flags[words[0]].append("".join(words[6:-1]))
    assert len(flags["GNU_STACK"]) == 1
    assert "E" not in flags["GNU_STACK"][0]
    assert any("E" in one for one in flags["LOAD"])
    assert not any("W" in one and "E" in one for one in flags["LOAD"])


def test_stacks_are_guarded_and_copies_of_known_size_are_checked(described: str) -> None:
    assert "__stack_chk_fail" in described
    assert "_chk@" in described.replace("__stack_chk_fail@", "")
