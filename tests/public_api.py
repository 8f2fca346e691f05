"""Every name of signbin and of the rooms that users import from, with signatures, as text.

    python -m tests.public_api      # write tests/public_api.txt: what users may rely on, changed

A room's public names are those of its ``__all__``; of a class, what it defines itself under a name
without an underscore. Members of enumerations are listed by value.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

LISTING = Path(__file__).with_suffix(".txt")
# Those that the guide and the README name; other rooms are for those who work on signbin.
ROOMS = (
    "artifact", "calibrate", "diagnose", "errors", "hybrid", "interop", "ir", "nn", "packed",
    "predict", "quant", "runtime", "spec", "train", "tune",
)  # fmt: skip
ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def listing() -> str:
    """A line per name, in alphabetical order, rooms first."""
    lines: list[str] = []
    for room in ("signbin", *(f"signbin.{name}" for name in ROOMS)):
        module = importlib.import_module(room)
        for name in sorted(getattr(module, "__all__", ())):
            lines += described(f"{room}.{name}", getattr(module, name))
    return "\n".join(lines) + "\n"


def described(name: str, found: object) -> Iterator[str]:
    """A line for a name, and for a class one for each of its members."""
    if isinstance(found, type):
        yield from of_class(name, found)
    elif callable(found):
        yield f"{name}{signature(found)}"
    else:
        yield f"{name}: {type(found).__name__}"


def of_class(name: str, found: type) -> Iterator[str]:
    bases = [base.__name__ for base in found.__bases__ if base is not object]
    yield f"class {name}({', '.join(bases)})"
    if issubclass(found, enum.Enum):
        yield from (f"  {member.name} = {member.value!r}" for member in found)
        return
    if "__init__" in vars(found):
        yield f"  __init__{signature(vars(found)['__init__'])}"
    for member, value in sorted(vars(found).items()):
        if member.startswith("_"):
            continue
        made = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        yield f"  {member}{signature(made) if callable(made) else ''}"


def signature(found: object) -> str:
    try:
        return ADDRESS.sub("", str(inspect.signature(found)))
    except (TypeError, ValueError):  # compiled, or a typing construct
        return "(...)"


if __name__ == "__main__":
    LISTING.write_text(listing(), encoding="utf-8")
