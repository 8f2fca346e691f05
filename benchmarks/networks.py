"""How fast are whole networks, against other engines on the same network?

    python -m benchmarks.networks resnet18 resnet20 model.sbn [--against onnxruntime,mnn]

A name that is no file is an architecture of ``signbin new``: the network is made with random
weights (seed 0) and compiled first, and that is measured, too. Each is then timed by
``signbin bench``: paired, outputs compared first, peak memory of every engine's process.

--activations float,int8 compiles and races each network with both.
--limits auto,avx2 races twice: every engine at its best, and every engine, ours included, limited
to AVX2 as far as it has a switch for that. The record says what each ran with.
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.options import add_turns, make_parser
from benchmarks.results import record
from signbin import artifact
from signbin.errors import ExecutionError
from signbin.measure import PEERS, Schedule
from signbin.spec import LowBitWeight
from signbin.verbs.bench import BenchRequest, bench, parse_peer_python

# A process starts with the peak of the one that started it: a small one starts the verb.
_WATCHER: Final = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


@dataclasses.dataclass(frozen=True)
class Network:
    """A compiled network with a name for tables.

    making: what it took to compile it. float_model: what peers get, where that is another file.
    """

    name: str
    model: Path
    making: dict[str, float] = dataclasses.field(default_factory=dict)
    float_model: Path | None = None


def make_networks(architecture: str, options: argparse.Namespace, folder: Path) -> list[Network]:
    """``signbin new`` once, and one network for each kind of activations asked for.

    Peers of one with 8-bit activations get the float one, which is compiled in any case. Ours is
    calibrated with the run's own images, which are those that ``bench`` gives peers by default.
    """
    run = folder / architecture
    kind = ("--weights", options.weights, "--density", str(options.density), "--seed", "0")
    run_signbin("new", architecture, *kind, "-o", str(run))
    asked = options.activations.split(",")
    made = {kind: compile_run(run, kind) for kind in dict.fromkeys(["float", *asked])}
    float_model = made["float"].model
    return [
        made[kind] if kind == "float" else dataclasses.replace(made[kind], float_model=float_model)
        for kind in asked
    ]


def compile_run(run: Path, activations: str, extra: Sequence[str] = ()) -> Network:
    """``signbin compile``; seconds and peak memory of the compilation."""
    model = run.with_name(f"{run.name}-{activations}.sbn")
    start = time.perf_counter()
    asked = ("--activations", activations, *extra)
    peak_bytes = run_signbin("compile", str(run), "-o", str(model), *asked)
    seconds = time.perf_counter() - start
    return Network(run.name, model, {"compile_s": seconds, "compile_peak_bytes": peak_bytes})


def run_signbin(*arguments: str) -> int:
    """Run a verb; the largest resident size of its process. ExecutionError where it fails."""
    command = [sys.executable, "-S", "-c", _WATCHER, sys.executable, "-m", "signbin", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    *said, peak_kib = done.stdout.decode(errors="replace").strip().splitlines()
    if done.returncode:
        raise ExecutionError(f"signbin {' '.join(arguments)}", value=said[-1:])
    return int(peak_kib) * 1024


def weights_of(model: Path) -> dict[str, Any]:
    """``weights``: the value sets of the low-bit layers; ``density`` over all their codes."""
    constants = artifact.read(model).graph.constants.values()
    low_bit = [constant for constant in constants if isinstance(constant, LowBitWeight)]
    if not low_bit:
        return {"weights": "float", "density": 1.0}
    codes = sum(weight.codes.size for weight in low_bit)
    non_zero = sum(weight.density * weight.codes.size for weight in low_bit)
    kinds = sorted({weight.value_set.value for weight in low_bit})
    return {"weights": "+".join(kinds), "density": non_zero / codes}


def measure_network(network: Network, limit: str, options: argparse.Namespace) -> dict[str, Any]:
    """One row: what the network is, and its ``bench`` record with all limited alike."""
    request = BenchRequest(
        model=network.model,
        against=tuple(options.against.split(",")) if options.against else (),
        threads=options.threads,
        isa=limit,
        batch=options.batch,
        schedule=Schedule(rounds=options.rounds, calm_s=options.calm),
        peer_isa=limit,
        peer_python=dict(map(parse_peer_python, options.peer_python)),
        calibration=options.calibrate,
        float_model=network.float_model,
    )
    found = bench(request).to_json()
    del found["environment"]  # the section has it
    return {
        **found,
        "network": network.name,
        "limit": limit,
        **weights_of(network.model),
        "file_bytes": network.model.stat().st_size,
        **network.making,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every network, print one line each, record them."""
    options = _options(arguments)
    rows = []
    with tempfile.TemporaryDirectory(prefix="signbin-networks-") as folder:
        for name in options.networks:
            path = Path(name)
            made = path.suffix != ".sbn"
            networks = (
                make_networks(name, options, Path(folder)) if made else [Network(path.stem, path)]
            )
            for network in networks:
                for limit in options.limits.split(","):
                    rows.append(measure_network(network, limit, options))
                    sys.stderr.write(line(rows[-1]) + "\n")
    path = record("networks", {"rows": rows}, options.results)
    sys.stdout.write(f"wrote {path}\n")
    return 0


def line(row: dict[str, Any]) -> str:
    """One row for people."""
    peers = "".join(
        f"   {name} {peer['median_ms']:.3f} ms ({_compared(peer)}, {peer['isa']})"
        for name, peer in row["peers"].items()
    )
    peers += "".join(f"   {name} failed: {why}" for name, why in row["failures"].items())
    ours = f"{row['median_ms']:.3f} ms ({row['isa']})"
    return f"{row['network']:12} {row['weights']:14} {row['activations']:4} {ours}{peers}"


def _compared(peer: dict[str, Any]) -> str:
    return "not comparable" if peer["not_comparable"] else f"{peer['ratio']:.2f}x"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("networks", nargs="+", metavar="ARCH|MODEL.sbn")
    parser.add_argument("--weights", default="signed_binary")
    parser.add_argument("--density", type=float, default=0.35)
    parser.add_argument("--activations", default="float", help="float, int8, int7; or several")
    parser.add_argument("--against", default=",".join(PEERS))
    parser.add_argument("--peer-python", action="append", default=[], metavar="FAMILY=PATH")
    parser.add_argument("--calibrate", type=Path, metavar="DATA")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--limits", default="auto", help="auto, avx2, or auto,avx2")
    add_turns(parser, rounds=20, calm=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
