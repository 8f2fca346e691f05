"""What a page of documentation says is code, and a reader who types all of it in.

The words behind the fence say what becomes of a block:

    sh, python       it is run, block after block, in one folder
    LANGUAGE FILE    it is what that file holds, as `python my_network.py`
    sh ci            every line of it is a step of .ci/run
    sh arm           every line of it is run in QEMU, by tests/arm
    json             it is read
    text             it is no code: a drawing, a form, a line of a format

Everything else is refused: a block without a word, another word, a block that is only indented.
Directives of Sphinx, in braces, are the documentation's own.
"""

import dataclasses
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# What a checkout has, without what is made there.
CHECKOUT = (
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"),
    *("CMakeLists.txt", "Makefile", "benchmarks", "constraints.txt", "docs", "examples"),
    *("experiments", "live_page", "native", "packaging", "pages.py", "pyproject.toml"),
    *("reliability", "requirements.lock", "src", "tests", "zoo"),
)
RUN = ("sh", "python")
READ = {("text",), ("json",), ("sh", "ci"), ("sh", "arm")}
FILE = re.compile(r"[a-z_]+\.[a-z]+")
PORTS = re.compile(r"\b(?:8765|8000)\b")
SHOWN = 4000


@dataclasses.dataclass(frozen=True)
class Block:
    """Where it stands, the words behind its fence, and what is in it."""

    place: str
    words: tuple[str, ...]
    text: str

    @property
    def is_file(self) -> bool:
        return len(self.words) == 2 and FILE.fullmatch(self.words[1]) is not None

    @property
    def is_run(self) -> bool:
        return len(self.words) == 1 and self.words[0] in RUN

    @property
    def lines(self) -> list[str]:
        """Its commands, without what is said about them."""
        return [line.partition("#")[0].strip() for line in self.text.splitlines()]


def pages() -> Iterator[Path]:
    """Every page of the repository, but what a build or an installation put there."""
    for top in (ROOT, *(ROOT / name for name in ("docs", "examples", "experiments", "zoo"))):
        found = top.glob("*.md") if top == ROOT else top.rglob("*.md")
        yield from sorted(path for path in found if "_build" not in path.parts)


def blocks_of(page: Path) -> list[Block]:
    """All of its blocks, in order."""
    found = []
    for token in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        if token.type not in {"fence", "code_block"} or token.info.startswith("{"):
            continue
        assert token.map is not None
        place = f"{page.name}:{token.map[0] + 1}"
        found.append(Block(place, tuple(token.info.split()), token.content))
    return found


def expect_known(block: Block) -> None:
    """AssertionError for a block of which nobody knows what becomes of it."""
    if block.words == ("json",):
        json.loads(block.text)
    known = block.is_run or block.is_file or block.words in READ
    assert known, f"{block.place}: a block of {' '.join(block.words) or 'no word'} is run by nobody"


def script_of(page: Path) -> str:
    """The page as one script of a shell."""
    lines = ["set -eu"]
    for block in blocks_of(page):
        expect_known(block)
        lines.append(f"echo '{block.place}' >&2")
        if block.is_file:
            lines.append(f"cat > {block.words[1]} <<'PAGE'\n{block.text}PAGE")
        elif block.words == ("python",):
            lines.append(f"python - <<'PAGE'\n{block.text}PAGE")
        elif block.words == ("sh",):
            lines.append(block.text)
    return "\n".join(lines)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check_out(folder: Path) -> Path:
    """A folder in which everything of the repository lies, as links: what is made there stays."""
    folder.mkdir(exist_ok=True)
    for name in CHECKOUT:
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def walk(page: Path, folder: Path) -> str:
    """Run a page in a folder; what it printed. Ports that it names become free ones."""
    script = PORTS.sub(str(free_port()), script_of(page))
    told = subprocess.run(
        ["sh", "-c", script],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=850,
    )
    assert told.returncode == 0, told.stdout[-SHOWN:] + told.stderr[-SHOWN:]
    return told.stdout


def environment(folder: Path) -> dict[str, str]:
    """Of a reader whose home is the folder, and for whom `make install` has nothing to do."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "HOME": str(folder), "MAKEFLAGS": "STAMP="}
