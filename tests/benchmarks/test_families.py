"""Networks that people use: each agrees, is timed, and stands in a table."""

import json
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["Keywords", "UNet", "Perceptron"])
def test_a_network_agrees_on_floats_and_codes_and_is_timed(script, name: str) -> None:
    networks = script("family_networks")
    shape = {"Keywords": (40, 50), "UNet": (3, 17, 22), "Perceptron": (784,)}[name]
    kind = getattr(networks, name)
    family = networks.Family(name, lambda: networks.low_bit(kind, shape), shape)
    row = script("families").measure(family, 3)
    assert row["error"] < 1e-4
    assert row["codes_differing"] == 0
    assert set(row["times"]) >= {"signbin int8", "signbin fp32", "onnxruntime fp32"}
    assert row["times"]["onnxruntime dynamic int8"]["error"] < 0.5
    (line,) = script("tables").families_table({"rows": [row]}).splitlines()[2:]
    assert line.startswith(f"| {name} |")


def test_what_was_measured_is_kept_and_not_measured_again(script, tmp_path: Path, capsys) -> None:
    """Its own command on the smallest networks: the others are there already."""
    module, results = script("families"), script("results")
    site = tmp_path / "site"
    networks = script("family_networks")
    names = [family.name for family in networks.families(site)]
    assert len(names) == 18
    kept = [{"network": name, "kept": True} for name in names if name != "keyword net"]
    results.record("families", {"rows": kept}, tmp_path / "r")
    module.main([str(site), "--rounds", "3", "--results", str(tmp_path / "r"), "--offline"])
    (path,) = (tmp_path / "r").glob("*.json")
    rows = json.loads(path.read_text())["sections"]["families"]["rows"]
    assert [row["network"] for row in rows if not row.get("kept")] == ["keyword net"]
    assert capsys.readouterr().out.startswith("keyword net: ")


def test_rows_that_are_not_asked_for_keep_their_day(script, tmp_path: Path) -> None:
    module, results, networks = (script(one) for one in ("families", "results", "family_networks"))
    names = [family.name for family in networks.families(tmp_path)]
    rows = [{"network": name, "old": True} for name in names]
    path = results.record("families", {"rows": rows}, tmp_path / "r")
    path.rename(path.with_name("2026-01-02" + path.name[10:]))
    options = ["keyword net", "--rounds", "3", "--results", str(tmp_path / "r"), "--offline"]
    module.main([str(tmp_path), *options])
    made = results.kept("families", tmp_path / "r")
    assert list(made) == names
    assert {name for name, row in made.items() if not row.get("old")} == {"keyword net"}
    days = {name: row["date"] for name, row in made.items()}
    assert days.pop("keyword net") == results.today()
    assert set(days.values()) == {"2026-01-02"}
    (fresh,) = (row for row in made.values() if not row.get("old"))
    other = {**fresh, "network": "other", "date": "2026-01-02"}
    lines = script("tables").families_table({"rows": [fresh, other]}).splitlines()
    assert lines[0].endswith("| measured |")
    assert lines[3].endswith("| 2026-01-02 |")


def test_every_network_agrees_and_none_is_slower_than_the_faster_of_onnx_runtimes(script) -> None:
    results = script("results")
    sections = results.newest("families")
    assert sections
    for section in sections:
        assert len(section["rows"]) == 18
        for row in section["rows"]:
            assert row["error"] < 1e-4, row["network"]
            assert row["codes_differing"] == 0, row["network"]
            assert row["least_ratio"] > 1 / 1.1, row["network"]
