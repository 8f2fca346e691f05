"""Repetition against sparsity: every engine counted and timed: docs/trade-off.md.

Counts are exact and the same on every machine; times are of the machine they name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

COUNTS: Final = Path(__file__).parent / "counts.json"
TIMES: Final = Path(__file__).parent / "times.json"


def read(path: Path) -> dict[str, Any]:
    """The JSON of a results file; nothing where there is none."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
