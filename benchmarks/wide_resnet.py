"""How fast is a trained network of 27 million 1-bit weights, and what did training put into it?

    python -m benchmarks.wide_resnet wrn20-10-cifar10-1bit.npz --calibrate cifar10/train

The network of examples/wide_resnet.py, whose file you give; without it nothing is measured. With
8-bit activations it races every peer, all limited to AVX2 as far as they have a switch for it.
Beside it stands the same network with the weights permuted inside every filter: timed by turns, as
a whole and layer by layer, with its load-adds, so that what training put together shows.

    python examples/wide_resnet.py NPZ cifar10/test --calibrate cifar10/train --json > found.json
    python -m benchmarks.wide_resnet NPZ --classified found.json

records how many images are classified rightly, which takes a core many minutes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.networks import Network, line, measure_network
from benchmarks.options import add_turns, make_parser
from benchmarks.results import record
from signbin.errors import FormatError
from signbin.measure import PEERS, InProcess, Schedule, choose_cores, paired_ratio, take_turns
from signbin.plan.layer import Layer, weighted_layers
from signbin.runtime import Program
from signbin.verbs.bench import random_images

EXAMPLE: Final = Path(__file__).parent.parent / "examples" / "wide_resnet.py"
KINDS: Final = ("trained", "shuffled")
CLASSIFIED: Final = "wide_resnet_accuracy"
_ACCURACY: Final = ("weights", "images", "accuracy", "top1_agreement", "output_snr_db", "isa")
_PROFILES: Final = 20


def load_example() -> Any:
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("wide_resnet_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_models(options: argparse.Namespace, folder: Path) -> None:
    """float.sbn and int8.sbn of both kinds, unless they are there."""
    example = load_example()
    for kind in KINDS:
        place = folder / kind
        if (place / "int8.sbn").exists():
            continue
        network = example.read_network(options.network, None if kind == "trained" else 0)
        programs = example.compiled(network, options.extent, options.calibrate, options.most)
        place.mkdir(parents=True, exist_ok=True)
        for name, program in zip(("float", "int8"), programs, strict=True):
            program.save(place / f"{name}.sbn", overwrite=True)


def compare_kinds(programs: dict[str, Program], rounds: int) -> dict[str, Any]:
    """Times of both kinds by turns, theirs and of each layer; load-adds and shares left out."""
    images = random_images(programs["trained"].graph, 1)
    sides = [InProcess(kind, partial(program, images)) for kind, program in programs.items()]
    times = take_turns(sides, Schedule(rounds=rounds))
    example = load_example()
    rows = {
        kind: {**times[kind].to_json(), "load_adds": example.load_adds(programs[kind])}
        for kind in KINDS
    }
    ratio = paired_ratio(times["shuffled"], times["trained"]).to_json()
    return {**rows, "shuffled_over_trained": ratio, "layers": layers_of(programs, images)}


def layers_of(programs: dict[str, Program], images: Any) -> list[dict[str, Any]]:
    """One row per layer with weights: median ms and load-adds of both kinds."""
    steps: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(_PROFILES):
        for kind, program in programs.items():
            steps[kind].append({step.name: step.ms for step in program.profile(images)})
    layers = {
        kind: {layer.name: layer for layer in weighted_layers(program.graph, 1)}
        for kind, program in programs.items()
    }
    return [
        {
            "layer": name,
            "source": programs["trained"].graph.node(name).source,
            "filters": layers["trained"][name].filters,
            **{
                kind: {
                    "ms": float(np.median([each[name] for each in steps[kind]])),
                    **describe(programs[kind], layers[kind][name]),
                }
                for kind in KINDS
            },
        }
        for name in layers["trained"]
    ]


def describe(program: Program, layer: Layer) -> dict[str, Any]:
    """Strategy, tile, load-adds in millions and the share of inputs left out of a layer."""
    plan = program.plan.for_layer(layer.name)
    found = load_example().load_adds_of(layer, plan)
    return {"strategy": plan.strategy.value, **plan.parameters, **found}


def read_classified(path: Path) -> dict[str, Any]:
    """What the example found about images, without its times; FormatError for anything else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {name: found[name] for name in _ACCURACY}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FormatError(
            str(path), allowed="what examples/wide_resnet.py --json prints", reason=str(error)
        ) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Race, compare, print, record."""
    options = _options(arguments)
    if options.classified:
        found = read_classified(options.classified)
        sys.stdout.write(f"wrote {record(CLASSIFIED, found, options.results)}\n")
        return 0
    if not options.network.is_file():
        sys.stdout.write(f"skipped: there is no {options.network}, the network to measure\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="signbin-wide-") as folder:
        models = options.models or Path(folder)
        make_models(options, models)
        programs = {kind: Program.load(models / kind / "int8.sbn") for kind in KINDS}
        place = models / "trained"
        network = Network("wrn20-10", place / "int8.sbn", float_model=place / "float.sbn")
        rows = [measure_network(network, limit, options) for limit in options.limits.split(",")]
        os.sched_setaffinity(0, choose_cores(1))
        compared = compare_kinds(programs, options.rounds)
    for row in rows:
        sys.stderr.write(line(row) + "\n")
    sys.stdout.write(
        f"wrote {record('wide_resnet', {'rows': rows, **compared}, options.results)}\n"
    )
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("network", type=Path, metavar="NPZ")
    parser.add_argument("--calibrate", type=Path, metavar="DATA", help="images of the classes")
    parser.add_argument("--classified", type=Path, metavar="JSON", help="what the example printed")
    parser.add_argument("--most", type=int, default=128, help="images to calibrate with")
    parser.add_argument("--extent", type=int, default=32, help="height and width of the images")
    parser.add_argument("--models", type=Path, metavar="FOLDER", help="keep what is compiled")
    parser.add_argument("--against", default=",".join(PEERS))
    parser.add_argument("--peer-python", action="append", default=[], metavar="FAMILY=PATH")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--limits", default="avx2", help="auto, avx2, or auto,avx2")
    add_turns(parser, rounds=20, calm=True)
    options = parser.parse_args(arguments)
    if not options.calibrate and not options.classified:
        parser.error("--calibrate: images are needed to race the network")
    return options


if __name__ == "__main__":
    sys.exit(main())
