"""The C library keeps what training frees."""

import platform
import subprocess
import sys
import textwrap

import pytest

from signbin.train import memory

ROUNDS = """
    import importlib.util, resource, sys
    import numpy as np
    spec = importlib.util.spec_from_file_location("memory", sys.argv[1])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if sys.argv[2] == "keep":
        assert module.keep_freed_memory()
    def one_round():
        blocks = [np.ones(size, np.uint8) for size in range(2_000_000, 24_000_000, 2_000_000)]
    one_round()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        one_round()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    code = textwrap.dedent(ROUNDS)
    command = [sys.executable, "-c", code, memory.__file__, how]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_blocks_that_were_freed_are_used_again_without_page_faults():
    assert page_faults("keep") < page_faults("leave") / 10


def test_a_c_library_without_mallopt_is_left_alone(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    assert memory.keep_freed_memory() is False
