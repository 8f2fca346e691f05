"""Which way of running a network is the fastest: measured, by turns."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.hybrid.content import Decision, TimedWay
from signbin.hybrid.cut import Piece
from signbin.hybrid.extract import extract
from signbin.hybrid.network import OnnxNetwork
from signbin.hybrid.program import HybridProgram
from signbin.hybrid.session import RuntimePart
from signbin.measure import InProcess, Schedule, take_turns
from signbin.runtime import Program

__all__ = ["Trial", "choose", "difference", "slower_parts", "try_part"]

_LEAST_GAIN: Final = 1.02  # a cut that gains less may be noise, and is one engine more
_TOLERANCE: Final = 1e-4
_SMALL: Final = 1e-2  # ONNX Runtime's own functions are right to about 1e-7, not relatively
_PART_TURN_S: Final = 0.03


@dataclasses.dataclass(frozen=True)
class Trial:
    """A piece run by both engines on the same arrays.

    difference: see :func:`difference`. Milliseconds are of the fastest call, from arrays to arrays.
    """

    difference: float
    ours_ms: float
    theirs_ms: float

    @property
    def figures(self) -> str:
        """Both times, in words."""
        return f"{self.ours_ms:.3f} ms, ONNX Runtime {self.theirs_ms:.3f} ms"


def try_part(
    network: OnnxNetwork,
    piece: Piece,
    program: Program,
    arrays: Mapping[str, Any],
    schedule: Schedule | None,
) -> Trial:
    """Run a piece on both engines, on the arrays that reach it; schedule None: without timing."""
    given = [arrays[name] for name in piece.inputs]
    session = RuntimePart(extract(network, piece).SerializeToString())
    found = program(*given)
    ours_found = [found] if len(piece.outputs) == 1 else list(found)
    pairs = zip(session(arrays), ours_found, strict=True)
    apart = max(difference(expected, actual) for expected, actual in pairs)
    if schedule is None:
        return Trial(apart, math.nan, math.nan)
    ours = InProcess("signbin", lambda: program(*given))
    theirs = InProcess("onnxruntime", lambda: session(arrays))
    brief = dataclasses.replace(schedule, warm_up_s=_PART_TURN_S, turn_s=_PART_TURN_S)
    times = take_turns([ours, theirs], brief)
    return Trial(apart, times["signbin"].min_ms, times["onnxruntime"].min_ms)


def slower_parts(
    trials: Mapping[Piece, Trial], programs: Mapping[Piece, Program]
) -> tuple[dict[Piece, str], dict[Piece, str]]:
    """The pieces that ONNX Runtime must have, as results differ, and those it is faster at.

    With codes for activations results differ by their rounding, and are not compared.
    """
    wrong, slower = {}, {}
    for piece, trial in trials.items():
        if not programs[piece].graph.has_codes and not trial.difference <= _TOLERANCE:
            wrong[piece] = f"results differ from ONNX Runtime's by {trial.difference:.1e}"
        elif trial.ours_ms > trial.theirs_ms:
            slower[piece] = f"measured slower: {trial.figures}"
    return wrong, slower


def choose(
    ways: Mapping[str, HybridProgram], feeds: Mapping[str, NDArray[Any]], schedule: Schedule
) -> Decision:
    """The fastest way, ``onnxruntime`` among them, by its least time on these inputs."""
    sides = [
        InProcess(name, lambda program=program: program(**feeds))  # type: ignore[misc]  # bound now
        for name, program in ways.items()
    ]
    times = take_turns(sides, schedule)
    by_name = {name: times[name].min_ms for name in ways}
    alone = by_name["onnxruntime"]
    best = min(by_name, key=lambda name: by_name[name])
    if by_name[best] * _LEAST_GAIN > alone:
        best = "onnxruntime"
    others = ", ".join(f"{name} {ms:.3f} ms" for name, ms in by_name.items() if name != best)
    batch = max((len(array) for array in feeds.values() if np.ndim(array)), default=1)
    why = f"{best}: {by_name[best]:.3f} ms"
    why += f" against {others}" if others else ""
    why += f" (least of {schedule.rounds} turns each, batch {batch}, 1 thread)"
    return Decision(best, why, tuple(TimedWay(*each) for each in by_name.items()))


def difference(expected: NDArray[Any], actual: NDArray[Any]) -> float:
    """The largest one, relative to the largest number expected, or to 0.01 where that is less.

    inf for another shape.
    """
    if expected.shape != actual.shape:
        return math.inf
    scale = max(float(np.abs(expected).max(initial=0.0)), _SMALL)
    return float(np.abs(expected - actual).max()) / scale
