"""The tables of architecture.md: what every room is for, and who may import whom.

Both come from rooms.toml and from what the rooms say of themselves.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any, Final

from signbin.report.markdown import table

PACKAGE: Final = Path(__file__).parents[1] / "src" / "signbin"
_PLAN: Final[dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("rooms.toml").read_text(encoding="utf-8")
)
GROUND: Final[tuple[str, ...]] = tuple(_PLAN["ground"])
ROOMS: Final[dict[str, dict[str, Any]]] = _PLAN["rooms"]


def as_markdown(text: str) -> str:
    """What reStructuredText says, with stars of formulas escaped."""
    text = re.sub(r":\w+:`[~.]*([^`]+)`", r"`\1`", text.replace("``", "`"))
    return text.replace("*", r"\*")


def said_of(path: Path) -> str:
    """The first sentence of a file's docstring, without its full stop."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return as_markdown(" ".join(text.partition("\n\n")[0].split()).removesuffix("."))


def rooms() -> str:
    """Every room, the ground first: what for, and what it hands over."""
    ground = [(f"`{name}.py`", said_of(PACKAGE / f"{name}.py"), "") for name in GROUND]
    walked = [
        (f"`{name}/`", said_of(PACKAGE / name / "__init__.py"), room["hands_over"])
        for name, room in ROOMS.items()
    ]
    return table(("room", "what it is for", "what it hands over"), [*ground, *walked])


def imports() -> str:
    """Rows import columns; only rooms that come earlier: nothing stands right of the diagonal."""
    names = list(ROOMS)
    width = max(map(len, names))
    lines = [" " * (width + 4) + " ".join(f"{number:>2}" for number in range(1, len(names) + 1))]
    for number, name in enumerate(names, start=1):
        marks = (" x" if other in ROOMS[name]["imports"] else " ." for other in names[:number])
        lines.append(f"{number:>2}  {name:<{width}}" + " ".join(marks)[:-1] + "\\")
    return "\n".join(["```text", *lines, "```"])
