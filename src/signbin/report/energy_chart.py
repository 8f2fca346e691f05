"""Energy as a picture: stacked bars in one SVG file.

It reads the JSON of estimates (keys ``energy``, ``unit``, ``cycles``, ``layers``,
``components``, ``provenance``, ``kinds``), nothing else.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from signbin.report.charts import ticks

__all__ = ["energy_picture", "energy_svg", "estimate_label"]

_WIDTH: Final = 720
_LEFT: Final = 56
_TOP: Final = 72
_BOTTOM: Final = 316
_BAR: Final = 64
_PITCH: Final = 116
_LONGEST_LINE: Final = 96  # characters of the note that fit the width
# Okabe-Ito colours: told apart with any colour vision, on light and dark paper.
_COLORS: Final = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#b8a900",
    "#7f7f7f",
)
# (from, divided by, said as)
_SCALES: Final = ((1e7, 1e6, ", millions"), (1e4, 1e3, ", thousands"), (0.0, 1.0, ""))
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#222}.title{font-weight:600}"
    ".grid{stroke:#8884;stroke-width:1}.bg{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.bg{fill:#16181d}}"
)


def estimate_label(document: Mapping[str, Any]) -> str:
    """How the figure came about: estimated, by which model, table and configuration."""
    provenance = document["provenance"]
    dram = provenance["dram"]
    return (
        f"{provenance['label']} (model {provenance['model']}, table {provenance['table']}, "
        f"configuration {provenance['configuration']['name']}; DRAM {dram})"
    )


def energy_picture(document: Mapping[str, Any]) -> str:
    """The picture of an estimate: its kinds side by side where there are any, else one bar."""
    workload = document["provenance"]["workload"]
    bars = [
        (_bar_name(name.replace("_", "-"), kind), kind)
        for name, kind in document.get("kinds", {}).items()
    ]
    array = document["provenance"]["configuration"]["name"]
    title = f"{workload['name']} on {array}, one image"
    return energy_svg(bars or [(_bar_name(workload["name"], document), document)], title)


def _bar_name(name: str, document: Mapping[str, Any]) -> str:
    density = document["provenance"]["workload"]["density"]
    return name if density == 1 else f"{name}\ndensity {density:.3f}"


def energy_svg(documents: Sequence[tuple[str, Mapping[str, Any]]], title: str) -> str:
    """Stacked bars, one per (name, estimate), by component, the ratio to the first on top.

    The estimates share unit, model and table, or the bars would not compare: ValueError.
    """
    compared = {
        (document["unit"], document["provenance"]["model"], document["provenance"]["table"])
        for _, document in documents
    }
    if len(compared) != 1:
        raise ValueError(f"bars of one unit, model and table, got {sorted(compared)}")
    parts = _components(documents)
    y_ticks = ticks(0.0, max(document["energy"] for _, document in documents))
    body = [_axis(y_ticks, documents[0][1]["unit"])]
    for index, (name, document) in enumerate(documents):
        first = documents[0][1]["energy"]
        body.append(_bar(index, name, document, parts, (y_ticks[-1], first)))
    body.append(_legend(parts, len(documents)))
    notes = textwrap.wrap(estimate_label(documents[0][1]), _LONGEST_LINE)
    height = _BOTTOM + 64 + 18 * len(notes)
    for row, note in enumerate(notes):
        body.append(f'<text x="16" y="{_BOTTOM + 64 + 18 * row}">{escape(note)}</text>')
    width = _legend_left(len(documents)) + 184
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f'<rect class="bg" width="100%" height="100%"/>'
        f'<text class="title" x="16" y="24">{escape(title)}</text>{"".join(body)}</svg>\n'
    )


def _components(documents: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Largest first; what has no colour of its own is drawn as the rest."""
    sums: dict[str, float] = {}
    for _, document in documents:
        for name, energy in document["components"].items():
            sums[name] = sums.get(name, 0.0) + energy
    ordered = sorted((name for name in sums if sums[name] > 0), key=lambda name: -sums[name])
    shown = ordered[: len(_COLORS) - 1]
    return shown if len(ordered) <= len(shown) else [*shown, "other"]


def _segments(document: Mapping[str, Any], parts: Sequence[str]) -> list[float]:
    energies = [document["components"].get(part, 0.0) for part in parts]
    if parts and parts[-1] == "other":
        energies[-1] = document["energy"] - sum(energies[:-1])
    return energies


def _bar(
    index: int,
    name: str,
    document: Mapping[str, Any],
    parts: Sequence[str],
    scale: tuple[float, float],
) -> str:
    top_value, first = scale
    x = _LEFT + 36 + index * _PITCH
    pieces, y = [], float(_BOTTOM)
    for color, (part, energy) in enumerate(zip(parts, _segments(document, parts), strict=True)):
        height = energy / top_value * (_BOTTOM - _TOP)
        y -= height
        pieces.append(
            f'<rect x="{x}" y="{y:.2f}" width="{_BAR}" height="{height:.2f}" '
            f'fill="{_COLORS[color]}"><title>{escape(name)}, {escape(part)}: {energy:.4g}</title>'
            "</rect>"
        )
    middle = x + _BAR / 2
    ratio = first / document["energy"]
    above = f"{ratio:.2f}x less" if ratio >= 1 else f"{1 / ratio:.2f}x more"
    if index == 0:
        above = _figure(document["energy"])
    pieces.append(f'<text x="{middle}" y="{y - 6:.1f}" text-anchor="middle">{above}</text>')
    for row, word in enumerate(name.split("\n")):
        pieces.append(
            f'<text x="{middle}" y="{_BOTTOM + 18 + 15 * row}" text-anchor="middle">'
            f"{escape(word)}</text>"
        )
    return "".join(pieces)


def _axis(y_ticks: Sequence[float], unit: str) -> str:
    scale, word = next((size, word) for least, size, word in _SCALES if y_ticks[-1] >= least)
    lines = [f'<text x="16" y="46">energy, {escape(unit)}{word}</text>']
    for tick in y_ticks:
        y = _BOTTOM - tick / y_ticks[-1] * (_BOTTOM - _TOP)
        lines.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - 200}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick / scale:g}</text>'
        )
    return "".join(lines)


def _figure(energy: float) -> str:
    """Four digits, whole numbers grouped; millions in words."""
    if energy >= 1e7:
        return f"{energy / 1e6:.4g} millions"
    return f"{energy:,.0f}" if energy >= 1e3 else f"{energy:.4g}"


def _legend_left(bars: int) -> int:
    return max(_WIDTH - 184, _LEFT + 36 + bars * _PITCH)


def _legend(parts: Sequence[str], bars: int) -> str:
    x = _legend_left(bars)
    rows = []
    for index, part in enumerate(reversed(parts)):
        y = _TOP + 20 * index
        color = _COLORS[len(parts) - 1 - index]
        rows.append(
            f'<rect x="{x}" y="{y}" width="12" height="12" fill="{color}"/>'
            f'<text x="{x + 18}" y="{y + 11}">{escape(part.replace("_", " "))}</text>'
        )
    return "".join(rows)
