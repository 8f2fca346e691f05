"""A compiled network as one SVG file: a box per step, with how it runs and how long it takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from html import escape
from typing import Final

from signbin.report import words
from signbin.report.layered_layout import LayeredLayout, layered_layout

__all__ = ["DrawnStep", "graph_svg"]

_WIDTH: Final = 250.0
_HEIGHT: Final = 62.0
_PITCH: Final = 96.0
_EDGE: Final = 24.0
_TOP: Final = 84.0
_LONGEST: Final = 34
_LETTER: Final = 6.6  # how wide one is of the notes' type
_STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#1c2024}.name{font-weight:600}.soft{fill:#5c6670}"
    ".title{font-size:16px;font-weight:600}.bg{fill:#fff}.box{fill:#f4f6f8;stroke:#8a949d}"
    ".low{fill:#e6f0f8;stroke:#005fa8}.end{fill:#fff;stroke:#5c6670;stroke-dasharray:4 3}"
    ".edge{fill:none;stroke:#5c6670;stroke-width:1.3}.tip{fill:#5c6670}.share{fill:#b84a00}"
    "@media(prefers-color-scheme:dark){text{fill:#e8eaec}.soft{fill:#a2abb3}.bg{fill:#14171a}"
    ".box{fill:#1f2429;stroke:#6b757e}.low{fill:#16324a;stroke:#6db7f2}"
    ".end{fill:#14171a;stroke:#a2abb3}.edge{stroke:#a2abb3}.tip{fill:#a2abb3}"
    ".share{fill:#f0a066}}"
)


@dataclasses.dataclass(frozen=True)
class DrawnStep:
    """One step of a network, or an input of it.

    name: unique; inputs: names. title: what people know it by. shape: of its result, for one
    image. strategy: of a layer with weights, "" of others. low_bit: whether its weights are. ms: of
    one image, None where nobody knows. why: more about it, shown on hover.
    """

    name: str
    inputs: tuple[str, ...]
    title: str
    op: str
    shape: str
    strategy: str = ""
    low_bit: bool = False
    ms: float | None = None
    why: str = ""


def graph_svg(title: str, notes: Sequence[str], steps: Sequence[DrawnStep]) -> str:
    """The network from top to bottom; a bar along a box is its share of all the time.

    notes: at most two lines under the title.
    """
    layout = layered_layout({step.name: step.inputs for step in steps}, _WIDTH)
    total = sum(step.ms or 0.0 for step in steps)
    written = max((_LETTER * len(note) for note in notes), default=0.0)
    width = max(layout.width, written) + 2 * _EDGE
    height = _TOP + layout.layers * _PITCH
    shift = (width - layout.width) / 2
    body = [_edge(layout, edge, shift) for edge in layout.edges]
    body += [_box(layout, step, shift, total) for step in steps]
    told = escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" aria-label="{told}">'
        f"<title>{told}</title><style>{_STYLE}</style>"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>'
        f'<rect class="bg" width="100%" height="100%"/>'
        f'<text class="title" x="{_EDGE:g}" y="28">{told}</text>'
        f"{_notes(notes)}{''.join(body)}</svg>\n"
    )


def _notes(notes: Sequence[str]) -> str:
    return "".join(
        f'<text class="soft" x="{_EDGE:g}" y="{48 + 17 * line}">{escape(note)}</text>'
        for line, note in enumerate(notes)
    )


def _top(layer: int) -> float:
    return _TOP + layer * _PITCH


def _edge(layout: LayeredLayout, edge: tuple[str, str, tuple[float, ...]], shift: float) -> str:
    """From the foot of one box to the head of the other, straight down where it passes layers."""
    one, other, passed = edge
    start, end = layout.places[one], layout.places[other]
    x, y = start.x + shift, _top(start.layer) + _HEIGHT
    path = [f"M{x:.4g} {y:.4g}"]
    stops = [(at + shift, start.layer + 1 + place) for place, at in enumerate(passed)]
    for to_x, layer in (*stops, (end.x + shift, end.layer)):
        to_y = _top(layer)
        middle = (y + to_y) / 2
        path.append(f"C{x:.4g} {middle:.4g} {to_x:.4g} {middle:.4g} {to_x:.4g} {to_y:.4g}")
        x, y = to_x, to_y
        if layer != end.layer:
            y = to_y + _HEIGHT
            path.append(f"V{y:.4g}")
    return f'<path class="edge" marker-end="url(#tip)" d="{"".join(path)}"/>'


def _box(layout: LayeredLayout, step: DrawnStep, shift: float, total: float) -> str:
    place = layout.places[step.name]
    left, top = place.x + shift - _WIDTH / 2, _top(place.layer)
    look = "low" if step.low_bit else "box" if step.inputs else "end"
    timed = "" if step.ms is None else f"{words.milliseconds(step.ms)} ms"
    lines = [
        (18, "name", _shortened(step.title), ""),
        (35, "soft", f"{step.op} {step.shape}", ""),
        (52, "", step.strategy, timed),
    ]
    texts = "".join(_line(left, top + y, look, text, right) for y, look, text, right in lines)
    bar = ""
    if step.ms and total:
        width = (_WIDTH - 2) * step.ms / total
        where = f'x="{left + 1:.5g}" y="{top + _HEIGHT - 4:.5g}"'
        bar = f'<rect class="share" {where} width="{width:.4g}" height="3"/>'
    share = f" ({words.percent(step.ms / total)})" if step.ms and total else ""
    told = [
        step.title,
        f"{step.op} {step.name} {step.shape}",
        step.strategy,
        timed + share,
        step.why,
    ]
    tip = escape("\n".join(text for text in told if text))
    return (
        f'<g><title>{tip}</title><rect class="{look}" x="{left:.5g}" y="{top:.5g}" rx="6" '
        f'width="{_WIDTH:g}" height="{_HEIGHT:g}"/>{texts}{bar}</g>'
    )


def _line(left: float, y: float, look: str, text: str, right: str) -> str:
    parts = []
    kind = f' class="{look}"' if look else ""
    if text:
        parts.append(f'<text{kind} x="{left + 10:.5g}" y="{y:.5g}">{escape(text)}</text>')
    if right:
        at = left + _WIDTH - 10
        parts.append(
            f'<text{kind} x="{at:.5g}" y="{y:.5g}" text-anchor="end">{escape(right)}</text>'
        )
    return "".join(parts)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"…{text[1 - _LONGEST :]}"
