"""Texts that come with the package and are called by name: recipes, experiments.

They are found without importing what reads them, so that a wrong name costs nobody the seconds that
torch takes to load.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path
from typing import Final

from signbin.errors import SpecError, unknown
from signbin.files import MOST_SETTINGS_BYTES, read_text

__all__ = ["EXPERIMENTS", "RECIPES", "Shipped"]

_SUFFIXES: Final = (".yaml", ".yml")


@dataclasses.dataclass(frozen=True)
class Shipped:
    """YAML files of one kind. word: what one of them is called."""

    word: str
    folder: Path

    def names(self) -> tuple[str, ...]:
        """All that come with signbin, in alphabetical order."""
        return tuple(sorted(path.stem for path in self.folder.glob("*.yaml")))

    def expect(self, name_or_path: str | Path) -> None:
        """SpecError for a name that nothing has; a path is not looked at."""
        if isinstance(name_or_path, Path) or name_or_path.endswith(_SUFFIXES):
            return
        if name_or_path not in self.names():
            remedy = "or give the path of a .yaml file"
            raise unknown(self.word, name_or_path, self.names(), remedy)

    def read(self, name_or_path: str | Path) -> tuple[str, str]:
        """(text, name) by a name, or by a path: a Path, or a text that ends in .yaml or .yml."""
        self.expect(name_or_path)
        if not isinstance(name_or_path, Path) and not name_or_path.endswith(_SUFFIXES):
            path = self.folder / f"{name_or_path}.yaml"
            return path.read_text(encoding="utf-8"), name_or_path
        path = Path(name_or_path)
        try:
            return read_text(path, MOST_SETTINGS_BYTES), str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(
                f"{self.word} file",
                value=str(path),
                reason=str(error),
                allowed="a YAML file in UTF-8",
                remedy=f"check the path, or name one that is known: {', '.join(self.names())}",
            ) from error

    def purpose(self, name: str) -> str:
        """What one of them is for: the first sentence of its comment."""
        lines = self.read(name)[0].splitlines()
        comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
        text = " ".join(line.lstrip("# ").strip() for line in comment)
        return re.split(r"(?<=[^.])[.;:] | \(", f"{text} ", maxsplit=1)[0].rstrip(". ")


_TRAIN: Final = Path(__file__).parent / "train"
RECIPES: Final = Shipped("recipe", _TRAIN / "recipes")
EXPERIMENTS: Final = Shipped("experiment", _TRAIN / "experiments")
