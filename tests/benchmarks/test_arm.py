"""What the recorded counts of instructions on 64-bit ARM say, and how they are attributed."""

import json

import pytest

from benchmarks.arm import machine, page

ROWS = json.loads(page.RESULT.read_text(encoding="utf-8"))["rows"]


def rates(subject: str, strategy: str, isa: str, *, jit: bool = False) -> tuple[float, float]:
    """Multiply-accumulates per instruction, of all and without requantising."""
    wanted = (subject, strategy, isa, jit)
    (row,) = (
        one for one in ROWS if (one["subject"], one["strategy"], one["isa"], one["jit"]) == wanted
    )
    return row["macs"] / row["instructions"], row["macs"] / row["walked"]


@pytest.mark.parametrize(("jit", "whole", "walked"), [(False, 15, 18), (True, 19, 23)])
def test_walks_of_large_images_keep_their_promise(jit, whole, walked):
    found = rates("layer1.0.conv1", "bucket", "neon", jit=jit)
    assert found[0] >= whole
    assert found[1] >= walked


@pytest.mark.parametrize(
    ("strategy", "isa", "jit", "least"),
    [
        ("dense", "neon_dot", False, 8.5),
        ("dense", "neon", False, 2.8),
        ("bucket", "neon_dot", False, 13),
        ("bucket", "neon_dot", True, 16),
    ],
)
def test_whole_networks_keep_their_promise(strategy, isa, jit, least):
    assert rates("resnet18", strategy, isa, jit=jit)[0] >= least


def test_all_marks_of_a_run_are_read(tmp_path):
    path = tmp_path / "blocks"
    path.write_text("mark 0\n1000 2 7\nmark 1\n1000 2 3\n2000 1 5\nmark 0\n1004 1 4\n")
    marked = machine._read_marks(path)
    assert marked[1] == {0x1000: 3, 0x1004: 3, 0x2000: 5}


def test_memory_that_no_file_lies_in_is_told_from_libraries():
    text = "400000-500000 r-xp 00010000 08:01 12 /usr/lib/libc.so.6\n600000-601000 r-xp 0 00:00 0\n"
    first, second = machine._read_maps(text)
    assert (first.begin, first.end, first.offset, first.file) == (
        0x400000, 0x500000, 0x10000, "/usr/lib/libc.so.6",
    )  # fmt: skip
    assert second.file == ""
