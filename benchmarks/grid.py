"""Is any layer slower than the same layer of other engines, and does the planner choose well?

    python -m benchmarks.grid [--quick] [--seconds 240] [--only "3x3,linear"] [--again]

Every layer of the grid (benchmarks/grid_layers.py), on floats and on codes, with every scheme of
weights, against ONNX Runtime, oneDNN and OpenVINO, one thread. Outputs are compared first; then
all engines, and every way we could run the layer, take turns: five rounds, least times. What is
below 0.9 of the fastest peer is measured three times more, and the median of these counts. What
fails, a peer, a scheme or one way, is written down with its error, and the others go on.

A layer that is done is written to results/grid at once, and not measured again (--again does)
unless our sources changed since: stop it at any time, by --seconds too, and go on. --quick takes a
sixth of the layers. At the end it says what loses, with the reason, and what the planner could have
chosen better.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from benchmarks.grid_layers import QUICK_EVERY, SCHEMES, TYPES, GridLayer, Scheme, grid, slice_of
from benchmarks.grid_ours import OurLayer, Way, ours_of, ways_of
from benchmarks.grid_page import LEAST_RATIO, SECTION, failures, losses, planner_regret, summary
from benchmarks.grid_peers import GridPeer, openers_of
from benchmarks.grid_sources import of_sources, sources
from benchmarks.options import make_parser
from benchmarks.results import append, rows_here
from signbin.measure import (
    Floor,
    InProcess,
    Schedule,
    Side,
    Times,
    Tolerance,
    choose_cores,
    take_turns,
)

_Made = TypeVar("_Made")
_REPEATS: Final = 3
_EXACT: Final = Tolerance(1e-4)
# Rounding weights and output leaves about 50 dB, Winograd's and saturated sums far less.
_FLOOR: Final = Floor(top1_agreement=0.0, snr_db=25.0)
_DIGITS: Final = 4  # of what is kept
_LONGEST_ERROR: Final = 200
SCHEDULE: Final = Schedule(rounds=5, warm_up_s=0.01, turn_s=0.01)


@dataclasses.dataclass(frozen=True, eq=False)
class Contender:
    """Our layer with weights of a scheme, its ways, the planner's first, and which failed how."""

    scheme: Scheme
    layer: OurLayer
    ways: Sequence[Way]
    failed: Mapping[str, str]

    def sides(self) -> list[Side]:
        """One per way."""
        return [
            self.layer.side(f"{self.scheme}: {index}", way.program)
            for index, way in enumerate(self.ways)
        ]


def measure_layer(
    layer: GridLayer,
    activations: str,
    schemes: Sequence[Scheme] = SCHEMES,
    schedule: Schedule = SCHEDULE,
) -> dict[str, Any]:
    """One row: least times of the peers, and of every way of every scheme; what failed."""
    failed: dict[str, str] = {}
    openers = openers_of(layer, activations)
    peers = _that_work({name: partial(_opened, openers[name], layer) for name in openers}, failed)
    ours = _that_work(
        {str(scheme): partial(_contender, layer, scheme, activations) for scheme in schemes}, failed
    )
    theirs: list[Side] = [InProcess(peer.name, peer.call) for peer in peers]
    row: dict[str, Any] = {
        "layer": str(layer),
        "kind": layer.kind,
        "type": activations,
        "macs": layer.macs,
        "sources": sources(),
        "peers": {},
        "schemes": {},
    }
    for one in ours:
        failed |= one.failed
    if failed:
        row["failed"] = failed
    if not peers or not ours:
        return row
    times = take_turns([*theirs, *(side for one in ours for side in one.sides())], schedule)
    fastest = min(peers, key=lambda peer: times[peer.name].min_ms)
    return row | {
        "peers": {peer.name: _short(times[peer.name].min_ms) for peer in peers},
        "fastest": fastest.name,
        "schemes": {str(one.scheme): _scheme(one, fastest, times, schedule) for one in ours},
    }


def _that_work(makers: Mapping[str, Callable[[], _Made]], failed: dict[str, str]) -> list[_Made]:
    """What could be made; of the others the error, by name."""
    made = []
    for name, make in makers.items():
        try:
            made.append(make())
        except Exception as error:  # any of four libraries: the rest of the pass is worth more
            told = f"{type(error).__name__}: {error}"
            failed[name] = " ".join(told.split())[:_LONGEST_ERROR]
    return made


def _opened(opener: Callable[[], GridPeer], layer: GridLayer) -> GridPeer:
    """With its output compared."""
    peer = opener()
    (_FLOOR if peer.coded else _EXACT).require(f"{peer.name} {layer}", peer.found)
    return peer


