"""Repetition against sparsity for the terminal: the JSON of an analysis as rich tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from signbin.report.bars import NumberWithBar, TerminalNote
from signbin.report.console import add_row, new_table
from signbin.report.legends import legend_of

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

__all__ = ["trade_off_view"]


def trade_off_view(document: Mapping[str, Any]) -> Group:
    """What the weights offer, and what every engine would add, layer by layer."""
    from rich.console import Group  # noqa: PLC0415 - an extra: the base install prints no tables
    from rich.text import Text  # noqa: PLC0415

    legend = legend_of("patterns of 8, recur, bits, density, p0, bucket")
    return Group(
        _weights(document),
        Text(legend),
        TerminalNote("bars: density"),
        _additions(document),
        *map(Text, _notes(document)),
    )


def _weights(document: Mapping[str, Any]) -> Table:
    table = new_table(
        *("layer", "weights", ">density", ">bits", ">patterns of 8", ">recur", ">p0"),
        *(">zero kernels", ">zero channels", "what binds"),
    )
    for layer in document["layers"]:
        zeros, patterns = layer["zeros"], _of_eight(layer)
        add_row(
            table,
            layer.get("module") or layer["name"],
            layer["value_set"],
            NumberWithBar(f"{layer['density']:.3f}", layer["density"]),
            _number(layer["entropy_bits"], ".2f"),
            _number(patterns.get("distinct"), ",.0f"),
            _number(patterns.get("factor"), ".1f"),
            _number(layer["p0"], ".3f"),
            f"{zeros['kernels']['zero']:,} of {zeros['kernels']['all']:,}" if zeros else "",
            f"{zeros['channels']['zero']:,} of {zeros['channels']['all']:,}" if zeros else "",
            layer["binds"],
        )
    return table


def _of_eight(layer: Mapping[str, Any]) -> Mapping[str, float]:
    """Patterns of eight filters, or of as many as there are; nothing for float weights."""
    counted = [entry for entry in layer["patterns"] if entry["filters"] <= 8]
    return counted[-1] if counted else {}


def _additions(document: Mapping[str, Any]) -> Table:
    engines = [engine["name"] for engine in document["engines"]]
    table = new_table("additions per output position", *(f">{name}" for name in engines), ">bound")

    def add_counts(name: str, counts: Mapping[str, Any]) -> None:
        adds = counts["adds"]
        cells = [f"{adds[engine]:,}" if engine in adds else "-" for engine in engines]
        add_row(table, name, *cells, _number(counts["adds_lower_bound"], ",.0f"))

    for layer in document["layers"]:
        add_counts(layer.get("module") or layer["name"], layer)
    if document["totals"]["adds"]:
        table.add_section()
        add_counts("per image, all layers", document["totals"])
    return table


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _notes(document: Mapping[str, Any]) -> list[str]:
    bound = (
        "bound: additions that random weights of this entropy need at least; trained ones may need "
        "fewer."
    )
    engines, layers = document["engines"], document["layers"]
    notes = [legend_of(" ".join(engine["name"] for engine in engines))]
    units = [f"{engine['name']}: {engine['unit']}." for engine in engines if engine["unit"]]
    notes.append(" ".join([bound, *units]))
    for engine in engines:
        name = engine["name"]
        if any(name in layer["sampled"] for layer in layers):
            notes.append(f"{name}: {engine['sampled']}.")
        elif engine["missing"] and document["totals"]["adds"]:
            notes.append(f"{name}: {engine['missing']}.")
    return notes
