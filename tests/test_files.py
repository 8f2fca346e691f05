"""Files appear whole or not at all."""

import ctypes
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from signbin import files
from signbin.files import make_folder, write_bytes, write_folder, write_text, write_whole


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


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path):
    path = tmp_path / "file"
    killed = (
        "import os, sys, signal\n"
        "from pathlib import Path\n"
        "from signbin import files\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write_bytes(Path(sys.argv[1]), b'half')\n"
    )
    for _ in range(2):
        found = subprocess.run([sys.executable, "-c", killed, path], timeout=60, check=False)
        assert found.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    others = [tmp_path / ".file.part", tmp_path / ".other.0123456789abcdef.part"]
    for other in others:
        other.write_bytes(b"not ours")
    write_bytes(path, b"whole")
    assert set(tmp_path.iterdir()) == {path, *others}


def test_a_writer_at_work_is_left_alone(tmp_path: Path):
    path = tmp_path / "file"
    replace, seen = os.replace, []

    def slow(source, target):
        os.replace = replace
        write_bytes(path, b"another's")
        seen.append(Path(source).read_bytes())
        replace(source, target)

    os.replace = slow
    try:
        write_bytes(path, b"first to begin")
    finally:
        os.replace = replace
    assert seen == [b"first to begin"]
    assert path.read_bytes() == b"first to begin"
    assert list(tmp_path.iterdir()) == [path]


def test_many_writers_of_one_file_do_not_disturb_one_another(tmp_path: Path):
    path = tmp_path / "file"
    contents = [bytes([number]) * 4096 for number in range(8)]

    def write(content: bytes) -> None:
        for _ in range(20):
            write_bytes(path, content)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, contents))
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_made_with_those_above_it_and_each_is_flushed(tmp_path: Path, monkeypatch):
    flushed = []
    monkeypatch.setattr(files, "_sync_folder", flushed.append)
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert sorted(flushed) == [tmp_path, tmp_path / "a"]
    make_folder(tmp_path / "a" / "b")
    assert len(flushed) == 2
    (tmp_path / "c").write_text("a file")
    with pytest.raises(OSError, match="c"):
        make_folder(tmp_path / "c" / "d")


def test_a_folder_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path):
    folder = tmp_path / "folder"
    write_folder(folder, {"a": b"1", "in/b": b"2"})
    write_folder(folder, {"a": b"3"})
    assert (folder / "a").read_bytes() == b"3"
    assert list(folder.iterdir()) == [folder / "a"]
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_that_cannot_take_its_name_leaves_the_old_one(tmp_path, monkeypatch, exchanges):
    folder = tmp_path / "folder"
    write_folder(folder, {"a": b"old"})
    replace = os.replace

    def fail(source, target):
        if Path(target) == folder and str(source).endswith(".part"):
            raise OSError("no such luck")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    if not exchanges:
        monkeypatch.setattr(ctypes, "CDLL", lambda *_args, **_options: None)
        with pytest.raises(OSError, match="no such luck"):
            write_folder(folder, {"a": b"new"})
        assert (folder / "a").read_bytes() == b"old"
    else:
        write_folder(folder, {"a": b"new"})
        assert (folder / "a").read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [folder]


def test_what_a_killed_writer_of_a_folder_left_is_removed_by_the_next(tmp_path: Path):
    left = tmp_path / ".folder.0123456789abcdef.part"
    left.mkdir()
    (left / "half").write_bytes(b"")
    other = tmp_path / ".other.0123456789abcdef.part"
    other.mkdir()
    write_folder(tmp_path / "folder", {"a": b""})
    assert set(tmp_path.iterdir()) == {other, tmp_path / "folder"}
