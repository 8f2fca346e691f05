"""Every command and every line of Python in the start page and the guides runs as written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = sorted(path.stem for path in (DOCS / "guides").glob("*.md") if path.stem != "index")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RUN = {"sh", "python"}
SHOWN = 4000


def blocks_of(page: Path) -> list[tuple[str, str]]:
    """Language and text of every block of code, in order."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def script_of(page: Path) -> str:
    """The page as one script of a shell: a reader who types it all in."""
    lines = ["set -eu"]
    for language, text in blocks_of(page):
        assert language in RUN, (
            f"{page.name}: a block of {language or 'no language'} is run by nobody"
        )
        lines.append(text if language == "sh" else f"python - <<'PAGE'\n{text}PAGE")
    return "\n".join(lines)


def walk(page: Path, folder: Path) -> str:
    """Run a page in a folder; what it printed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    told = subprocess.run(
        ["sh", "-c", script_of(page)],
        cwd=folder,
        env={**os.environ, "PATH": path, "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert told.returncode == 0, told.stdout[-SHOWN:] + told.stderr[-SHOWN:]
    return told.stdout


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the start page leaves."""
    folder = tmp_path_factory.mktemp("start")
    said = walk(DOCS / "start.md", folder)
    assert "images are right" in said
    return folder


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_runs_from_its_first_line_to_its_last(
    name: str, started: Path, tmp_path: Path
) -> None:
    shutil.copytree(started, tmp_path / "here", symlinks=True)
    walk(DOCS / "guides" / f"{name}.md", tmp_path / "here")


def test_every_guide_is_listed_in_the_order_of_the_page() -> None:
    listed = (DOCS / "guides" / "index.md").read_text(encoding="utf-8")
    assert {name for name in GUIDES if f"\n{name}\n" not in listed} == set()


def test_a_command_that_fails_fails_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nfalse\necho on\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError):
        walk(page, tmp_path)
    page.write_text("```python\nraise SystemExit(3)\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError):
        walk(page, tmp_path)
    page.write_text("```text\nnobody runs this\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="run by nobody"):
        walk(page, tmp_path)
