import os
import stat

import pytest

from signbin import files
from signbin.artifact import Artifact, encode, frame, read, write
from signbin.errors import FormatError


@pytest.fixture
def artifact(linear_graph, make_weight):
    return Artifact(linear_graph(make_weight("binary", (2, 9))))


def test_what_is_written_reads_back(tmp_path, artifact):
    path = tmp_path / "model.sbn"
    write(path, artifact)
    assert path.read_bytes() == encode(artifact)
    assert encode(read(str(path))) == encode(artifact)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.sbn"]


def test_a_file_gets_the_permissions_new_files_get(tmp_path, artifact):
    write(tmp_path / "model.sbn", artifact)
    (tmp_path / "plain").touch()
    modes = {stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()}
    assert len(modes) == 1


def test_what_is_there_is_kept_unless_overwriting_is_allowed(tmp_path, artifact):
    path = tmp_path / "model.sbn"
    path.write_text("precious")
    with pytest.raises(FormatError, match=r"model\.sbn.*where nothing is"):
        write(path, artifact)
    assert path.read_text() == "precious"
    write(path, artifact, overwrite=True)
    assert path.read_bytes() == encode(artifact)


@pytest.mark.parametrize("name", ["missing/model.sbn", ".", "a\0b", "x" * 300])
def test_a_path_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path, artifact, name):
    with pytest.raises(FormatError, match="allowed"):
        write(tmp_path / name, artifact, overwrite=True)
    assert not list(tmp_path.iterdir())


def test_a_read_only_folder_is_an_error_with_a_remedy(read_only_folder, artifact):
    with pytest.raises(FormatError, match="choose another output path"):
        write(read_only_folder / "model.sbn", artifact)


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("failure", [PermissionError, OSError])
def test_a_failure_at_any_step_leaves_nothing_behind(
    tmp_path, artifact, monkeypatch, call, failure
):
    path = tmp_path / "model.sbn"
    path.write_text("precious")

    def fail(*_arguments, **_options):
        raise failure(f"{call} failed")

    monkeypatch.setattr(files.os, call, fail)
    with pytest.raises(FormatError, match=rf"{call} failed.*choose another output path"):
        write(path, artifact, overwrite=True)
    monkeypatch.undo()
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.sbn"]
    assert path.read_text() == "precious"


def test_an_artifact_that_cannot_be_encoded_leaves_nothing_behind(tmp_path, artifact):
    broken = Artifact(artifact.graph, provenance={"key": "\ud800"})
    with pytest.raises(FormatError):
        write(tmp_path / "model.sbn", broken)
    assert not list(tmp_path.iterdir())


def test_a_missing_file_and_a_folder_are_errors_that_name_the_path(tmp_path):
    with pytest.raises(FormatError, match=r"nothing\.sbn.*No such file"):
        read(tmp_path / "nothing.sbn")
    with pytest.raises(FormatError, match=r"a file of at most|Is a directory"):
        read(tmp_path)
    with pytest.raises(FormatError):
        read("a\0b")


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="a file of at most"):
        read(tmp_path / "pipe")


def test_a_file_over_the_cap_is_refused_before_it_is_read(tmp_path):
    with open(tmp_path / "huge.sbn", "wb") as sparse:
        sparse.truncate(frame.MOST_FILE_BYTES + 1)
    with pytest.raises(FormatError, match=f"a file of at most {frame.MOST_FILE_BYTES}"):
        read(tmp_path / "huge.sbn")


def test_a_broken_file_is_an_error_that_names_the_path(tmp_path):
    (tmp_path / "broken.sbn").write_bytes(b"PK\x03\x04 not this")
    with pytest.raises(FormatError, match=r"broken\.sbn: start of the file"):
        read(tmp_path / "broken.sbn")
