"""Estimate ResNet-18 on every array and write what docs/results/energy.md is made from.

    python experiments/energy.py           # estimate, about half a minute, and write the pages
    python experiments/energy.py --pages   # write the pages from experiments/results/energy.json

The results are JSON; docs/results/energy.md, its picture and the validation table of
docs/simulator.md are made from nothing else. Everything is estimated from shapes and a seed;
nothing is measured or fitted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from signbin.analysis import (
    Estimate,
    LayerWorkload,
    Machine,
    estimate,
    load_table,
    read_shapes,
    table_names,
    validate,
    with_activations,
    with_kind,
)
from signbin.errors import SpecError
from signbin.report.energy_chart import energy_svg
from signbin.spec import ValueSet

ROOT = Path(__file__).parents[1]
SHAPES = ROOT / "benchmarks" / "shapes" / "resnet18.txt"
RESULTS = ROOT / "experiments" / "results" / "energy.json"
PAGE_FILE = ROOT / "docs" / "results" / "energy.md"
PICTURE_FILE = ROOT / "docs" / "results" / "energy-sigma.svg"
SIMULATOR_FILE = ROOT / "docs" / "simulator.md"
OURS = "signed-binary 0.357"
SEED = 0
KINDS = {
    "binary": (ValueSet.BINARY, 1.0),
    "ternary 0.71": (ValueSet.TERNARY, 0.71),
    "ternary 0.357": (ValueSet.TERNARY, 0.357),
    "signed-binary 0.357": (ValueSet.SIGNED_BINARY, 0.357),
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
BEGIN, END = "<!-- validation: begin -->", "<!-- validation: end -->"


def estimate_kinds(shapes: tuple[LayerWorkload, ...], machine: Machine) -> list[dict[str, Any]]:
    """Every kind on a machine, counted once: a row per table that prices the machine's actions."""
    counted = {
        kind: estimate(
            [with_kind(layer, value_set, density, SEED) for layer in shapes],
            machine,
            "horowitz-45nm",  # prices every action
        )
        for kind, (value_set, density) in KINDS.items()
    }
    rows = []
    for name in ("stonne", *(other for other in table_names() if other != "stonne")):
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
        arrays[configuration] = estimate_kinds(shapes, Machine(model, configuration))
        print(f"{configuration} done", file=sys.stderr)
    for name in SIZES:
        sizes[name] = estimate_kinds(shapes, Machine("sigma", name))
        print(f"{name} done", file=sys.stderr)
    half = with_activations(shapes, 0.5)
    sigma = "sigma-256-128"
    sizes[f"{sigma}, half of the inputs zero"] = estimate_kinds(half, Machine("sigma", sigma))
    dram = Machine("sigma", sigma, dram=True)
    sizes[f"{sigma}, with DRAM"] = estimate_kinds(shapes, dram)
    return {
        "made_by": "python experiments/energy.py",
        "shapes": SHAPES.relative_to(ROOT).as_posix(),
        "seed": SEED,
        "validation": validation_rows(),
        "arrays": arrays,
        "sizes": sizes,
    }