def _contender(layer: GridLayer, scheme: Scheme, activations: str) -> Contender:
    """With outputs compared: the planner's way within the bound, all others with its own."""
    ours = ours_of(layer, scheme, activations)
    floor = _FLOOR if activations == "u8" and ours.node != "y" else _EXACT

    def compared(way: Way) -> Way:
        output = way.program.trace(ours.given)[ours.node]
        floor.require(f"{scheme} {layer}, {way.name}", ours.agreement(output))
        return way

    failed: dict[str, str] = {}
    chosen, *others = ways_of(ours, "auto")
    makers = {f"{scheme}, {way.name}": partial(compared, way) for way in others}
    return Contender(scheme, ours, [compared(chosen), *_that_work(makers, failed)], failed)


def _scheme(
    one: Contender, fastest: GridPeer, times: Mapping[str, Times], schedule: Schedule
) -> dict[str, Any]:
    """The times of a scheme's ways, the ratio to the fastest peer, and its repetitions."""
    own = [times[side.name].min_ms for side in one.sides()]
    ratio = times[fastest.name].min_ms / own[0]
    told = {
        "kernel": one.ways[0].program.kernels[one.layer.node],
        "ways": {way.name: _short(ms) for way, ms in zip(one.ways, own, strict=True)},
        "ratio": _short(ratio),
    }
    if ratio < LEAST_RATIO:
        again = [_ratio(one, fastest, schedule) for _ in range(_REPEATS)]
        told |= {"ratio": statistics.median(again), "first": _short(ratio), "repeats": again}
    return told


def _ratio(one: Contender, fastest: GridPeer, schedule: Schedule) -> float:
    """The planner's way and the fastest peer once more, by themselves."""
    ours = one.sides()[0]
    times = take_turns([InProcess(fastest.name, fastest.call), ours], schedule)
    return _short(times[fastest.name].min_ms / times[ours.name].min_ms)


def _short(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")


def to_measure(
    layers: Sequence[GridLayer], known: Sequence[Mapping[str, Any]], types: Sequence[str] = TYPES
) -> Iterator[tuple[GridLayer, str]]:
    """Layers and types that no known row of today's sources is of."""
    done = {(row["layer"], row["type"]) for row in of_sources(known, sources())}
    for layer in layers:
        for activations in types:
            if (str(layer), activations) not in done:
                yield layer, activations


def line(row: Mapping[str, Any]) -> str:
    """A row for people."""
    failed = "".join(f"   {name} FAILED" for name in row.get("failed", ()))
    if not row["schemes"]:
        return f"{row['type']:3} {row['layer']:32}{failed}"
    least = row["peers"][row["fastest"]]
    head = f"{row['type']:3} {row['layer']:32} {row['fastest']} {least:.4f} ms"
    schemes = "".join(
        f"   {name} {one['ratio']:.2f}x {next(iter(one['ways']))}"
        for name, one in row["schemes"].items()
    )
    return head + schemes + failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is missing, record row by row, say what loses."""
    options = _options(arguments)
    os.sched_setaffinity(0, choose_cores(1))
    import torch  # noqa: PLC0415 - after the affinity is set

    torch.set_num_threads(1)
    layers = slice_of(grid(), QUICK_EVERY) if options.quick else grid()
    kinds = options.only.split(",") if options.only else {layer.kind for layer in layers}
    layers = tuple(layer for layer in layers if layer.kind in kinds)
    known = [] if options.again else rows_here(SECTION, options.results)
    deadline = time.monotonic() + options.seconds
    for layer, activations in to_measure(layers, known, options.types.split(",")):
        if time.monotonic() > deadline:
            break
        row = measure_layer(layer, activations)
        append(SECTION, row, ("layer", "type"), options.results)
        sys.stderr.write(line(row) + "\n")
    rows = of_sources(rows_here(SECTION, options.results), sources())
    missing = sum(1 for _ in to_measure(layers, rows))
    told = (summary(rows), losses(rows), planner_regret(rows), failures(rows))
    sys.stdout.write("\n\n".join(told) + "\n")
    sys.stdout.write(f"{missing} rows of {len(TYPES) * len(layers)} are not measured yet\n")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="a sixth of the layers")
    parser.add_argument("--seconds", type=float, default=7200.0, help="begin no layer after that")
    parser.add_argument("--only", default="", help="kinds of layers, e.g. linear,1x1,depthwise")
    parser.add_argument("--types", default=",".join(TYPES), help="activations")
    parser.add_argument("--again", action="store_true", help="measure what is known, too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
