"""The bytes of every instruction that generated code is made of, against an assembler's."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"
COMPILER = shutil.which(os.environ.get("CC", "cc"))

# What GNU as 2.40 makes of them, for where no assembler is at hand: both VEX prefixes, no
# displacement, one of 8 and of 32 bits, the base that always has one, and an opcode extension.
KNOWN = {
    "vaddps ymm3, ymm12, [rax+0]": "c59c5818",
    "vaddps ymm13, ymm4, [rdi+127]": "c55c586f7f",
    "vsubps ymm13, ymm4, [rbp+0]": "c55c5c6d00",
    "vpaddw ymm3, ymm12, [rdx+4096]": "c59dfd9a00100000",
    "vpsubw ymm0, ymm15, ymm8": "c4c105f9c0",
    "vfmsub231ps ymm8, ymm15, ymm1": "c46205bac1",
    "vfnmadd231ps ymm1, ymm7, ymm15": "c4c245bccf",
    "vmovups [rsi+32], ymm14": "c57c117620",
    "vpslld ymm15, ymm8, 25": "c4c10572f019",
    "mov rcx, [rdi+8]": "488b4f08",
    "prefetcht1 [rdx+4096]": "0f189200100000",
    "vzeroupper; ret": "c5f877c3",
}


@pytest.fixture(scope="module")
def instructions(tmp_path_factory):
    """Text for an assembler -> our bytes, in the order in which they are listed."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    program = tmp_path_factory.mktemp("emitter") / "list_instructions"
    sources = [NATIVE / "tests" / "list_instructions.c", NATIVE / "src" / "jit" / "emitter.c"]
    command = [COMPILER, "-std=c11", "-I", str(NATIVE / "src"), *map(str, sources)]
    subprocess.run([*command, "-o", str(program)], check=True)
    listed = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    lines = [line.split("\t") for line in listed.splitlines()]
    return {text: bytes.fromhex(code) for code, text in lines}


@pytest.mark.parametrize("text", KNOWN)
def test_an_instruction_has_the_bytes_an_assembler_once_gave(instructions, text):
    assert instructions[text].hex() == KNOWN[text]


@pytest.mark.skipif(
    not (shutil.which("as") and shutil.which("objcopy")) or platform.machine() != "x86_64",
    reason="no assembler for x86-64 (binutils)",
)
def test_every_instruction_has_the_bytes_the_assembler_gives(instructions, tmp_path):
    """Every text is assembled between two labels, whose distance the listing then tells."""
    source, assembled = tmp_path / "all.s", tmp_path / "all.o"
    lines = [".intel_syntax noprefix", *instructions, ""]
    source.write_text("\n".join(lines), encoding="ascii")
    subprocess.run(["as", "--64", str(source), "-o", str(assembled)], check=True)
    flat = tmp_path / "all.bin"
    subprocess.run(["objcopy", "-O", "binary", str(assembled), str(flat)], check=True)
    theirs, at = flat.read_bytes(), 0
    for text, ours in instructions.items():
        assert theirs[at : at + len(ours)] == ours, f"{text}: {theirs[at : at + 9].hex()} expected"
        at += len(ours)
    assert at == len(theirs)