def validation_table(rows: list[dict[str, Any]]) -> str:
    """The validation as a table."""
    lines = [
        "| M x N x K | multipliers, bandwidth | sparsity | cycles, STONNE | ours | energy, STONNE "
        "| ours | same density, other draws: cycles | energy |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        reference, same, other = row["reference"], row["same_draw"], row["other_draws"]
        error = {
            (name, key): found[key] / reference[key] - 1
            for name, found in (("same", same), ("other", other))
            for key in ("cycles", "energy")
        }
        lines.append(
            f"| {row['shape']} | {row['multipliers']}, {row['bandwidth']} "
            f"| {row['sparsity_percent']} % "
            f"| {reference['cycles']:,} | {same['cycles']:,.0f} ({error['same', 'cycles']:+.2%}) "
            f"| {reference['energy']:,.0f} "
            f"| {same['energy']:,.0f} ({error['same', 'energy']:+.2%}) "
            f"| {error['other', 'cycles']:+.1%} | {error['other', 'energy']:+.1%} |"
        )
    return "\n".join(lines)


def gain(kinds: dict[str, Any], kind: str = OURS) -> float:
    """Energy of binary / energy of a kind."""
    ratio: float = kinds["binary"]["energy"] / kinds[kind]["energy"]
    return ratio


def ratio_table(arrays: dict[str, Any]) -> str:
    """Binary / other kinds, a row per array and table that prices it."""
    lines = [
        "| array | table | binary, per image | ternary 0.71 | ternary 0.357 | signed-binary 0.357 "
        "| cycles, signed-binary |",
        "|---|---|---|---|---|---|---|",
    ]
    for array, rows in arrays.items():
        lines += [_ratio_row(array, row["table"], row["kinds"]) for row in rows if row["kinds"]]
    return "\n".join(lines)


def _ratio_row(array: str, table: str, kinds: dict[str, Any]) -> str:
    binary = kinds["binary"]
    ratios = [f"{gain(kinds, kind):.2f}x" for kind in list(KINDS)[1:]]
    energy = f"{binary['energy']:.3g} {binary['unit']}"
    if binary["unit"] == "pJ":
        energy = f"{binary['energy'] / 1e9:.2f} mJ"
    return (
        f"| {array} | {table} | {energy} | {' | '.join(ratios)} "
        f"| {binary['cycles'] / kinds[OURS]['cycles']:.2f}x fewer |"
    )


def component_table(kinds: dict[str, Any]) -> str:
    """What binary spends where, and how it shrinks."""
    binary, ours = kinds["binary"], kinds[OURS]
    lines = ["| component | binary, share | signed-binary / binary |", "|---|---|---|"]
    for part, energy in sorted(binary["components"].items(), key=lambda item: -item[1]):
        share = energy / binary["energy"]
        if share >= 0.005:
            lines.append(f"| {part} | {share:.1%} | {ours['components'][part] / energy:.2f} |")
    return "\n".join(lines)


def size_table(sizes: dict[str, Any]) -> str:
    """The gain on SIGMA-like arrays of several sizes, with zero activations, with DRAM."""
    tables = [row["table"] for row in next(iter(sizes.values()))]
    lines = [f"| array | {' | '.join(tables)} |", f"|---|{'---|' * len(tables)}"]
    for name, rows in sizes.items():
        cells = [f"{gain(row['kinds']):.2f}x" if row["kinds"] else "unavailable" for row in rows]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


PAGE = """# Is a signed-binary network about 2x as energy-efficient as a binary one?

Made by `python experiments/energy.py` from `experiments/results/energy.json`. Every figure is
**estimated**: shapes of the 3x3 convolutions of ResNet-18 at 224 x 224, zeros drawn independently
with seed {seed}, one image, on-chip unless said. What is counted, and how far to trust it:
[the simulator](../simulator.md).

**Short answer.** With the array and the table the claim was made with, yes: **{headline:.2f}x**
(SIGMA-like, 256 multipliers, bandwidth 128, STONNE's table, density 0.357). With other published
prices on the same array it is {low:.2f}x to {high:.2f}x: the array reads its whole input from the
buffer for every filter, whatever the zeros, and how much that weighs is a matter of the table. On
an array that neither skips nor gates zeros it is exactly 1. Ternary weights of the *same density*
gain the same on every array that sees zeros but not signs: there the gain is sparsity alone. What
signed-binary adds over ternary is that the same threshold leaves fewer non-zeros (0.357 instead of
0.71), and, on the repetition-aware array and the CPU, fewer patterns.

![Energy by component](energy-sigma.svg)

## Binary / other kinds, by array and table

"2.00x" means half the energy of binary. Tables without a price for an array's actions are left
out.

{ratios}

MAERI and the systolic array without gating do the same work for every kind. The gated arrays rest
multiplier and accumulator on a zero weight but still move and hold the operands, and take the same
time. The CPU row is the bucket walk with one tile for all kinds (at most 5 filters for ternary);
binary runs it with the shared window sum, the fair control. Below 1x means more energy than binary.
The prices of instructions and caches are quoted from memory, and the table file marks them so.

## Where the energy goes: SIGMA-like, STONNE's table

{components}

Arithmetic and its networks fall with the density; the buffer's reads do not: every filter here
takes at least one pass over the input, dense or sparse, and its folds together take one.

## Does it depend on the array's size? Signed-binary 0.357 against binary

{sizes}

Up to 256 multipliers the size hardly matters; what does is how many multipliers share a port:
each halving of the bandwidth adds a level of switches, whose work falls with the density. An array
that holds several sparse filters but fewer dense ones also reads the input less often. Zero
activations save buffer reads only, of both kinds. With DRAM both pay the same for activations, and
one bit per weight.

## What this does not say

The zeros are independent draws; trained zeros cluster, which the packing rarely rewards. STONNE's
table states no node, and its multiplier is cheaper than its adder, which no other table agrees
with; on it, the figure is a ratio and nothing more. None of this is a measurement of silicon.
"""


def pages(results: dict[str, Any], simulator: str) -> dict[Path, str]:
    """Every page by file; simulator: the text of docs/simulator.md, whose table is replaced."""
    rows = results["arrays"]["sigma-256-128"]
    sigma = {row["table"]: row["kinds"] for row in rows}
    others = [gain(kinds) for table, kinds in sigma.items() if table != "stonne"]
    provenance = rows[0]["provenance"]
    bars = [
        (kind.replace(" ", "\n"), {**one, "provenance": provenance})
        for kind, one in sigma["stonne"].items()
    ]
    before, _, rest = simulator.partition(BEGIN)
    _, _, after = rest.partition(END)
    validation = validation_table(results["validation"])
    return {
        SIMULATOR_FILE: f"{before}{BEGIN}\n{validation}\n{END}{after}",
        PICTURE_FILE: energy_svg(bars, "ResNet-18, 3x3 convolutions, one image"),
        PAGE_FILE: PAGE.format(
            seed=results["seed"],
            headline=gain(sigma["stonne"]),
            low=min(others),
            high=max(others),
            ratios=ratio_table(results["arrays"]),
            components=component_table(sigma["stonne"]),
            sizes=size_table(results["sizes"]),
        ),
    }


def write(path: Path, text: str) -> None:
    """Replace the file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
    print(path.relative_to(ROOT), file=sys.stderr)


def main() -> None:
    """Estimate, keep the results, write the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", action="store_true", help="only the pages, from the results")
    if not parser.parse_args().pages:
        write(RESULTS, json.dumps(compute(), indent=1) + "\n")
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    for path, text in pages(results, SIMULATOR_FILE.read_text(encoding="utf-8")).items():
        write(path, text)


if __name__ == "__main__":
    main()
