"""What all runs of all targets counted together: results/fuzz.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from reliability import RESULTS
from signbin import native
from signbin.environment import environment
from signbin.files import write_text

__all__ = ["COUNTED", "Counted"]

COUNTED: Final = RESULTS / "fuzz.json"
_NOTHING: Final[Mapping[str, Any]] = {"executions": 0, "seconds": 0.0}


class Counted:
    """The file, read when it is asked and written whole with every change."""

    def __init__(self, path: Path = COUNTED) -> None:
        self._path = path

    def read(self) -> dict[str, Any]:
        """{"targets": {name: ...}, "found": [...], "environment": ...}."""
        if not self._path.is_file():
            return {"targets": {}, "found": []}
        found: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        return found

    def of(self, target: str) -> dict[str, Any]:
        """What is known of a target; executions and seconds always."""
        return {**_NOTHING, **self.read()["targets"].get(target, {})}

    def add(self, target: str, executions: int, seconds: float) -> None:
        """A slice that ended."""
        before = self.of(target)
        self.set(
            target,
            executions=before["executions"] + executions,
            seconds=round(before["seconds"] + seconds, 1),
        )

    def set(self, target: str, **known: Any) -> None:
        """Something else about a target: ``lines``, ``corpus``, ``planted``."""
        document = self.read()
        document["targets"][target] = {**_NOTHING, **document["targets"].get(target, {}), **known}
        self._write(document)

    def add_finding(self, target: str, words: str, file: str) -> None:
        """A bug that was mended; file: of the corpus, which shows that it stays so."""
        document = self.read()
        document["found"].append({"target": target, "words": words, "file": file})
        self._write(document)

    def _write(self, document: dict[str, Any]) -> None:
        document["environment"] = environment({"signbin": native.version()})
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self._path, json.dumps(document, indent=1) + "\n")
