"""Cycles and energy of ResNet-18 on every array, estimated: docs/results/energy.md."""

from pathlib import Path
from typing import Final

RESULTS: Final = Path(__file__).parent / "results.json"
OURS: Final = "signed-binary 0.357"
