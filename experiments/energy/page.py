"""docs/results/energy.md, its picture and the validation of docs/simulator.md, from the results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiments import ROOT
from experiments.energy import OURS, RESULTS
from signbin.report import markdown
from signbin.report.energy_chart import energy_svg

TEMPLATE = Path(__file__).parent / "page.md"
PAGE = ROOT / "docs" / "results" / "energy.md"
PICTURE = ROOT / "docs" / "results" / "energy-sigma.svg"
OTHERS = ("ternary 0.71", "ternary 0.357", OURS)
"""What binary is compared with, in the order of the columns."""


def read() -> dict[str, Any]:
    """The committed results."""
    return dict(json.loads(RESULTS.read_text(encoding="utf-8")))


def pages() -> dict[Path, str]:
    """The page and its picture."""
    results = read()
    rows = results["arrays"]["sigma-256-128"]
    sigma = {row["table"]: row["kinds"] for row in rows}
    others = [gain(kinds) for table, kinds in sigma.items() if table != "stonne"]
    provenance = rows[0]["provenance"]
    bars = [
        (kind.replace(" ", "\n"), {**one, "provenance": provenance})
        for kind, one in sigma["stonne"].items()
    ]
    return {
        PICTURE: energy_svg(bars, "ResNet-18, 3x3 convolutions, one image"),
        PAGE: TEMPLATE.read_text(encoding="utf-8").format(
            seed=results["seed"],
            headline=gain(sigma["stonne"]),
            low=min(others),
            high=max(others),
            ratios=ratio_table(results["arrays"]),
            components=component_table(sigma["stonne"]),
            sizes=size_table(results["sizes"]),
        ),
    }


def validation() -> str:
    """The recorded runs beside our figures, as a table."""
    head = ["M x N x K", "multipliers, bandwidth", "sparsity", "cycles, STONNE", "ours"]
    head += ["energy, STONNE", "ours", "same density, other draws: cycles", "energy"]
    return markdown.table(head, [_validation_row(row) for row in read()["validation"]])


def _validation_row(row: dict[str, Any]) -> list[str]:
    reference, same, other = row["reference"], row["same_draw"], row["other_draws"]

    def error(found: dict[str, Any], key: str) -> float:
        return float(found[key] / reference[key] - 1)

    return [
        row["shape"],
        f"{row['multipliers']}, {row['bandwidth']}",
        f"{row['sparsity_percent']} %",
        f"{reference['cycles']:,}",
        f"{same['cycles']:,.0f} ({error(same, 'cycles'):+.2%})",
        f"{reference['energy']:,.0f}",
        f"{same['energy']:,.0f} ({error(same, 'energy'):+.2%})",
        f"{error(other, 'cycles'):+.1%}",
        f"{error(other, 'energy'):+.1%}",
    ]


def gain(kinds: dict[str, Any], kind: str = OURS) -> float:
    """Energy of binary / energy of a kind."""
    ratio: float = kinds["binary"]["energy"] / kinds[kind]["energy"]
    return ratio


def ratio_table(arrays: dict[str, Any]) -> str:
    """Binary / other kinds, a row per array and table that prices it."""
    head = ("array", "table", "binary, per image", *OTHERS, "cycles, signed-binary")
    priced = [
        _ratio_row(array, row["table"], row["kinds"])
        for array, rows in arrays.items()
        for row in rows
        if row["kinds"]
    ]
    return markdown.table(head, priced)


def _ratio_row(array: str, table: str, kinds: dict[str, Any]) -> list[str]:
    binary = kinds["binary"]
    energy = f"{binary['energy']:.3g} {binary['unit']}"
    if binary["unit"] == "pJ":
        energy = f"{binary['energy'] / 1e9:.2f} mJ"
    ratios = [f"{gain(kinds, kind):.2f}x" for kind in OTHERS]
    return [array, table, energy, *ratios, f"{binary['cycles'] / kinds[OURS]['cycles']:.2f}x fewer"]


def component_table(kinds: dict[str, Any]) -> str:
    """What binary spends where, and how it shrinks; parts of less than 0.5 % are left out."""
    binary, ours = kinds["binary"], kinds[OURS]
    parts = sorted(binary["components"].items(), key=lambda item: -item[1])
    rows = [
        (part, f"{energy / binary['energy']:.1%}", f"{ours['components'][part] / energy:.2f}")
        for part, energy in parts
        if energy / binary["energy"] >= 0.005
    ]
    return markdown.table(("component", "binary, share", "signed-binary / binary"), rows)


def size_table(sizes: dict[str, Any]) -> str:
    """The gain on SIGMA-like arrays of several sizes, with zero activations, with DRAM."""
    tables = [row["table"] for row in next(iter(sizes.values()))]
    rows = [
        (name, *(f"{gain(row['kinds']):.2f}x" if row["kinds"] else "unavailable" for row in found))
        for name, found in sizes.items()
    ]
    return markdown.table(("array", *tables), rows)
