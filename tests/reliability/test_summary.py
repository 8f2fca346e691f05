"""What the page says of all commands comes from their results; what was found has its test."""

import ast
import json
from pathlib import Path

import pytest

from reliability import RESULTS, ROOT, quick, summary

FOUND = [each for many in summary.found().values() for each in many]


@pytest.mark.parametrize("each", FOUND, ids=lambda each: each["test"].rpartition("::")[2])
def test_what_was_found_has_a_test_that_is_there(each) -> None:
    path, name = each["test"].split("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert each["what"]


def test_every_result_has_a_row_without_failures() -> None:
    rows = summary.rows()
    assert {row.open for row in rows.values()} == {0}
    assert set(rows) == {path.stem for path in RESULTS.glob("*.json")}
    assert summary.found().keys() <= {row.found for row in rows.values()}
    assert len(summary.summary().splitlines()) > len(FOUND)


def test_a_failure_that_stands_in_the_results_is_counted(tmp_path: Path) -> None:
    document = {"networks": 4, "runs": 20, "seconds": 60, "failures": ["one"]}
    (tmp_path / "same-bits.json").write_text(json.dumps(document))
    (row,) = summary.rows(tmp_path).values()
    assert (row.open, row.minutes) == (1, 1)
    assert row.counted == "4 random networks, 20 runs"


def test_what_make_test_runs_of_all_this_takes_a_minute_at_most() -> None:
    files = json.loads((RESULTS / "quick.json").read_text(encoding="utf-8"))["files"]
    assert set(files) | {"tests/reliability/test_summary.py"} == set(quick.QUICK)
    assert sum(file["seconds"] for file in files.values()) <= quick.MOST_SECONDS
