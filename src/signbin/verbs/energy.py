"""Energy of a model file, a shapes file or one matrix product: the rooms joined.

A model's layers come from its graph; it is run only where real samples are to say how many
activations are zero, where the plan for the CPU at hand is asked for, or to be measured.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin import artifact, native
from signbin.analysis import (
    EnergyRequest,
    Subject,
    answer,
    in_readable_units,
    input_densities,
    parse_axes,
    subject_from_gemm,
    subject_from_graph,
    subject_from_shapes,
    sweep,
)
from signbin.errors import SpecError
from signbin.ir import Graph
from signbin.measure.energy import UnavailableEnergy, find_zones, measure
from signbin.passes import lower
from signbin.plan import Target
from signbin.runtime import Program, read_inputs
from signbin.verbs.graphs import graph_of
from signbin.verbs.opening import open_program
from signbin.verbs.recognition import COMPILABLE, SourceKind, kind_of
from signbin.verbs.source import load_source

__all__ = [
    "EnergyRequest",
    "estimate_json",
    "in_readable_units",
    "measure_model",
    "read_subject",
    "refuse_with_sweep",
    "sweep_json",
]

_BATCH: Final = 16
_MEASURED_SECONDS: Final = 2.0
_POWERCAP: Final = Path("/sys/class/powercap")


@dataclasses.dataclass(frozen=True)
class SubjectRequest:
    """What energy is asked of: exactly one of a source and a product.

    source: a compiled model (``.sbn``), what can be compiled, or a shapes file. product: "MxNxK".
    density, pattern, seed: how zeros are drawn, where they are not a model's. samples: images,
    ``.npy`` files or folders of them that the model is run on, to count its zero activations.
    float_layers: whether
    a model's layers with float weights are counted, too. planned: whether the plan for the CPU
    at hand is wanted. measured: whether a measurement is, too. input_shapes: extents that an ONNX
    file leaves open.
    """

    source: Path | None = None
    product: str | None = None
    density: float | None = None
    pattern: str = "auto"
    seed: int = 0
    samples: tuple[Path, ...] = ()
    float_layers: bool = False
    planned: bool = False
    measured: bool = False
    input_shapes: Mapping[str, tuple[int, ...]] | None = None

    def __post_init__(self) -> None:
        if (self.source is None) == (self.product is None):
            raise SpecError(
                "energy of",
                value=self.product and f"{self.source} and {self.product}",
                allowed="a model, a shapes file, or --gemm MxNxK: one of them",
            )
        given = {
            "--density": self.density is not None and self.is_model,
            "--pattern": self.pattern != "auto" and self.product is None,
            "--samples": bool(self.samples) and not self.is_model,
            "--all-layers": self.float_layers and not self.is_model,
            "--measure": self.measured and not self.is_model,
        }
        for option, misplaced in given.items():
            if misplaced:
                asked = str(self.source or self.product)
                raise SpecError(option, value=asked, allowed=_ALLOWED[option])

    @property
    def is_model(self) -> bool:
        """Whether a model is asked about, compiled or not."""
        kinds = (SourceKind.COMPILED, SourceKind.PARTS, *COMPILABLE)
        named = self.source is not None and self.source.suffix == ".sbn"
        return named or (self.source is not None and kind_of(str(self.source)) in kinds)


_ALLOWED: Final = {
    "--density": "a shapes file or --gemm; a model has the zeros it was trained to",
    "--pattern": "--gemm; zeros of a shapes file are drawn independently",
    "--samples": "a model, which can be run on them",
    "--all-layers": "a model, which knows its float layers",
    "--measure": "a model, which can be run",
}


def read_subject(asked: SubjectRequest) -> Subject:
    """The layers asked about. SpecError, FormatError, ExecutionError name what is wrong."""
    if asked.product is not None:
        return subject_from_gemm(
            asked.product, asked.density, pattern=asked.pattern, seed=asked.seed
        )
    assert asked.source is not None  # SubjectRequest lets nothing else through
    if not asked.is_model:
        return subject_from_shapes(asked.source, asked.density, seed=asked.seed)
    runs = asked.planned or bool(asked.samples)
    shapes = asked.input_shapes
    program = open_program(asked.source, input_shapes=shapes) if runs else None
    densities = None
    if program is not None and asked.samples:
        images = _read_samples(program, asked.samples)
        batches = (images[first : first + _BATCH] for first in range(0, len(images), _BATCH))
        densities = input_densities(program.graph, (program.trace(batch) for batch in batches))
    subject = subject_from_graph(
        program.graph if program is not None else _graph(asked.source, shapes),
        float_layers=asked.float_layers,
        activation_density=densities,
        seed=asked.seed,
    )
    subject = dataclasses.replace(subject, name=asked.source.stem)
    if program is None or not asked.planned:
        return subject
    lanes = Target.from_cpu(native.cpu(), program.isa).lanes
    return dataclasses.replace(subject, plan=program.plan, lanes=lanes)


def _graph(source: Path, shapes: Mapping[str, tuple[int, ...]] | None) -> Graph:
    """The lowered graph of a model, which is not planned."""
    if kind_of(str(source)) is SourceKind.COMPILED:
        return artifact.read(source).graph
    return lower(graph_of(load_source(str(source), input_shapes=shapes)))


def estimate_json(
    asked: SubjectRequest, request: EnergyRequest
) -> tuple[dict[str, Any], dict[str, str]]:
    """The answer as JSON, with ``measured`` where that is asked; Accelergy's files by name."""
    found = answer(request)
    document = found.to_json()
    if asked.measured and asked.source is not None:
        document["measured"] = measure_model(asked.source, asked.samples)
    return document, found.accelergy_files()


