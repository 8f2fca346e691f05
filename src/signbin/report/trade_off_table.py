"""Repetition against sparsity for the terminal: the JSON of an analysis as rich tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from signbin.report.console import add_row, new_table

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

__all__ = ["trade_off_view"]

_STRATEGIES: Final = ("dense", "sparse", "agr", "summerge", "cse", "qgym", "bucket", "bitserial")


def trade_off_view(document: Mapping[str, Any]) -> Group:
    """What the weights offer, and what every engine would add, layer by layer."""
    from rich.console import Group  # noqa: PLC0415 - an extra: the base install prints no tables
    from rich.text import Text  # noqa: PLC0415

    return Group(_weights(document), _additions(document), *map(Text, _notes(document)))


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
            f"{layer['density']:.3f}",
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
    table = new_table(
        "additions per output position", *(f">{name}" for name in _STRATEGIES), ">bound"
    )
    for layer in document["layers"]:
        name = layer.get("module") or layer["name"]
        _add_counts(table, name, layer["adds"], layer["adds_lower_bound"])
    totals = document["totals"]
    if totals["adds"]:
        table.add_section()
        _add_counts(table, "per image, all layers", totals["adds"], totals["adds_lower_bound"])
    return table


def _add_counts(table: Any, name: str, adds: Mapping[str, int], bound: float | None) -> None:
    cells = [f"{adds[strategy]:,}" if strategy in adds else "-" for strategy in _STRATEGIES]
    add_row(table, name, *cells, _number(bound, ",.0f"))


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _notes(document: Mapping[str, Any]) -> list[str]:
    notes = [
        "bound: additions that random weights of this entropy need at least; trained ones may need "
        "fewer. bitserial: popcounts of 64-bit words, 8-bit activations."
    ]
    if any(layer["sampled"] for layer in document["layers"]):
        notes.append("qgym: scaled up from a few sub-blocks of 8 x 32.")
    elif document["totals"]["adds"]:
        notes.append("qgym: not counted, which needs egglog: pip install 'signbin[qgym]'.")
    return notes
