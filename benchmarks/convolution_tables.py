"""Tables of convolutions by table lookups, beside walks and dense products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from signbin.report import markdown, words

Row = Mapping[str, Any]
_WAYS = {
    "table": "table",
    "walk": "walk",
    "walk_without_code": "walk without code",
    "dense": "dense",
}


def table_layers_table(section: Row) -> str:
    """One line per layer, of least times; below, networks that generate no code."""
    head = ["kernels", "weights", "layer", *(f"{name}, ms" for name in _WAYS.values())]
    head += ["walk / table", "walk without code / table", "planned", "planned without code"]
    layers = [_layer(row) for row in section["rows"] if "ways" in row]
    networks = [_network(row) for row in section["rows"] if "network" in row]
    names = ["kernels", "weights", "network without code", "layers by table", "ms"]
    names += ["all low-bit layers walked, ms", "walked / planned"]
    found = markdown.table(head, layers, numbers_from=3)
    return f"{found}\n\n{markdown.table(names, networks, numbers_from=3)}" if networks else found


def _layer(row: Row) -> list[str]:
    least = {name: times["min_ms"] for name, times in row["ways"].items()}
    return [
        *(row["isa"], _weights(row), row["layer"]),
        *(words.milliseconds(least[name]) if name in least else "" for name in _WAYS),
        *(_ratio(least, name) for name in ("walk", "walk_without_code")),
        _WAYS[row["planned"]],
        _WAYS[row["planned_without_code"]],
    ]


def _ratio(least: Mapping[str, float], name: str) -> str:
    return f"{least[name] / least['table']:.2f}" if name in least else ""


def _network(row: Row) -> list[str]:
    planned, walked = row["planned"]["min_ms"], row["walked"]["min_ms"]
    return [
        *(row["isa"], _weights(row), row["network"], f"{row['tables']} of {row['layers']}"),
        *(words.milliseconds(planned), words.milliseconds(walked), f"{walked / planned:.2f}"),
    ]


def _weights(row: Row) -> str:
    kind = str(row["weights"])
    return kind if kind == "binary" else f"{kind}, {row['density']:.2f}"
