"""Measured times of layers, kept from one compilation to the next in one JSON file.

{"version": 1, "layers": {key: {candidate: ms}}}; a key is a digest of everything that the times
depend on, see tune.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from signbin import files

__all__ = ["DEFAULT_CACHE", "TimesCache"]

DEFAULT_CACHE: Final = Path("~/.cache/signbin/autotune.json")
"""Where times are kept where nothing else is said; ``~`` is the user's home."""

_VERSION: Final = 1
_MOST_LAYERS: Final = 10_000
_MOST_CANDIDATES: Final = 256
_MOST_BYTES: Final = 64 * 2**20


class TimesCache:
    """Times by layer. A file that cannot be read or written costs a warning, never the plan.

    path: None keeps the times for this object's life only. warn: is told what is wrong, in one
    line. The file is written whole, by :meth:`save`; the oldest layers of more than 10,000 are
    dropped.
    """

    def __init__(self, path: Path | None, warn: Callable[[str], None]) -> None:
        self._path, self._warn = None if path is None else path.expanduser(), warn
        self._layers = {} if self._path is None else self._read(self._path)

    def times(self, key: str) -> Mapping[str, float]:
        """What is known of a layer, milliseconds by candidate; empty where nothing is."""
        return dict(self._layers.get(key, {}))

    def add(self, key: str, times: Mapping[str, float]) -> None:
        """Remember a layer's times, beside or instead of those that are known."""
        self._layers[key] = {**self._layers.pop(key, {}), **times}

    def save(self) -> None:
        """Write the file, with its folder."""
        if self._path is None:
            return
        kept = dict(list(self._layers.items())[-_MOST_LAYERS:])
        text = json.dumps({"version": _VERSION, "layers": kept}, indent=1, allow_nan=False)
        try:
            files.make_folder(self._path.parent)
            files.write_text(self._path, text + "\n")
        except (OSError, ValueError) as error:
            self._warn(f"the measured times are not kept: {error}")

    def _read(self, path: Path) -> dict[str, dict[str, float]]:
        try:
            return _layers_of(json.loads(files.read_text(path, _MOST_BYTES)))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            self._warn(f"{path} is ignored, all layers are measured: {error}")
            return {}


def _layers_of(document: Any) -> dict[str, dict[str, float]]:
    """ValueError for anything that :meth:`TimesCache.save` does not write."""
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise ValueError(f"not a file of measured times, version {_VERSION}")
    layers = document.get("layers")
    if not isinstance(layers, dict) or not all(map(_are_times, layers.values())):
        raise ValueError("its layers are not milliseconds by candidate")
    return layers


def _are_times(times: object) -> bool:
    return (
        isinstance(times, dict)
        and len(times) <= _MOST_CANDIDATES
        and all(isinstance(ms, float) and math.isfinite(ms) and ms > 0 for ms in times.values())
    )
