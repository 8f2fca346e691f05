"""How fast is a linear layer with low-bit weights, against int8, 4-bit, 2-bit and fp32 layers?

    python -m benchmarks.linear_layers [--sizes 4096,1024] [--images 1,16,64] [--weights ternary]

One square layer, called from Python, one thread, rows of whole numbers from 0 to 255 that everyone
gets as float32 (ours as ``uint8`` also as such). Every output is compared with the exact products
first; then all engines, and each of our ways on every instruction set asked for, take turns. The
ratio is theirs / ours, round by round.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import signbin
from benchmarks.linear_peers import LinearPeer, dense_of, open_peers
from benchmarks.options import add_turns, make_parser
from benchmarks.results import record
from signbin import native
from signbin.artifact import Artifact
from signbin.errors import SpecError
from signbin.ir import BATCH, Constant, ConstRef, Graph, Node, TensorType, Value
from signbin.measure import (
    CalmCores,
    Floor,
    InProcess,
    Schedule,
    Tolerance,
    agreement,
    choose_cores,
    paired_ratio,
    take_turns,
)
from signbin.runtime import Program
from signbin.spec import ActivationSpec, LowBitWeight

KINDS: Final = ("signed_binary", "binary", "ternary")
_EXACT: Final = 1e-4
# Inputs of 8 bits leave more than 40 dB, less where a whole tensor shares a scale.
_FLOOR: Final = Floor(top1_agreement=0.0, snr_db=25.0)
_TOP: Final = 255


@dataclasses.dataclass(frozen=True)
class Way:
    """One way of ours: what runs, and what it was made with."""

    name: str
    call: Callable[[], NDArray[np.float32]]
    coded: bool
    facts: Mapping[str, Any]


def random_weight(kind: str, filters: int, inputs: int) -> LowBitWeight:
    """Codes of a kind, half of them zero where there are zeros, and scales that differ."""
    if kind not in KINDS:
        raise SpecError("kind of weights", value=kind, allowed=", ".join(KINDS))
    rng = np.random.default_rng(filters + inputs)
    signs = rng.choice(np.array([-1, 1], np.int8), (filters, inputs))
    mask = (rng.random((filters, inputs)) < 0.5).astype(np.int8)
    if kind == "signed_binary":
        signs[:] = np.where(np.arange(filters) % 2, -1, 1)[:, None]
    codes = signs if kind == "binary" else mask * signs
    return LowBitWeight(codes, rng.uniform(0.01, 0.02, filters).astype(np.float32))


def linear_graph(weight: Constant, activations: str) -> Graph:
    """One linear layer ``y`` of rows ``x``; on ``u8`` codes that are the numbers themselves."""
    filters, inputs = weight.shape
    given = Value("x", TensorType("f32", (BATCH, inputs)))
    made = TensorType("f32", (BATCH, filters))
    layer = Node("y", "linear", ("x",), {"weight": ConstRef("w")}, made)
    nodes: tuple[Node, ...] = (layer,)
    if activations == "u8":
        codes = TensorType("u8", (BATCH, inputs), ActivationSpec(1.0, 0, 8))
        quantize = Node("q", "quantize", ("x",), {}, codes)
        nodes = (quantize, dataclasses.replace(layer, inputs=("q",)))
    return Graph("linear", (given,), nodes, ("y",), {"w": weight})


def program_of(weight: LowBitWeight, isa: str) -> Program:
    """A program of the layer on codes."""
    return Program(Artifact(linear_graph(weight, "u8")), isa=isa)


def ways_of(weight: LowBitWeight, rows: NDArray[np.uint8], isa: str) -> list[Way]:
    """The program, and signbin.linear with every kind of input."""
    numbers = rows.astype(np.float32)
    program = program_of(weight, isa)
    kernel = program.kernels["y"]
    bits = 8 * program.program_bytes["y"] / weight.codes.size
    facts = {"isa": program.isa, "kernel": kernel, "bits_per_weight": bits}
    ways = [Way(f"program {program.isa}", lambda: program(numbers), False, facts)]
    for activations in ("uint8", "dynamic_int8", "float32"):
        packed = signbin.pack_linear(weight, activations=activations, isa=isa)
        given = rows if activations == "uint8" else numbers
        facts = {"isa": program.isa, "kernel": packed.kernel}
        facts |= {"bits_per_weight": packed.bits_per_weight}
        call = _bound(given, packed)
        coded = activations == "dynamic_int8"
        ways.append(Way(f"linear {activations} {program.isa}", call, coded, facts))
    return ways


def _bound(given: NDArray[Any], packed: signbin.PackedLinear) -> Callable[[], NDArray[np.float32]]:
    return lambda: signbin.linear(given, packed)


def measure_layer(
    weight: LowBitWeight,
    images: int,
    isas: Sequence[str],
    peers: Sequence[LinearPeer],
    schedule: Schedule,
    calm: CalmCores | None = None,
) -> dict[str, Any]:
    """One layer and batch: agreement first, then everyone's times, and every ratio."""
    rng = np.random.default_rng(images)
    rows = rng.integers(0, _TOP + 1, (images, weight.shape[1])).astype(np.uint8)
    numbers = rows.astype(np.float32)
    expected = (rows.astype(np.float64) @ dense_of(weight).T.astype(np.float64)).astype(np.float32)
    ways = [way for isa in isas for way in ways_of(weight, rows, isa)]
    theirs = [Way(p.name, _called(p, numbers), p.coded, p.facts) for p in peers]
    found = {way.name: agreement(way.call(), expected) for way in (*ways, *theirs)}
    for way in (*ways, *theirs):
        (_FLOOR if way.coded else Tolerance(_EXACT)).require(way.name, found[way.name])
    sides = [InProcess(way.name, way.call) for way in (*ways, *theirs)]
    times = take_turns(sides, schedule, calm)

    def told(way: Way) -> dict[str, Any]:
        agreed = dataclasses.asdict(found[way.name])
        return {"name": way.name, **way.facts, **times[way.name].to_json(), **agreed}

    return {
        "filters": weight.shape[0],
        "inputs": weight.shape[1],
        "images": images,
        "ours": [
            {
                **told(way),
                "ratios": {
                    other.name: paired_ratio(times[other.name], times[way.name]).to_json()
                    for other in theirs
                },
            }
            for way in ways
        ],
        "peers": [told(way) for way in theirs],
    }


