"""What was kept of the experiments that come with signbin, and the pages made of it.

    signbin experiment depth --scale cpu -o RUNS   # trains, resumes
    python -m experiments.training depth RUNS   # keeps what is finished; make pages

Kept in results/NAME-SCALE: results.json, and per network config.yaml and metrics.csv. The pages
docs/results/NAME.md and docs/results/training.md are made from these files and nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from signbin.shipped import EXPERIMENTS
from signbin.train import Experiment, load_experiment

RESULTS = Path(__file__).parent / "results"


def experiments() -> list[Experiment]:
    """All of the project, in alphabetical order."""
    return [load_experiment(name) for name in EXPERIMENTS.names()]


def kept_results(kept: Path = RESULTS) -> list[dict[str, Any]]:
    """Every results.json that is kept, in the order of the folders."""
    paths = sorted(kept.glob("*/results.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]
