"""Studies the project reports on: one folder each, run as ``python -m experiments.NAME``.

A folder holds what computes a study, what came out, and what makes its pages from that alone
(``make pages``).
"""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
"""The repository's folder."""
