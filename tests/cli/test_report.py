"""report: one page from runs, a model and a comparison."""

import json
from pathlib import Path

import pytest


def test_a_page_and_its_data_are_written(
    signbin, trained, compiled, compared, tmp_path: Path
) -> None:
    (tmp_path / "compare.json").write_text(compared.out, encoding="utf-8")
    page = tmp_path / "report.html"
    given = ("--model", compiled, "--comparison", tmp_path / "compare.json", "-o", page)
    result = signbin("report", trained, *given, "--json")
    assert result.code == 0, result.err
    assert result.document == json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert result.document["model"]["path"] == str(compiled)
    assert result.document["comparison"]["samples"] == 20
    assert len(result.document["commands"]) >= 2
    text = page.read_text(encoding="utf-8")
    assert "signbin report" in text
    assert "<svg" in text


def test_a_report_without_a_model_says_not_given(signbin, trained, tmp_path: Path) -> None:
    result = signbin("report", trained, trained, "-o", tmp_path / "report.html")
    assert result.code == 0
    assert "not given: a compiled model" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert result.out.count("signed_binary") == 2


@pytest.mark.parametrize(
    ("option", "content"),
    [("--comparison", b"[]"), ("--comparison", b"{}"), ("--model", b"no model"), (None, b"")],
)
def test_broken_inputs_are_named_and_leave_nothing(
    signbin, trained, tmp_path: Path, option: str | None, content: bytes
) -> None:
    broken = tmp_path / "broken.bin"
    broken.write_bytes(content)
    arguments = (trained, option, broken) if option else (broken,)
    result = signbin("report", *arguments, "-o", tmp_path / "report.html")
    assert result.code == 1
    assert result.out == ""
    assert "broken.bin" in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["broken.bin"]


def test_a_page_is_not_overwritten_unasked(signbin, trained, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("mine", encoding="utf-8")
    assert signbin("report", trained, "-o", page).code == 1
    assert page.read_text(encoding="utf-8") == "mine"
    assert signbin("report", trained, "-o", page, "--force").code == 0
