"""Energy for the terminal: the JSON of an estimate or a sweep as rich tables with its label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from signbin.report import words
from signbin.report.bars import NumberWithBar, TerminalNote
from signbin.report.console import add_row, new_table
from signbin.report.energy_chart import estimate_label

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

__all__ = ["energy_view"]


def energy_view(document: Mapping[str, Any]) -> Group:
    """Tables of layers, components and kinds, or of a sweep's points, then how they were made."""
    from rich.console import Group  # noqa: PLC0415 - an extra: the base install prints no tables
    from rich.text import Text  # noqa: PLC0415

    if "points" in document:
        tables, notes = [_points(document)], [document["label"]]
    else:
        tables, notes = [_layers(document), _components(document)], list(_notes(document))
        if "kinds" in document:
            tables.append(_kinds(document["kinds"]))
    bars = [] if "points" in document else [TerminalNote("bars: share of the whole energy")]
    return Group(*tables, *bars, *(Text(note) for note in notes))


def _layers(document: Mapping[str, Any]) -> Table:
    table = new_table("layer", ">cycles", f">energy, {document['unit']}", ">share")
    for layer in document["layers"]:
        name, energy = layer.get("module", layer["name"]), layer["energy"]
        share = _share_cell(energy, document["energy"])
        add_row(table, name, _cycles(layer["cycles"]), _energy(energy), share)
    return table


def _components(document: Mapping[str, Any]) -> Table:
    table = new_table("component", f">energy, {document['unit']}", ">share")
    for name, energy in sorted(document["components"].items(), key=lambda item: -item[1]):
        share = _share_cell(energy, document["energy"])
        add_row(table, name.replace("_", " "), _energy(energy), share)
    return table


def _kinds(kinds: Mapping[str, Mapping[str, Any]]) -> Table:
    unit = next(iter(kinds.values()))["unit"]
    table = new_table(
        "weights", ">density", ">cycles", f">energy, {unit}", ">binary / this", "zeros"
    )
    for name, kind in kinds.items():
        workload = kind["provenance"]["workload"]
        density = f"{workload['density']:.3f}"
        gain = f"{kinds['binary']['energy'] / kind['energy']:.2f}"
        cycles, energy = _cycles(kind["cycles"]), _energy(kind["energy"])
        zeros = "none" if workload["density"] == 1 else workload["zeros"]
        add_row(table, name, density, cycles, energy, gain, zeros)
    return table


def _points(document: Mapping[str, Any]) -> Table:
    unit = document["points"][0]["unit"]
    table = new_table(
        "array", "weights", ">density", ">drawn", ">cycles", f">energy, {unit}", ">binary / this"
    )
    binary = {
        point["configuration"]: point["energy"]
        for point in document["points"]
        if point["kind"] == "binary"
    }
    for point in document["points"]:
        add_row(
            table,
            point["configuration"],
            point["kind"],
            f"{point['density']:g}",
            f"{point['drawn_density']:.3f}",
            _cycles(point["cycles"]),
            _energy(point["energy"]),
            f"{binary[point['configuration']] / point['energy']:.2f}",
        )
    return table


def _notes(document: Mapping[str, Any]) -> Iterator[str]:
    provenance = document["provenance"]
    workload = provenance["workload"]
    energy = f"{_energy(document['energy'])} {document['unit']}"
    yield f"total: {energy}, {_cycles(document['cycles'])} cycles, for one image"
    yield "cycles: of the array, one layer after the other; share: of the whole energy"
    if document["unit"] == "relative":
        yield "relative: the price list states no unit; compare only with figures of the same list"
    yield estimate_label(document)
    yield f"density {workload['density']:.3f}{_asked(workload)}; zeros {workload['zeros']}"
    if workload["activation_density"] < 1:
        yield f"non-zero inputs: {words.percent(workload['activation_density'])}, mean of layers"
    if workload["left_out"]:
        yield f"not counted, float weights: {', '.join(workload['left_out'])} (--all-layers)"
    if provenance["unverified_prices"]:
        yield f"prices quoted from memory: {', '.join(provenance['unverified_prices'])}"
    if "measured" in document:
        yield measured_words(document["measured"])


def _asked(workload: Mapping[str, Any]) -> str:
    asked = workload.get("asked_density")
    return "" if asked is None else f" drawn, {asked:g} asked for"


def measured_words(measured: Mapping[str, Any]) -> str:
    """What a meter said, or why it said nothing."""
    if measured["label"] != "measured":
        return f"measured: {measured['label']} ({measured['reason']})"
    return (
        f"measured: {measured['energy_per_image']:.4g} {measured['unit']} for one image on this "
        f"CPU ({measured['source']}, mean of {measured['images']} images, every process counted)"
    )


def _share_cell(part: float, whole: float) -> str | NumberWithBar:
    share = _share(part, whole)
    return words.percent(share) if share is None else NumberWithBar(words.percent(share), share)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _energy(value: float) -> str:
    """At least four digits, whole numbers grouped: 390,093 and 36.55."""
    return f"{value:,.0f}" if value >= 1e3 else f"{value:.4g}"


def _cycles(value: float) -> str:
    return f"{value:,.0f}"
