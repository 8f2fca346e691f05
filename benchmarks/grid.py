"""Is any layer slower than the same layer of other engines, and does the planner choose well?

    python -m benchmarks.grid [--quick] [--seconds 240] [--only "3x3,linear"] [--again]

Every layer of the grid (benchmarks/grid_layers.py), on floats and on codes, with every scheme of
weights, against ONNX Runtime, oneDNN and OpenVINO, one thread. Outputs are compared first; then
all engines, and every way we could run the layer, take turns: five rounds, least times. What is
below 0.9 of the fastest peer is measured three times more, and the median of these counts.

A layer that is done is written to results/grid at once, and not measured again (--again does): stop
it at any time, by --seconds too, and go on. --quick takes a sixth of the layers. At the end it says
what loses, with the reason, and what the planner could have chosen better.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchmarks.grid_layers import QUICK_EVERY, SCHEMES, TYPES, GridLayer, Scheme, grid, slice_of
from benchmarks.grid_ours import OurLayer, Way, ours_of, ways_of
from benchmarks.grid_page import LEAST_RATIO, SECTION, losses, planner_regret, summary
from benchmarks.grid_peers import GridPeer, peers_of
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

_REPEATS: Final = 3
_EXACT: Final = Tolerance(1e-4)
# Rounding weights and output leaves about 50 dB, Winograd's and saturated sums far less.
_FLOOR: Final = Floor(top1_agreement=0.0, snr_db=25.0)
_DIGITS: Final = 4  # of what is kept
SCHEDULE: Final = Schedule(rounds=5, warm_up_s=0.01, turn_s=0.01)


@dataclasses.dataclass(frozen=True, eq=False)
class Contender:
    """Our layer with weights of a scheme, and its ways, the planner's first."""

    scheme: Scheme
    layer: OurLayer
    ways: Sequence[Way]

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
    """One row: least times of the peers, and of every way of every scheme."""
    peers = list(peers_of(layer, activations))
    for peer in peers:
        (_FLOOR if peer.coded else _EXACT).require(f"{peer.name} {layer}", peer.found)
    ours = [_contender(layer, scheme, activations) for scheme in schemes]
    theirs: list[Side] = [InProcess(peer.name, peer.call) for peer in peers]
    times = take_turns([*theirs, *(side for one in ours for side in one.sides())], schedule)
    fastest = min(peers, key=lambda peer: times[peer.name].min_ms)
    return {
        "layer": str(layer),
        "kind": layer.kind,
        "type": activations,
        "macs": layer.macs,
        "peers": {peer.name: _short(times[peer.name].min_ms) for peer in peers},
        "fastest": fastest.name,
        "schemes": {str(one.scheme): _scheme(one, fastest, times, schedule) for one in ours},
    }


def _contender(layer: GridLayer, scheme: Scheme, activations: str) -> Contender:
    """With outputs compared: the planner's way within the bound, all others with its own."""
    ours = ours_of(layer, scheme, activations)
    ways = ways_of(ours, "auto")
    for way in ways:
        output = way.program.trace(ours.given)[ours.node]
        floor = _FLOOR if activations == "u8" and ours.node != "y" else _EXACT
        floor.require(f"{scheme} {layer}, {way.name}", ours.agreement(output))
    return Contender(scheme, ours, ways)


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
    """Layers and types that no known row is of."""
    done = {(row["layer"], row["type"]) for row in known}
    for layer in layers:
        for activations in types:
            if (str(layer), activations) not in done:
                yield layer, activations


def line(row: Mapping[str, Any]) -> str:
    """A row for people."""
    least = row["peers"][row["fastest"]]
    head = f"{row['type']:3} {row['layer']:32} {row['fastest']} {least:.4f} ms"
    schemes = "".join(
        f"   {name} {one['ratio']:.2f}x {next(iter(one['ways']))}"
        for name, one in row["schemes"].items()
    )
    return head + schemes


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
    rows = rows_here(SECTION, options.results)
    missing = sum(1 for _ in to_measure(layers, rows))
    sys.stdout.write(f"{summary(rows)}\n\n{losses(rows)}\n\n{planner_regret(rows)}\n")
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
