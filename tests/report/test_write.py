"""Files appear whole, both or neither, and never over others unasked."""

import json
import os
from pathlib import Path

import pytest

from signbin.errors import SpecError
from signbin.report import Report, from_json, write_files, write_report


def test_the_page_and_its_data_lie_side_by_side(report: Report, tmp_path: Path) -> None:
    page, data = write_report(report, tmp_path / "report.html")
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert data == tmp_path / "report.json"
    assert from_json(Report, json.loads(data.read_text(encoding="utf-8")), "report") == report
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]


@pytest.mark.parametrize("existing", ["report.html", "report.json"])
def test_existing_files_are_kept_unless_forced(
    report: Report, tmp_path: Path, existing: str
) -> None:
    (tmp_path / existing).write_text("mine", encoding="utf-8")
    with pytest.raises(SpecError, match="--force"):
        write_report(report, tmp_path / "report.html")
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["mine"]
    write_report(report, tmp_path / "report.html", overwrite=True)
    assert (tmp_path / existing).read_text(encoding="utf-8") != "mine"


def test_a_page_may_not_take_the_name_of_its_data(report: Report, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"\.html"):
        write_report(report, tmp_path / "report.json")


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_files({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_error_and_is_not_made(report: Report, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        write_report(report, tmp_path / "nowhere" / "report.html")
    assert list(tmp_path.iterdir()) == []
