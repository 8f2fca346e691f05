"""Injected faults: signbin stands each of a slice of them; careless code does not."""

import json
import subprocess
import sys

import pytest

from reliability import ROOT
from reliability.fault_library import preloading

CARELESS = r"""
#include <stdlib.h>
int unchecked(void) { char *p = malloc(100); p[99] = 1; free(p); return 0; }
int leaking(void) {
    char *p = malloc(100), *q = p ? malloc(100) : NULL;
    if (!q) return 1;
    free(q); free(p); return 0;
}
int careful(void) {
    char *p = malloc(100), *q = malloc(100);
    const int failed = !p || !q;
    free(q); free(p); return failed;
}
"""
INJECTING = """
import ctypes, json, sys
from reliability.fault_library import Faults, Kind
from reliability.faults import Outcome, inject_all
from reliability.injection import Operation

library = ctypes.CDLL(sys.argv[1])
faults = Faults()
faults.watch_module("careless")
kept = []

def act(name):
    if getattr(library, name)():
        raise MemoryError
    return b"done"

def wrong_exception(_):
    try:
        return act("careful")
    except MemoryError:
        raise KeyError("what is missing") from None

def other_result(_, first=[]):
    try:
        return act("careful")
    except MemoryError:
        return b"half"

def opening(_):
    try:
        return act("careful")
    except MemoryError:
        kept.append(open("/dev/null"))
        raise

ways = {name: (lambda _, name=name: act(name)) for name in ("careful", "unchecked", "leaking")}
ways |= {"wrong_exception": wrong_exception, "other_result": other_result, "opening": opening}
kinds = (Kind.ALLOCATION,)
operations = [Operation(name, kinds, lambda: None, way) for name, way in ways.items()]
outcome = Outcome()
inject_all(operations, faults, outcome)
print(json.dumps({"faults": outcome.faults, "failures": outcome.failures}))
"""


def run_preloaded(*arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=preloading(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_slice_of_all_faults_leaves_an_error_of_ours_and_nothing_else(tmp_path):
    done = run_preloaded("-m", "reliability.faults", "--quick", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "native-faults.json").read_text())
    assert found["failed"] == 0
    assert sum(found["outcomes"].values()) > 50
    assert {"ExecutionError", "MemoryError", "done"} <= set(found["outcomes"])


@pytest.fixture(scope="module")
def careless(tmp_path_factory):
    """What the harness says of code of which we know what is wrong with it."""
    folder = tmp_path_factory.mktemp("careless")
    (folder / "careless.c").write_text(CARELESS)
    library = folder / "libcareless.so"
    flags = ["-O0", "-fPIC", "-shared", "-fno-builtin"]
    subprocess.run(["gcc", *flags, "-o", library, folder / "careless.c"], check=True)
    done = run_preloaded("-c", INJECTING, library)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_careful_code_passes_and_every_call_of_it_has_failed(careless):
    assert not [words for words in careless["failures"] if words.startswith("careful")]
    assert careless["faults"]["careful"] == {"allocation": 2, "allocation and all after it": 2}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("unchecked", "SIGSEGV"),
        ("leaking", "1 pieces of memory left"),
        ("wrong_exception", "raised KeyError"),
        ("other_result", "another result"),
        ("opening", "left open: "),
    ],
)
def test_careless_code_is_found(careless, name, told):
    assert [words for words in careless["failures"] if words.startswith(name) and told in words]
