"""How many instructions does 64-bit ARM execute? Counted in QEMU, which `make arm` prepares.

    python -m benchmarks.arm [--jobs layers,networks]

Layers run from 8-bit codes to 8-bit codes, as in the middle of a network; ResNet-18 at 224 x 224
runs whole. Each by dense products of bytes and by walks, with the kernels of every instruction set.
What they compute is compared first, bit for bit, with what this machine's kernels compute.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.arm.machine import Counted, count_marked
from benchmarks.coded_layer import coded_layer
from benchmarks.layers import LAYER, read_shapes
from benchmarks.networks import make_networks
from benchmarks.results import RESULTS
from signbin import artifact
from signbin.artifact import Artifact
from signbin.errors import ExecutionError
from signbin.files import write_whole
from signbin.ir import Graph
from signbin.plan import weighted_layers
from signbin.runtime import Program
from signbin.version import VERSION

RESULT: Final = "aarch64-instructions.json"
_LAYERS: Final = ("layer1.0.conv1", "layer4.0.conv2")
_WEIGHTS: Final = "signed_binary"
_DENSITY: Final = 0.35
# What each is asked: a strategy, an instruction set, whether code may be generated.
_WAYS: Final = (
    ("bucket", "portable", False),
    ("bucket", "neon", False),
    ("bucket", "neon", True),
    ("bucket", "neon_dot", False),
    ("bucket", "neon_dot", True),
    ("dense", "portable", False),
    ("dense", "neon", False),
    ("dense", "neon_dot", False),
    ("dense", "neon_i8mm", False),
)


@dataclasses.dataclass(frozen=True)
class Subject:
    """A program to be run. macs: dense multiply-accumulates. layer: one, from codes to codes."""

    name: str
    macs: int
    layer: bool
    images: np.ndarray[Any, np.dtype[np.float32]]
    graph: Graph


def layers() -> Iterator[Subject]:
    """Two convolutions of ResNet-18, alone."""
    for shape in read_shapes("resnet18"):
        if shape.name in _LAYERS:
            coded = coded_layer(shape, _WEIGHTS, _DENSITY)
            yield Subject(shape.name, shape.macs, True, coded.numbers, coded.quantized())


def networks(folder: Path) -> Iterator[Subject]:
    """ResNet-18 with random weights and measured batch norms, calibrated."""
    options = argparse.Namespace(weights=_WEIGHTS, density=_DENSITY, activations="int8")
    (made,) = make_networks("resnet18", options, folder)
    graph = artifact.read(made.model).graph
    (given,) = graph.inputs
    shape = (1, *given.type.shape[1:])
    images = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
    macs = sum(layer.macs for layer in weighted_layers(graph, 1))
    yield Subject("resnet18", macs, False, images, graph)


def count(subjects: Sequence[Subject], folder: Path) -> list[dict[str, Any]]:
    """A row for every subject and way. ExecutionError where outputs differ."""
    jobs = []
    for subject in subjects:
        artifact.write(folder / f"{subject.name}.sbn", Artifact(subject.graph))
        np.save(folder / f"{subject.name}.npy", subject.images)
        for strategy, isa, jit in _WAYS:
            name = f"{subject.name}-{strategy}-{isa}{'-generated' if jit else ''}"
            way = {"strategy": strategy, "isa": isa, "jit": jit}
            jobs.append({"name": name, "program": subject.name, **way})
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    there = Path(__file__).with_name("there.py")
    counted = count_marked([str(there), str(folder)], folder, [str(job["name"]) for job in jobs])
    known = {subject.name: subject for subject in subjects}
    expected = {name: Program(Artifact(one.graph))(one.images) for name, one in known.items()}
    rows = []
    for job, found in zip(jobs, counted, strict=True):
        subject = known[str(job["program"])]
        made = np.load(folder / f"{job['name']}.npy")
        if not np.array_equal(made, expected[subject.name]):
            raise ExecutionError(str(job["name"]), reason="other bits than this machine's")
        said = json.loads((folder / f"{job['name']}.json").read_text(encoding="utf-8"))
        rows.append(_row(subject, job, found, said))
    return [row for row in rows if not (row["jit"] and row["generated"] == 0)]


def _row(
    subject: Subject, job: dict[str, Any], found: Counted, said: dict[str, Any]
) -> dict[str, Any]:
    """instructions: of the layer's step, or of the whole program. walked: without requantising."""
    symbols = dict(found.symbols)
    generated = symbols.get("generated code", 0)
    if subject.layer:
        others = {kernel for step, kernel in said["kernels"].items() if step != LAYER}
        symbols = {name: n for name, n in symbols.items() if _serves(name, others)}
    instructions = sum(symbols.values())
    requantising = sum(n for name, n in found.requantising.items() if name in symbols)
    return {
        **{key: job[key] for key in ("strategy", "isa", "jit")},
        "subject": subject.name,
        "macs": subject.macs,
        "instructions": instructions,
        "walked": instructions - requantising,
        "generated": generated,
        "kernels": said["kernels"],
        "plans": said["plans"],
        "symbols": found.symbols,
    }


def _serves(name: str, others: set[str]) -> bool:
    """Whether a function is run for the layer and not for what stands around it, on floats."""
    return name not in others and not any(part in name for part in ("quantize", "_f32_layout_"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, print a line each, and record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", default="layers,networks")
    parser.add_argument("--results", type=Path, default=RESULTS / "aarch64")
    options = parser.parse_args(arguments)
    asked = options.jobs.split(",")
    with tempfile.TemporaryDirectory(prefix="signbin-arm-") as name:
        folder = Path(name)
        subjects = [*layers()] if "layers" in asked else []
        subjects += networks(folder) if "networks" in asked else []
        rows = count(subjects, folder)
    for row in rows:
        of = f"{row['subject']} {row['strategy']} {row['isa']}{' generated' if row['jit'] else ''}"
        rate, walked = (row["macs"] / row[key] for key in ("instructions", "walked"))
        sys.stdout.write(f"{of}: {row['instructions']:,}, {rate:.2f} MAC each ({walked:.2f})\n")
    document = {"signbin": VERSION, "density": _DENSITY, "weights": _WEIGHTS, "rows": rows}
    if set(asked) == {"layers", "networks"}:
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        options.results.mkdir(parents=True, exist_ok=True)
        write_whole({options.results / RESULT: text.encode()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
