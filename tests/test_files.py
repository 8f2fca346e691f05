"""Files appear whole or not at all."""

import os
from pathlib import Path

import pytest

from signbin.files import write_bytes, write_text, write_whole


def test_a_file_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path):
    path = tmp_path / "file"
    write_bytes(path, b"old and longer")
    write_text(path, "née")
    assert path.read_bytes() == "née".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path):
    write_bytes(tmp_path / "ours", b"")
    (tmp_path / "theirs").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch):
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def fail(source, target):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_of_several_files_none_changes_when_one_cannot_be_written(tmp_path: Path):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(OSError, match="missing"):
        write_whole({path: b"new", tmp_path / "missing" / "file": b"new"})
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_names_the_file_that_was_asked_for(tmp_path: Path):
    for path in (tmp_path / "missing" / "file", tmp_path):
        with pytest.raises(OSError) as failure:  # noqa: PT011 - which one is the system's choice
            write_bytes(path, b"")
        assert failure.value.filename == str(path)
        assert ".part" not in str(failure.value)
