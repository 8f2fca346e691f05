"""Writers are killed: what they wrote is old or new, and goes on; careless writers are found."""

import json
import subprocess
import sys

import pytest

from reliability import ROOT
from reliability.fault_library import preloading
from reliability.write_order import disordered

SLICE = """
import sys
from pathlib import Path
import numpy as np
from reliability.fault_library import Faults, Kind
from reliability.file_operations import Workshop, library_operations
from reliability.kills import Kill, kill_all
from reliability.write_order import disordered
from reliability.injection import Found, in_child

shop, faults = Workshop(Path(sys.argv[1])), Faults()
shop.furnish_in_child(trained=False)
faults.watch_folder(shop.place)
save, load, _ = library_operations(shop)
"""
KILLED = """
if sys.argv[2] == "careless":  # writes in its place, and leaves what it began
    from signbin import files
    def write(contents):
        for path, content in contents.items():
            with open(path, "wb", buffering=0) as stream:
                stream.write(content[:50])
                stream.write(content[50:])
    import signbin.artifact.file
    signbin.artifact.file.write_whole = write

def draw(operation, seconds, calls):
    for kind, count in calls.items():
        for at in range(1, count + 1):
            yield Kill(operation.name, 0.0, kind.name.lower(), at)
    for share in (0.2, 0.5, 0.8):
        yield Kill(operation.name, share * seconds)

found = kill_all([save], shop, faults, draw)
assert all(each.killed for each in found if each.kill.kind)
kinds = {each.kill.kind for each in found}
assert {"open", "write", "sync", "rename", "close"} <= kinds or sys.argv[2] == "careless"
print([words for each in found for words in each.wrong])
"""
ORDER = """
save.prepare()
faults.arm(Kind.OPEN, 0)
save.act(None)
told = faults.told
assert [verb for verb, _, _ in told if verb in ("write", "rename")] == ["write", "rename"], told
print(disordered(told))
"""


def run_slice(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", SLICE + code, *arguments],
        cwd=ROOT,
        env=preloading(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.replace("'", '"'))


def test_a_file_is_old_or_new_wherever_its_writer_is_killed(tmp_path):
    assert run_slice(KILLED, tmp_path, "ours") == []


def test_a_writer_in_place_is_found(tmp_path):
    assert "net.sbn was neither old nor new" in str(run_slice(KILLED, tmp_path, "careless"))


def test_content_is_on_the_disk_before_its_name_and_the_name_before_the_end(tmp_path):
    assert run_slice(ORDER, tmp_path) == []


PART, NAME = "/d/.a.part", "/d/a"
CREATED = [("create", PART, ""), ("write", PART, "")]


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ([*CREATED, ("sync", PART, ""), ("rename", PART, NAME), ("sync", "/d", "")], []),
        (
            [*CREATED, ("rename", PART, NAME), ("sync", "/d", "")],
            ["/d/.a.part was renamed before its content was on the disk"],
        ),
        (
            [*CREATED, ("sync", PART, ""), ("rename", PART, NAME)],
            ["the new name /d/a was not on the disk in the end"],
        ),
        (
            [("make folder", "/d/e", ""), ("make folder", "/d/e/f", ""), ("sync", "/d/e", "")],
            ["the new name /d/e was not on the disk in the end"],
        ),
        ([("create", NAME, ""), ("write", NAME, "")], ["/d/a was written in its place"]),
        ([*CREATED, ("sync", PART, ""), ("remove", PART, "")], []),
    ],
)
def test_an_order_that_a_power_cut_would_show_is_found(told, wrong):
    assert disordered(told) == wrong
