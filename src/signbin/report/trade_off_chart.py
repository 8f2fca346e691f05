"""Repetition against sparsity as one SVG file: patterns layer by layer, work over density.

It reads the JSON of an analysis (``model``, ``engines``, ``layers``, ``curves``), nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from signbin.report.charts import ticks
from signbin.report.pattern_map import SHADES, gray_order, shades

__all__ = ["trade_off_svg"]

_WIDTH: Final = 760
_MAPS_PER_ROW: Final = 6
_MAP: Final = 96
_PITCH: Final = 122
_CHART_HEIGHT: Final = 260
_LEFT: Final = 64
_RIGHT: Final = 560
# Okabe-Ito colours: told apart with any colour vision, on light and dark paper.
_COLORS: Final = {"signed_binary": "#0072b2", "ternary": "#d55e00", "binary": "#009e73"}
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#222}.title{font-weight:600}.small{font-size:11px}"
    ".grid{stroke:#8884;stroke-width:1}.bg{fill:#fff}.line{fill:none;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.bg{fill:#16181d}}"
)


def trade_off_svg(document: Mapping[str, Any]) -> str:
    """Heat maps of every layer's patterns above a chart of additions per weight over density."""
    mapped = [layer for layer in document["layers"] if layer.get("pattern_map")]
    rows = -(-len(mapped) // _MAPS_PER_ROW)
    title = f"{document['model']}: patterns, and additions per weight"
    body = [f'<text class="title" x="16" y="24">{escape(title)}</text>']
    for number, layer in enumerate(mapped):
        x = 16 + number % _MAPS_PER_ROW * _PITCH
        y = 48 + number // _MAPS_PER_ROW * (_PITCH + 22)
        body.append(_heat_map(layer, x, y))
    top = 60 + rows * (_PITCH + 22)
    body.append(_note(top - 14))
    body.append(_chart(document, top + 40))
    height = top + _CHART_HEIGHT + 100
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f'<rect class="bg" width="100%" height="100%"/>{"".join(body)}</svg>\n'
    )


def _note(y: float) -> str:
    text = (
        "One square per pattern of F filters (8, or 4 ternary), rows and columns in Gray-code "
        "order; darker: more inputs."
    )
    return f'<text class="small" x="16" y="{y}">{escape(text)}</text>'


def _heat_map(layer: Mapping[str, Any], x: float, y: float) -> str:
    """The patterns of a layer; half of the filters across, the others down."""
    pattern_map = layer["pattern_map"]
    radix, filters = pattern_map["radix"], pattern_map["filters"]
    across = gray_order(radix, filters // 2)
    down = gray_order(radix, filters - filters // 2)
    width, height = _MAP / len(across), _MAP / len(down)
    shaded = shades(pattern_map["counts"])
    squares: dict[int, list[str]] = {}
    for row, high in enumerate(down):
        for column, low in enumerate(across):
            shade = shaded[high * len(across) + low]
            left, top = x + column * width, y + row * height
            squares.setdefault(shade, []).append(
                f"M{left:g} {top:g}h{width:g}v{height:g}h{-width:g}z"
            )
    parts = [f'<text class="small" x="{x}" y="{y - 4}">{escape(_shortened(_name(layer)))}</text>']
    parts += [
        f'<path fill="#0072b2" fill-opacity="{shade / SHADES:g}" d="{"".join(drawn)}"/>'
        for shade, drawn in sorted(squares.items())
        if shade
    ]
    parts.append(
        f'<rect x="{x}" y="{y}" width="{_MAP}" height="{_MAP}" fill="none" class="grid"/>'
        f'<text class="small" x="{x}" y="{y + _MAP + 14}">density {layer["density"]:.2f}'
        f"{_zero_share(layer)}</text>"
    )
    return "".join(parts)


def _name(layer: Mapping[str, Any]) -> str:
    """The module a layer came from, where that is known."""
    return str(layer.get("module") or layer["name"])


def _zero_share(layer: Mapping[str, Any]) -> str:
    return "" if layer["p0"] is None else f", p0 {layer['p0']:.2f}"


def _shortened(name: str) -> str:
    return name if len(name) <= 18 else f"…{name[-17:]}"


def _chart(document: Mapping[str, Any], top: float) -> str:
    points = _layer_points(document)
    curves: Mapping[str, Sequence[Sequence[float]]] = document["curves"]
    highest = max([y for curve in curves.values() for _, y in curve] + [y for _, y, _, _ in points])
    y_ticks = ticks(0.0, highest)
    bottom = top + _CHART_HEIGHT

    def across(density: float) -> float:
        return _LEFT + density * (_RIGHT - _LEFT)

    def up(work: float) -> float:
        return bottom - work / y_ticks[-1] * _CHART_HEIGHT

    parts = [
        f'<text x="16" y="{top - 14}">additions per weight (a dense layer has one multiply-add)'
        "</text>"
    ]
    for tick in y_ticks:
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{up(tick):.1f}" '
            f'y2="{up(tick):.1f}"/><text x="{_LEFT - 6}" y="{up(tick) + 4:.1f}" '
            f'text-anchor="end">{tick:g}</text>'
        )
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        parts.append(
            f'<text x="{across(tick):.1f}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>'
        )
    parts.append(f'<text x="{_RIGHT}" y="{bottom + 36}" text-anchor="end">density</text>')
    for kind, curve in curves.items():
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in curve)
        parts.append(f'<polyline class="line" stroke="{_COLORS[kind]}" points="{path}"/>')
    for density, work, kind, name in points:
        parts.append(
            f'<circle cx="{across(density):.1f}" cy="{up(work):.1f}" r="4" '
            f'fill="{_COLORS.get(kind, "#7f7f7f")}"><title>{escape(name)}: {work:.3f}</title>'
            "</circle>"
        )
    return "".join(parts) + _legend(curves, top)


def _layer_points(document: Mapping[str, Any]) -> list[tuple[float, float, str, str]]:
    """Density, fewest additions per weight, value set and name of the layers with codes."""
    compared = {engine["name"] for engine in document["engines"] if not engine["unit"]}
    found = []
    for layer in document["layers"]:
        if layer["entropy_bits"] is None:
            continue
        adds = [count for name, count in layer["adds"].items() if name in compared]
        weights = math.prod(layer["shape"])
        found.append((layer["density"], min(adds) / weights, layer["value_set"], _name(layer)))
    return found


def _legend(curves: Mapping[str, Any], top: float) -> str:
    rows = []
    for index, kind in enumerate(curves):
        y = top + 20 * index
        rows.append(
            f'<rect x="{_RIGHT + 20}" y="{y}" width="12" height="12" fill="{_COLORS[kind]}"/>'
            f'<text x="{_RIGHT + 38}" y="{y + 11}">{kind.replace("_", "-")}</text>'
        )
    y = top + 20 * len(curves)
    rows.append(f'<text class="small" x="{_RIGHT + 20}" y="{y + 14}">lines: independent weights,')
    rows.append(f'</text><text class="small" x="{_RIGHT + 20}" y="{y + 30}">bucket walk</text>')
    rows.append(
        f'<text class="small" x="{_RIGHT + 20}" y="{y + 50}">dots: layers of the model,</text>'
        f'<text class="small" x="{_RIGHT + 20}" y="{y + 66}">fewest additions found</text>'
    )
    return "".join(rows)