def refuse_with_sweep(options: Mapping[str, object]) -> None:
    """SpecError names the first option that is set: a sweep gives numbers only."""
    for option, value in options.items():
        if value:
            allowed = "not with --sweep, which compares all kinds and gives numbers only"
            raise SpecError(option, value=value, allowed=allowed)


def sweep_json(
    request: EnergyRequest,
    axes: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """``points``, ``label`` and ``subject`` of a sweep over axes such as "density=0.2,0.36"."""
    points = sweep(request, parse_axes(axes), progress)
    dram = "DRAM counted" if request.dram else "on-chip only, DRAM not counted"
    table = points[0].estimate.table.name
    return {
        "points": [point.to_json() for point in points],
        "subject": request.subject.name,
        "label": f"estimated (table {table}; {dram}), for one image",
    }


def measure_model(
    source: Path, samples: Sequence[Path] = (), *, root: Path = _POWERCAP
) -> dict[str, Any]:
    """What this machine's meters say about running a compiled model, or why they say nothing.

    The model runs on the samples (on sixteen random images without any) again and again for
    about two seconds. ``label`` is "measured", with ``energy`` and ``energy_per_image`` in
    ``unit``, ``seconds``, ``images`` and ``zones``; or "unavailable", with ``reason``.
    """
    zones = find_zones(root)
    if isinstance(zones, UnavailableEnergy):
        return zones.to_json()
    program = open_program(source)
    images = _read_samples(program, samples) if samples else _random_images(program)
    start = time.monotonic()
    program(images)
    repeats = max(1, math.ceil(_MEASURED_SECONDS / max(time.monotonic() - start, 1e-6)))
    found = measure(lambda: program(images), repeats=repeats, root=root)
    if isinstance(found, UnavailableEnergy):
        return found.to_json()
    ran = repeats * len(images)
    return {**found.to_json(), "images": ran, "energy_per_image": found.energy_j / ran}


def _read_samples(program: Program, paths: Sequence[Path]) -> NDArray[np.float32]:
    files = [file for path in paths for file in _files(path)]
    return read_inputs(files, program.artifact.preprocessing, program.graph.inputs[0])[1]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(
        file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")
    )
    if not found:
        raise SpecError("--samples", value=str(path), allowed="a folder with files in it")
    return found


def _random_images(program: Program) -> NDArray[np.float32]:
    extents = program.graph.inputs[0].type.shape[1:]
    return np.random.default_rng(0).standard_normal((_BATCH, *extents), dtype=np.float32)
