"""What trained networks cost: ``python -m experiments.training.costs EXPERIMENT RUNS``.

Every finished network is compiled with 8-bit activations, calibrated on training images; it
answers all held-out images, and the time of one image on one thread is taken by turns of all
networks, so that what else the machine does meets all of them. Float networks run with 8-bit
weights, too: by OpenVINO, which is the fastest of those people use. Kept in
results/NAME-SCALE/costs.json; ``make pages`` draws accuracy over each cost.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

import signbin
from experiments.training import RESULTS
from signbin import native
from signbin.artifact.tensors import stored_bytes
from signbin.environment import environment
from signbin.files import write_text
from signbin.measure import InProcess, Schedule, choose_cores, take_turns
from signbin.plan import Layer, Strategy, Target, counted_additions, weighted_layers
from signbin.plan.operations import dense_operations
from signbin.spec import ValueSet
from signbin.train import Run, load_experiment, load_run
from signbin.train.data import some_images
from signbin.verbs.bench import BenchRequest, bench
from signbin.verbs.check.energy import energy_of

_SAMPLES: Final = 256
_BATCH: Final = 100
_PEERS: Final = ("openvino-int8", "openvino")


def compiled(run: Run) -> signbin.Program:
    """The network with 8-bit activations."""
    samples = some_images(run.dataset.train, _SAMPLES, run.preprocessing).images.numpy()
    program = signbin.compile(
        run.model,
        (torch.from_numpy(samples[:1]),),
        activations=signbin.QuantizedActivations(samples),
    )
    assert isinstance(program, signbin.Program)
    return program


def accuracy(program: signbin.Program, images: NDArray[np.float32], labels: Any) -> float:
    """The share of images that are classified rightly."""
    batches = (images[first : first + _BATCH] for first in range(0, len(images), _BATCH))
    found = np.concatenate([np.argmax(program(batch), axis=1) for batch in batches])
    return float(np.mean(found == labels))


def counted(program: signbin.Program) -> dict[str, float]:
    """Millions of additions and microjoules of the layers with weights, for one image."""
    target, additions, energy = Target.from_cpu(native.cpu()), 0, 0.0
    for layer in weighted_layers(program.graph, 1):
        positions = math.prod(layer.output)
        if program.plan.for_layer(layer.name).strategy is Strategy.BUCKET:
            sums, products = counted_additions(layer) * positions, layer.filters * positions
        else:
            dense = dense_operations(layer)
            sums, products = dense.additions * positions, dense.multiplications * positions
        additions += sums
        energy += energy_of(layer, sums, products, _stored(layer), target)
    return {"additions_millions": additions / 1e6, "energy_uj": energy}


def _stored(layer: Layer) -> int:
    return stored_bytes({layer.name: layer.weight})[layer.name]


def peers_of(program: signbin.Program, rounds: int) -> dict[str, float]:
    """Least milliseconds of the engines that run the float network, one thread."""
    with tempfile.TemporaryDirectory(prefix="signbin-costs-") as folder:
        path = Path(folder) / "network.sbn"
        program.save(path)
        raced = bench(BenchRequest(path, against=_PEERS, schedule=Schedule(rounds=rounds)))
    return {name: record.engine.times.min_ms for name, record in raced.peers.items()}


def measure(found: Sequence[tuple[str, int, Run]], rounds: int) -> list[dict[str, Any]]:
    """A row per network: its times, taken by turns with all others, and what else it costs."""
    programs = [compiled(run) for _, _, run in found]
    image = found[0][2].test_images[:1]
    sides = [
        InProcess(f"{name}-seed-{seed}", partial(program, image))
        for (name, seed, _), program in zip(found, programs, strict=True)
    ]
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, choose_cores(1))
    try:
        times = take_turns(sides, Schedule(rounds=rounds, turn_s=0.05))
    finally:
        os.sched_setaffinity(0, allowed)
    return [
        {
            "run": name,
            "seed": seed,
            **times[f"{name}-seed-{seed}"].to_json(),
            "codes_accuracy": accuracy(program, run.test_images, run.test_labels),
            "file_bytes": len(program.to_bytes()),
            **counted(program),
            "peers": peers_of(program, rounds) if run.config.weights is ValueSet.FLOAT else {},
        }
        for (name, seed, run), program in zip(found, programs, strict=True)
    ]


def finished(name: str | Path, scale: str, runs: Path) -> list[tuple[str, int, Run]]:
    """(run, seed, network) of every training of a scale whose folder is finished."""
    folder = runs / scale
    return [
        (one.run, one.seed, load_run(folder / one.name))
        for one in load_experiment(name).trainings(scale)
        if (folder / one.name / "summary.json").is_file()
    ]


def keep(name: str, scale: str, rows: list[dict[str, Any]], kept: Path = RESULTS) -> Path:
    """costs.json of an experiment's scale: these rows alone, since they were timed together."""
    path = kept / f"{name}-{scale}" / "costs.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    measured_on = environment({"signbin": native.version()})
    document = {"environment": measured_on, "isa": native.resolve_isa("auto"), "rows": rows}
    write_text(path, json.dumps(document, indent=1) + "\n")
    return path


def main(given: Sequence[str] | None = None) -> int:
    """Compile, measure, keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", metavar="NAME", help="of the experiment")
    parser.add_argument("runs", metavar="RUNS", type=Path, help="the folder it was trained into")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args(given)
    for scale in load_experiment(options.name).scales:
        found = finished(options.name, scale, options.runs)
        if found:
            path = keep(options.name, scale, measure(found, options.rounds))
            sys.stdout.write(f"wrote {path}; make pages\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
