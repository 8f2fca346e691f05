"""Tables of docs/edge.md: instructions that were counted, rates that are modelled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.results import RESULTS
from signbin.plan.cores import CORES, MODELLED, WALK_SHARE

__all__ = ["cores", "instructions", "share"]

RESULT: Final = RESULTS / "aarch64" / "aarch64-instructions.json"
_SUBJECTS: Final = {
    "layer1.0.conv1": "64 -> 64, 3x3, 56x56",
    "layer4.0.conv2": "512 -> 512, 3x3, 7x7",
    "resnet18": "ResNet-18, 224x224, whole",
}
_PRODUCTS: Final = {
    "portable": "plain C", "neon": "SMLAL", "neon_dot": "SDOT", "neon_i8mm": "SMMLA",
}  # fmt: skip


def instructions() -> str:
    """A line per program and way: millions of instructions, and products per instruction."""
    lines = [
        "| | by | instruction set | M instructions | MAC per instruction | without requantising |",
        "|---|---|---|---:|---:|---:|",
    ]
    for row in _rows():
        rate, walked = (f"{row['macs'] / row[key]:.1f}" for key in ("instructions", "walked"))
        count = f"{row['instructions'] / 1e6:,.1f}"
        subject = _SUBJECTS[row["subject"]]
        cells = (subject, _way(row), f"`{row['isa']}`", count, rate, walked)
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"Density of the signed-binary weights: {_document()['density']}."]
    return "\n".join(lines)


def share() -> str:
    """Instructions of the best products over those of walks, for the whole network."""
    lines = [
        "| products by | instructions over those of compiled walks | of generated ones |",
        "|---|---:|---:|",
    ]
    rows = [row for row in _rows() if row["subject"] == "resnet18"]
    for row in rows:
        if row["strategy"] == "dense" and row["isa"] != "portable":
            # What no walk serves, the first layer above all, is multiplied as the CPU does it best.
            beside = "neon" if row["isa"] == "neon" else "neon_dot"
            walks = {one["jit"]: one["instructions"] for one in rows if _is_walk(one, beside)}
            over = [f"{row['instructions'] / walks[jit]:.2f}" for jit in (False, True)]
            lines.append(f"| {_PRODUCTS[row['isa']]} | {over[0]} | {over[1]} |")
    return "\n".join(lines)


def cores() -> str:
    """The rates that plans for a core are made with."""
    lines = [
        f"| `--target` | instruction set | GHz, board | products, MAC a cycle, {MODELLED} |",
        "|---|---|---|---|",
    ]
    for core in CORES.values():
        products = ", ".join(f"{_PRODUCTS[isa]} {rate:g}" for isa, rate in core.products.items())
        cells = (f"`{core.name}`", f"`{core.isa}`", f"{core.gigahertz:g}, {core.board}", products)
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"Walks are taken to keep {WALK_SHARE} of the speed a model gives them.",
    ]
    return "\n".join(lines)


def _document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return found


def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _document()["rows"]
    return rows


def _is_walk(row: Mapping[str, Any], isa: str) -> bool:
    return (row["strategy"], row["isa"]) == ("bucket", isa)


def _way(row: Mapping[str, Any]) -> str:
    if row["strategy"] == "dense":
        return f"products ({_PRODUCTS[row['isa']]})"
    return "walk, generated" if row["jit"] else "walk, compiled"
