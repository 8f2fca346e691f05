"""Options that mean the same to every script that has them."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.layers import KINDS
from benchmarks.results import RESULTS

__all__ = ["add_layers", "add_turns", "make_parser"]


def make_parser(documentation: str | None) -> argparse.ArgumentParser:
    """The first line of a script's docstring as its help, and where results are kept."""
    parser = argparse.ArgumentParser(description=(documentation or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser


def add_layers(parser: argparse.ArgumentParser, shapes: str, weights: str) -> None:
    """Which layers of which weights, and the kernels to run them with; the defaults of the two."""
    parser.add_argument("--shapes", default=shapes)
    parser.add_argument("--weights", default=weights, help=", ".join(KINDS))
    parser.add_argument("--density", type=float, default=0.35)
    parser.add_argument("--isa", default="auto")


def add_turns(parser: argparse.ArgumentParser, rounds: int, *, calm: bool = False) -> None:
    """How many rounds of turns by default; calm: whether cores can be waited for."""
    parser.add_argument("--rounds", type=int, default=rounds)
    if calm:
        text = "seconds to wait for calm cores"
        parser.add_argument("--calm", type=float, default=0.0, help=text)
