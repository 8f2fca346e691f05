"""Records go through JSON unchanged; wrong documents are refused by name."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from signbin.documents import to_document
from signbin.errors import FormatError
from signbin.report import Report, ReportedComparison, ReportedDifference, from_json
from signbin.report.schema import SCHEMA_VERSION

SCHEMA = Path(__file__).parents[2] / "docs" / "report.schema.json"


def test_a_report_goes_through_json_unchanged(report: Report) -> None:
    text = json.dumps(to_document(report), allow_nan=False)
    assert from_json(Report, json.loads(text), "report.json") == report


def test_the_published_schema_holds_for_what_is_written(report: Report, study) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema: pip install '.[dev]'")
    published = json.loads(SCHEMA.read_text(encoding="utf-8"))
    judge = jsonschema.Draft202012Validator(published)
    judge.check_schema(published)
    document = json.loads(json.dumps(to_document(dataclasses.replace(report, studies=(study,)))))
    assert list(judge.iter_errors(document)) == []
    assert document["schema_version"] == SCHEMA_VERSION
    for wrong in ({"title": 3}, {"invented": 1}, {"models": [{}]}, {"kinds": None}):
        assert list(judge.iter_errors({**document, **wrong})) != []


def test_unknown_keys_are_ignored_so_that_newer_files_can_be_read(
    comparison: ReportedComparison,
) -> None:
    document = {**to_document(comparison), "invented_later": 1}
    assert from_json(ReportedComparison, document, "compare.json") == comparison


def test_numbers_that_json_cannot_hold_become_null() -> None:
    document = to_document(ReportedDifference("fc", math.nan, math.inf))
    assert document == {
        "name": "fc",
        "interpreter_error": None,
        "compiled_error": None,
        "source": "",
        "other_errors": {},
        "outside": False,
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("samples", "many"),
        ("samples", True),
        ("samples", 1.5),
        ("max_relative_error", None),
        ("layers", [{"name": "conv"}]),
        ("layers", [3]),
        ("layers", "conv"),
    ],
)
def test_a_wrong_value_is_refused_and_its_key_named(
    comparison: ReportedComparison, key: str, value: object
) -> None:
    with pytest.raises(FormatError, match=rf"compare\.json: {key}"):
        from_json(ReportedComparison, {**to_document(comparison), key: value}, "compare.json")


def test_a_missing_key_is_refused_and_named(comparison: ReportedComparison) -> None:
    document = to_document(comparison)
    del document["top1_agreement"]
    with pytest.raises(FormatError, match="top1_agreement"):
        from_json(ReportedComparison, document, "compare.json")


@pytest.mark.parametrize("document", [None, [], "text", 3])
def test_what_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(FormatError, match="a mapping of keys to values"):
        from_json(ReportedComparison, document, "compare.json")
