"""How fast is each layer of 8-bit codes, against the fastest int8 layer of other engines?

    python -m benchmarks.int8_layers [--shapes resnet18] [--weights signed_binary]

From codes to codes, ReLU and requantisation included, in the layout an engine has inside a
network, one thread. Ours is the program's own record of the layer. Outputs are compared with the
float layer's first; then all are timed by turns. The ratio is fastest peer / ours.

Best against best, unless --both limits our kernels and oneDNN's to one instruction set, which ONNX
Runtime cannot be and so stays away; such results are a section of their own.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from benchmarks import onednn_int8, onnxruntime_int8
from benchmarks.coded_layer import CodedCall, CodedLayer, coded_layer
from benchmarks.kernels import add_both, limit_onednn
from benchmarks.layers import LAYER, read_shapes
from benchmarks.options import add_layers, add_turns, make_parser
from benchmarks.program_layers import ProgramLayers
from benchmarks.results import record
from signbin import native
from signbin.artifact import Artifact
from signbin.measure import (
    Agreement,
    Floor,
    InProcess,
    Schedule,
    Side,
    Times,
    choose_cores,
    paired_ratio,
    take_turns,
)
from signbin.runtime import Program

ENGINES: Final[Mapping[str, Callable[[CodedLayer], CodedCall]]] = MappingProxyType(
    {"onnxruntime": onnxruntime_int8.convolution, "onednn": onednn_int8.convolution}
)
"""THE list of engines with a layer of 8-bit codes; each is a file beside this one."""
_LIMITED: Final = ("onednn",)

# Rounding weights and output leaves about 50 dB; sums that saturate leave far less.
_FLOOR: Final = Floor(top1_agreement=0.0, snr_db=25.0)


def measure_layer(
    layer: CodedLayer, schedule: Schedule, isa: str = "auto", engines: Sequence[str] | None = None
) -> dict[str, Any]:
    """One row: everyone's agreement and times; ours at the top level, ``fastest`` of the others."""
    program = Program(Artifact(layer.quantized()), isa=isa)
    calls = [ENGINES[name](layer) for name in engines or ENGINES]
    outputs = {"ours": program.trace(layer.numbers)[LAYER]}
    outputs |= {call.engine: call.output for call in calls}
    found = {name: layer.agreement(output) for name, output in outputs.items()}
    for name, agreement in found.items():
        _FLOOR.require(f"{name} {layer.shape}", agreement)
    ours = ProgramLayers("ours", program, layer.numbers)
    sides: list[Side] = [ours, *(InProcess(call.engine, call.call) for call in calls)]
    times = take_turns(sides, schedule)
    rated = {
        call.engine: {**call.facts, **_rated(times[call.engine], found[call.engine], layer)}
        for call in calls
    }
    fastest = min(rated, key=lambda name: rated[name]["median_ms"])
    plan = program.plan.for_layer(LAYER)
    return {
        "shape": layer.shape.name,
        "layer": str(layer.shape),
        "macs": layer.shape.macs,
        "strategy": plan.strategy.value,
        "parameters": dict(plan.parameters),
        "kernel": program.kernels[LAYER],
        **_rated(times["ours"], found["ours"], layer),
        **paired_ratio(times[fastest], times["ours"]).to_json(),
        "fastest": fastest,
        "engines": rated,
    }


def _rated(times: Times, found: Agreement, layer: CodedLayer) -> dict[str, Any]:
    rate = layer.shape.macs / times.median_ms / 1e6
    return {**times.to_json(), **dataclasses.asdict(found), "gmacs_per_s": rate}


def line(row: Mapping[str, Any]) -> str:
    """One row for people."""
    engines = "".join(
        f"   {name} {engine['median_ms']:.4f} ms ({engine['gmacs_per_s']:.0f} GMAC/s)"
        for name, engine in row["engines"].items()
    )
    return (
        f"{row['weights']:14} {row['layer']:26} {row['strategy']:7}{row['median_ms']:9.4f} ms "
        f"({row['gmacs_per_s']:.0f} GMAC/s){engines}   {row['ratio']:5.2f}x "
        f"({row['ratio_low']:.2f}-{row['ratio_high']:.2f})"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all rows, print them, record them."""
    options = _options(arguments)
    limit_onednn(options)
    engines = _LIMITED if options.both else tuple(ENGINES)
    cores = choose_cores(1)
    os.sched_setaffinity(0, cores)
    import torch  # noqa: PLC0415 - after the affinity is set

    torch.set_num_threads(1)
    schedule, rows = Schedule(rounds=options.rounds), []
    shapes = [shape for name in options.shapes.split(",") for shape in read_shapes(name)]
    for shape in shapes:
        layer = coded_layer(shape, options.weights, options.density)
        row = measure_layer(layer, schedule, options.isa, engines)
        rows.append({"weights": options.weights, "density": options.density, **row})
        sys.stderr.write(line(rows[-1]) + "\n")
    isa = native.resolve_isa(options.isa)
    content = {"rows": rows, "isa": isa, "threads": 1, "cores": list(cores)}
    dense = "dense" if options.weights == "float" else ""
    section = "_".join(part for part in ("int8_layers", dense, options.both) if part)
    sys.stdout.write(f"wrote {record(section, content, options.results)}\n")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    add_layers(parser, "resnet18", "signed_binary")
    add_both(parser)
    add_turns(parser, rounds=10)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