def _called(peer: LinearPeer, numbers: NDArray[np.float32]) -> Callable[[], NDArray[np.float32]]:
    return lambda: peer.call(numbers)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all layers, print them, record them."""
    options = _options(arguments)
    cores = choose_cores(1)
    os.sched_setaffinity(0, cores)
    import torch  # noqa: PLC0415 - after the affinity is set

    torch.set_num_threads(1)
    schedule, measured = Schedule(rounds=options.rounds), []
    calm = CalmCores(cores, options.calm)
    layers = itertools.product(options.weights.split(","), map(int, options.sizes.split(",")))
    for kind, size in layers:
        weight = random_weight(kind, size, size)
        peers = list(open_peers(weight))
        for images in map(int, options.images.split(",")):
            isas = options.isas.split(",")
            row = measure_layer(weight, images, isas, peers, schedule, calm)
            measured.append({"weights": kind, **row})
            sys.stderr.write(lines(measured[-1]) + "\n")
    waits = {"calm_turns": calm.calm, "turns": calm.asked}
    content = {"rows": measured, "threads": 1, "cores": list(cores), **waits}
    sys.stdout.write(f"wrote {record('linear_layers', content, options.results)}\n")
    return 0


def lines(row: Mapping[str, Any]) -> str:
    """A layer for people: an engine a line."""
    head = f"{row['weights']} {row['filters']} x {row['inputs']}, {row['images']} images"
    told = [f"  {one['name']:28} {one['median_ms']:9.4f} ms" for one in row["peers"]]
    for one in row["ours"]:
        ratios = ", ".join(f"{name} {r['ratio']:.2f}x" for name, r in one["ratios"].items())
        told.append(f"  {one['name']:28} {one['median_ms']:9.4f} ms: {ratios}")
    return "\n".join([head, *told])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--sizes", default="4096,1024")
    parser.add_argument("--images", default="1,16,64")
    parser.add_argument("--weights", default="signed_binary", help=", ".join(KINDS))
    best = native.resolve_isa("auto")
    both = f"{best},avx2" if best.startswith("avx512") else best
    parser.add_argument("--isas", default=both, help="instruction sets of ours")
    add_turns(parser, rounds=10, calm=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
