"""train: one JSON document, options over the recipe, nothing left behind by a mistake."""

import json
from pathlib import Path

import pytest

SMALL = ("--set", "model.width=8", "--epochs", 1, "--seeds", 0)


def test_the_summary_is_the_only_thing_on_standard_output(signbin, tmp_path: Path) -> None:
    result = signbin(
        "train", "digits", "--weights", "binary", *SMALL, "-o", tmp_path / "r", "--json"
    )
    assert result.code == 0
    assert result.document == json.loads((tmp_path / "r" / "summary.json").read_text("utf-8"))
    assert result.document["weights"] == "binary"
    assert result.document["seeds"] == [0]
    assert result.document["model"]["width"] == 8


def test_the_table_prints_the_value_set_and_every_seed(signbin, trained: Path) -> None:
    same = ("--set", "model.width=8", "--epochs", 1, "--seeds", "3,5")
    result = signbin("train", "digits", *same, "-o", trained, "--resume")
    assert result.code == 0
    assert "{0,+1} or {0,-1} per region" in result.out
    assert "3, 5" in result.out
    assert "±" in result.out


def test_an_earlier_run_is_kept_unless_forced(signbin, trained: Path) -> None:
    before = (trained / "summary.json").read_bytes()
    result = signbin("train", "digits", *SMALL, "-o", trained)
    assert result.code == 1
    assert "force" in result.err
    assert (trained / "summary.json").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("no-such-recipe",), "no-such-recipe"),
        (("missing.yaml",), "missing.yaml"),
        (("digits", "--weights", "quaternary"), "quaternary"),
        (("digits", "--seeds", "one"), "--seeds"),
        (("digits", "--seeds", "1,1"), "seeds"),
        (("digits", "--epochs", "0"), "epochs"),
        (("digits", "--set", "epochs"), "key=value"),
        (("digits", "--set", "model.depth=3"), "depth"),
    ],
)
def test_a_mistake_is_named_and_leaves_nothing(
    signbin, tmp_path: Path, options: tuple[str, ...], named: str
) -> None:
    result = signbin("train", *options, "-o", tmp_path / "run")
    assert result.code == 1
    assert result.out == ""
    assert result.err.startswith("error: ")
    assert named in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error(signbin, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = signbin("train", "digits", *SMALL, "-o", tmp_path / "file" / "run")
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert "Traceback" not in result.err
