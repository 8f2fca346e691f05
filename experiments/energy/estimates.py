"""Every kind of weights on every array and table, and the recorded runs beside our figures.

Everything is estimated from shapes and a seed; nothing is measured or fitted.
"""

from __future__ import annotations

import sys
from typing import Any

from experiments import ROOT
from experiments.energy import OURS
from signbin.analysis import (
    Estimate,
    LayerWorkload,
    ProcessingArray,
    estimate,
    load_table,
    read_shapes,
    table_names,
    validate,
    with_activations,
    with_kind,
)
from signbin.errors import SpecError
from signbin.spec import ValueSet

SHAPES = ROOT / "benchmarks" / "shapes" / "resnet18.txt"
SEED = 0
KINDS = {
    "binary": (ValueSet.BINARY, 1.0),
    "ternary 0.71": (ValueSet.TERNARY, 0.71),
    "ternary 0.357": (ValueSet.TERNARY, 0.357),
    OURS: (ValueSet.SIGNED_BINARY, 0.357),
}
MACHINES = (
    ("sigma", "sigma-256-128"),
    ("ucnn", "ucnn-32-2"),
    ("extensor", "extensor-128-4"),
    ("systolic", "systolic-16-16-gated"),
    ("row-stationary", "row-stationary-12-14-gated"),
    ("maeri", "maeri-256-128"),
    ("systolic", "systolic-16-16"),
    ("save", "save-16-24"),
    ("cpu", "cpu-8"),
)
SIZES = (
    "sigma-64-64",
    "sigma-128-64",
    "sigma-256-64",
    "sigma-256-128",
    "sigma-256-256",
    "sigma-1024-512",
)

_ELSEWHERE = ("stonne", "horowitz-45nm-codes")
"""Tables that stand first, or price a CPU on codes alone, as none of these machines computes."""


def estimate_kinds(
    shapes: tuple[LayerWorkload, ...], array: ProcessingArray
) -> list[dict[str, Any]]:
    """Every kind on an array, counted once: a row per table that prices the array's actions."""
    counted = {
        kind: estimate(
            [with_kind(layer, value_set, density, SEED) for layer in shapes],
            array,
            "horowitz-45nm",  # prices every action
        )
        for kind, (value_set, density) in KINDS.items()
    }
    rows = []
    for name in ("stonne", *(other for other in table_names() if other not in _ELSEWHERE)):
        table = load_table(name)
        try:
            priced = {kind: one.repriced(table) for kind, one in counted.items()}
        except SpecError:
            rows.append({"table": name, "kinds": {}})  # it lacks a price: never a silent zero
            continue
        provenance = priced["binary"].to_json()["provenance"]
        del provenance["workload"]
        kinds = {kind: summary(one) for kind, one in priced.items()}
        rows.append({"table": name, "provenance": provenance, "kinds": kinds})
    return rows


def summary(one: Estimate) -> dict[str, Any]:
    """The estimate's JSON without its layers; figures to nine digits."""
    document = one.to_json()
    return {
        "cycles": document["cycles"],
        "energy": _nine_digits(document["energy"]),
        "unit": document["unit"],
        "density": _nine_digits(document["provenance"]["workload"]["density"]),
        "components": {name: _nine_digits(part) for name, part in document["components"].items()},
    }


def _nine_digits(value: float) -> float:
    return float(f"{value:.9g}")


def validation_rows() -> list[dict[str, Any]]:
    """The recorded runs beside our figures, on the same and on other draws."""
    both = zip(validate("stonne"), validate("independent", seeds=5), strict=True)
    return [
        {
            "shape": "x".join(map(str, same.reference.shape)),
            "multipliers": same.reference.multipliers,
            "bandwidth": same.reference.bandwidth,
            "sparsity_percent": same.reference.sparsity,
            "reference": {"cycles": same.reference.cycles, "energy": same.reference.energy},
            "same_draw": {"cycles": same.cycles, "energy": _nine_digits(same.energy)},
            "other_draws": {"cycles": other.cycles, "energy": _nine_digits(other.energy)},
        }
        for same, other in both
    ]


def compute() -> dict[str, Any]:
    """All results, as they are kept."""
    shapes = read_shapes(SHAPES)
    arrays, sizes = {}, {}
    for model, configuration in MACHINES:
        arrays[configuration] = estimate_kinds(shapes, ProcessingArray(model, configuration))
        print(f"{configuration} done", file=sys.stderr)
    for name in SIZES:
        sizes[name] = estimate_kinds(shapes, ProcessingArray("sigma", name))
        print(f"{name} done", file=sys.stderr)
    half = with_activations(shapes, 0.5)
    sigma = "sigma-256-128"
    sizes[f"{sigma}, half of the inputs zero"] = estimate_kinds(
        half, ProcessingArray("sigma", sigma)
    )
    dram = ProcessingArray("sigma", sigma, dram=True)
    sizes[f"{sigma}, with DRAM"] = estimate_kinds(shapes, dram)
    return {
        "made_by": "python -m experiments.energy",
        "shapes": SHAPES.relative_to(ROOT).as_posix(),
        "seed": SEED,
        "validation": validation_rows(),
        "arrays": arrays,
        "sizes": sizes,
    }
