"""The networks of other people: a row for each, and a table that says what became of it."""

import json
from pathlib import Path

import pytest


def test_a_network_is_compiled_and_held_to_onnx_runtime(script, tmp_path: Path) -> None:
    """One of onnx's own tests: nothing is installed for it."""
    given = [str(tmp_path / "env"), "--only", "light_shufflenet", "--results", str(tmp_path / "r")]
    script("imports").main(given)
    (path,) = (tmp_path / "r").glob("*.json")
    (row,) = json.loads(path.read_text())["sections"]["foreign_networks"]["rows"]
    assert row["outcome"] == "whole"
    assert row["error"] < 1e-4
    assert not (tmp_path / "env").exists()


def test_the_table_says_what_became_of_each(script) -> None:
    rows = [
        {
            "network": "a",
            "package": "p 1.0",
            "operators": 12,
            "outcome": "in parts",
            "share": 0.5,
            "seconds": 1.25,
            "error": 1e-6,
            "seconds_to_refuse": 0.4,
            "refused": {"Cos": 2, "If": 1},
        },
        {
            "network": "b",
            "package": "p 1.0",
            "operators": 3,
            "outcome": "refused",
            "why": "no model",
            "refused": {},
        },
    ]
    lines = script("tables").foreign_networks_table({"rows": rows}).splitlines()
    assert "2 Cos, 1 If" in lines[2]
    assert "50.0 %" in lines[2]
    assert "no model" in lines[3]


def test_what_is_measured_now_is_what_is_kept(script) -> None:
    kept = script("results").newest("foreign_networks")
    rows = [row for section in kept for row in section["rows"]]
    assert len(rows) >= 17
    for row in rows:
        assert row["error"] < 1e-4, row["network"]
        assert row.get("seconds_to_refuse", 0) < 5, row["network"]


@pytest.mark.parametrize("name", ["imports", "import_networks"])
def test_the_scripts_say_what_they_are(script, name: str) -> None:
    assert script(name).__doc__
