"""The bytes of every instruction that generated code is made of, against an assembler's."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"
COMPILER = shutil.which(os.environ.get("CC", "cc"))

# What GNU as 2.40 makes of them, for where no assembler is at hand: both VEX prefixes and EVEX, no
# displacement, one of 8 and of 32 bits, in bytes and in vectors, the base that always has one, and
# an opcode extension.
KNOWN = {
    "vaddps ymm3, ymm12, [rax+0]": "c59c5818",
    "vaddps ymm13, ymm4, [rdi+127]": "c55c586f7f",
    "vsubps ymm13, ymm4, [rbp+0]": "c55c5c6d00",
    "vpaddw ymm3, ymm12, [rdx+4096]": "c59dfd9a00100000",
    "vpsubw ymm0, ymm15, ymm8": "c4c105f9c0",
    "vpsubw ymm31, ymm7, ymm31": "62014528f9ff",
    "vpsubw ymm7, ymm24, [rbp+4064]": "62f13d20f97d7f",
    "vpsubw ymm16, ymm15, [r9+4096]": "62c10528f98100100000",
    "vmovups [rsi-4128], ymm26": "62617c281196e0efffff",
    "vfmsub231ps ymm8, ymm15, ymm1": "c46205bac1",
    "vfnmadd231ps ymm1, ymm7, ymm15": "c4c245bccf",
    "vmovups [rsi+32], ymm14": "c57c117620",
    "vaddps zmm16, zmm15, [r9+4096]": "62c10448584140",
    "vfmsub231ps zmm7, zmm24, zmm31": "62923d40baff",
    "vmovups [rsi-4128], zmm26": "62617c481196e0efffff",
    "vpternlogd zmm24, zmm24, zmm24, 255": "62033d4025c0ff",
    "vpsrld zmm31, zmm8, 2": "62d1054072d002",
    "vpslld ymm15, ymm8, 25": "c4c10572f019",
    "mov rcx, [rdi+8]": "488b4f08",
    "prefetcht1 [rdx+4096]": "0f189200100000",
    "vzeroupper; ret": "c5f877c3",
}

# The same of instructions of 64-bit ARM: both ends of every field.
ARM_KNOWN = {
    "uaddw v16.8h, v0.8h, v31.8b": "10103f2e",
    "usubw v31.8h, v31.8h, v0.8b": "ff33202e",
    "sub v8.8h, v15.8h, v8.8h": "e885686e",
    "ldr d31, [x5, #32760]": "bffc7ffd",
    "ldr q16, [x1, #2032]": "30fcc13d",
    "str q0, [x30, #65520]": "c0ffbf3d",
    "ldr x0, [x0, #0]": "000040f9",
    "movi v31.2d, #0": "1fe4006f",
    "add x5, x1, #248, lsl #12": "25e04391",
    "stp d8, d9, [sp, #-64]!": "e827bc6d",
    "ldp d14, d15, [sp, #48]": "ee3f436d",
    "ret": "c0035fd6",
}


def listed(tmp_path_factory, program, emitter):
    """Text for an assembler -> our bytes, in the order in which they are listed."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    built = tmp_path_factory.mktemp("emitter") / program
    sources = [NATIVE / "tests" / f"{program}.c", NATIVE / "src" / "jit" / f"{emitter}.c"]
    command = [COMPILER, "-std=c11", "-I", str(NATIVE / "src"), *map(str, sources)]
    subprocess.run([*command, "-o", str(built)], check=True)
    output = subprocess.run([str(built)], check=True, capture_output=True, text=True).stdout
    lines = [line.split("\t") for line in output.splitlines()]
    return {text: bytes.fromhex(code) for code, text in lines}


@pytest.fixture(scope="module")
def instructions(tmp_path_factory):
    return listed(tmp_path_factory, "list_instructions", "emitter")


@pytest.fixture(scope="module")
def arm_instructions(tmp_path_factory):
    return listed(tmp_path_factory, "list_arm_instructions", "arm_emitter")


def assembled(source, tmp_path, assembler, *options):
    """What an assembler makes of a text: its bytes."""
    text, made, flat = (tmp_path / f"all.{kind}" for kind in ("s", "o", "bin"))
    text.write_text(source, encoding="ascii")
    subprocess.run([f"{assembler}as", *options, str(text), "-o", str(made)], check=True)
    subprocess.run([f"{assembler}objcopy", "-O", "binary", str(made), str(flat)], check=True)
    return flat.read_bytes()


def check_bytes(instructions, theirs):
    at = 0
    for text, ours in instructions.items():
        assert theirs[at : at + len(ours)] == ours, f"{text}: {theirs[at : at + 9].hex()} expected"
        at += len(ours)
    assert at == len(theirs)


@pytest.mark.parametrize("text", KNOWN)
def test_an_instruction_has_the_bytes_an_assembler_once_gave(instructions, text):
    assert instructions[text].hex() == KNOWN[text]


@pytest.mark.parametrize("text", ARM_KNOWN)
def test_an_instruction_of_arm_has_the_bytes_an_assembler_once_gave(arm_instructions, text):
    assert arm_instructions[text].hex() == ARM_KNOWN[text]


@pytest.mark.skipif(
    not (shutil.which("as") and shutil.which("objcopy")) or platform.machine() != "x86_64",
    reason="no assembler for x86-64 (binutils)",
)
def test_every_instruction_has_the_bytes_the_assembler_gives(instructions, tmp_path):
    """Every text is assembled in its place among all of them."""
    source = "\n".join([".intel_syntax noprefix", *instructions, ""])
    check_bytes(instructions, assembled(source, tmp_path, "", "--64"))


@pytest.mark.skipif(
    not shutil.which("aarch64-linux-gnu-as"),
    reason="no assembler for 64-bit ARM: run 'make ci-tools'",
)
def test_every_instruction_of_arm_has_the_bytes_the_assembler_gives(arm_instructions, tmp_path):
    source = "\n".join([*arm_instructions, ""])
    check_bytes(arm_instructions, assembled(source, tmp_path, "aarch64-linux-gnu-"))
