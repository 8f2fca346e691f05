"""Every generated page is on one list, and says what the committed results say."""

import re
from pathlib import Path

import pytest

import pages
from signbin.errors import FormatError

SAYS_IT_IS_GENERATED = re.compile(r"made\s+by\s+`make\s+pages`|<!-- table: ", re.IGNORECASE)


@pytest.fixture(scope="module")
def generated() -> dict[Path, str]:
    return pages.generated()


def documents() -> list[Path]:
    """Pages and pictures that people read."""
    docs = pages.ROOT / "docs"
    read = [*pages.ROOT.glob("*.md"), *pages.ROOT.glob("zoo/*.md"), *docs.rglob("*.md")]
    return [path for path in [*read, *docs.rglob("*.svg")] if docs / "_build" not in path.parents]


def test_every_page_is_what_the_committed_results_give(generated) -> None:
    stale = [str(path.relative_to(pages.ROOT)) for path in pages.stale(generated)]
    assert not stale, f"run make pages (python pages.py): {', '.join(stale)}"


def test_every_page_that_says_it_is_generated_is_on_the_list(generated) -> None:
    for path in documents():
        says_so = SAYS_IT_IS_GENERATED.search(path.read_text(encoding="utf-8")) is not None
        assert (says_so or path.suffix == ".svg") is (path in generated), path


def test_the_ranges_the_readme_states_are_those_of_its_table() -> None:
    lines = pages.TABLES["headline"]().splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| resnet")]

    def ratios(column: int, *activations: str) -> str:
        found = [float(row[column]) for row in cells if row[1] in activations]
        return f"{min(found):.2f} to {max(found):.2f} times"

    readme = " ".join((pages.ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"{ratios(6, 'fp32', '8-bit')} as fast as the fastest fp32 engine" in readme
    assert f"8-bit activations {ratios(4, '8-bit')} as fast as the fastest int8 engine" in readme
    assert f"with fp32 activations {ratios(4, 'fp32')}" in readme


def test_a_table_is_replaced_and_nothing_else() -> None:
    text = "before\n<!-- table: one -->\nold\n<!-- end of table -->\nafter\n"
    new = pages.filled(text, {"one": lambda: "| new |"})
    assert new == "before\n<!-- table: one -->\n| new |\n<!-- end of table -->\nafter\n"
    assert pages.filled(new, {"one": lambda: "| new |"}) == new


def test_a_table_that_nobody_makes_is_an_error() -> None:
    with pytest.raises(FormatError, match="no_such"):
        pages.filled("<!-- table: no_such -->\n<!-- end of table -->", {})


def test_a_check_names_what_is_stale_and_the_command_and_writes_nothing(
    monkeypatch, tmp_path: Path, capsys
) -> None:
    old, new = tmp_path / "old.md", tmp_path / "new.md"
    old.write_text("old")
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    monkeypatch.setattr(pages, "WITH_TABLES", ())
    monkeypatch.setattr(pages, "WHOLE", (lambda: {old: "other", new: "new"},))
    assert pages.main(["--check"]) == 1
    assert capsys.readouterr().out == "new.md is stale: make pages\nold.md is stale: make pages\n"
    assert (old.read_text(), new.exists()) == ("old", False)
    assert pages.main([]) == 0
    assert (old.read_text(), new.read_text()) == ("other", "new")
    assert pages.main(["--check"]) == 0


def test_no_two_makers_of_tables_use_one_name() -> None:
    names = [*pages.tables.TABLES, *pages.catalogue.TABLES]
    assert len(names) == len(set(names))
    assert set(names) < set(pages.TABLES)
