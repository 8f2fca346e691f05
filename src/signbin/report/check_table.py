"""What ``check`` found, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from signbin.report import words
from signbin.report.bars import NumberWithBar, TerminalNote, shares
from signbin.report.console import add_row, new_table

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

__all__ = ["check_view"]

_LEGEND = (
    "For one image on one thread. Low-bit weights are drawn at random, the same number of non-zero "
    "ones in every filter; trained ones differ. codes: 8-bit activations. ms: predicted, not "
    "measured. MACs: dense multiply-accumulates. memory: values of the network, without its "
    "weights. energy: of the layers with weights."
)


def check_view(document: Mapping[str, Any], scheme: str | None) -> Group:
    """Refusals, or a line per scheme with a legend; then, where one is named, its layers."""
    from rich.console import Group  # noqa: PLC0415 - an extra
    from rich.text import Text  # noqa: PLC0415

    refused = document["coverage"]["refused"]
    if refused:
        of = document["coverage"]["operators"]
        count = f"{len(refused)} of {of} operators refused" if of else f"{len(refused)} refused"
        return Group(Text(f"{count}; nothing is predicted"), _refusals(refused))
    speed = document["rates"] or "not measured on this CPU: no times are predicted"
    parts: list[Any] = [_schemes(document), Text(_LEGEND), Text(f"speed: {speed}")]
    parts += [Text(f"energy: {document['prices']}")]
    parts += [Text(sentence) for sentence in document["advice"]]
    parts += [_layers(one) for one in document["schemes"] if one["scheme"] == scheme]
    if document["rates"]:
        parts.append(TerminalNote("bars: share of the longest time in the table"))
    return Group(*parts)


def _refusals(refused: list[Mapping[str, str]]) -> Table:
    table = new_table("layer", "operator", "reason", "what to do")
    for one in refused:
        add_row(table, one["source"] or "forward", one["operator"], one["reason"], one["remedy"])
    return table


def _schemes(document: Mapping[str, Any]) -> Table:
    table = new_table(
        "scheme", ">ms", ">file", ">memory", ">energy", ">additions", ">multiplications"
    )
    table.title = f"{document['network']} on {document['target']}: all operators run"
    parts = shares([one["ms"] for one in document["schemes"]])
    for one, share in zip(document["schemes"], parts, strict=True):
        add_row(
            table,
            one["scheme"],
            _time(one["ms"], share),
            words.size(one["file_bytes"]),
            words.size(one["arena_bytes"]),
            words.energy(one["energy_uj"]),
            words.count(one["additions"]),
            words.count(one["multiplications"]),
        )
    return table


def _layers(scheme: Mapping[str, Any]) -> Table:
    table = new_table(
        "layer", "weights", "strategy", ">ms", ">file", ">energy", ">MACs", ">additions"
    )
    table.title = scheme["scheme"]
    parts = shares([one["ms"] for one in scheme["layers"]])
    for one, share in zip(scheme["layers"], parts, strict=True):
        add_row(
            table,
            one["module"] or one["layer"],
            one["weights"],
            one["strategy"],
            _time(one["ms"], share),
            words.size(one["size_bytes"]),
            words.energy(one["energy_uj"]),
            words.count(one["macs"]),
            words.count(one["additions"]),
        )
    return table


def _time(ms: float | None, share: float) -> str | NumberWithBar:
    return "" if ms is None else NumberWithBar(words.milliseconds(ms), share)
