"""Latent weights as a histogram: all of them, and in front of them the effectual ones."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from signbin.report.schema import ReportedLatent

__all__ = ["weight_svg"]

_WIDTH: Final = 245.0
_HEIGHT: Final = 96.0
_FOOT: Final = 20.0


def weight_svg(title: str, found: ReportedLatent) -> str:
    """Bars of the same width from -largest to +largest, with the counts for the page's script."""
    highest = max([*found.all, 1])
    bars = [f'<path class="every" d="{_outline(found.all, highest)}"/>']
    data = f'data-every="{",".join(map(str, found.all))}"'
    if found.effectual is not None:
        bars.append(f'<path class="f0" d="{_outline(found.effectual, highest)}"/>')
        data += f' data-effectual="{",".join(map(str, found.effectual))}"'
    edge, y = f"{found.largest:.2g}", _HEIGHT + _FOOT - 5
    return (
        f'<svg class="weights" tabindex="0" viewBox="0 0 {_WIDTH:g} {_HEIGHT + _FOOT:g}" '
        f'role="img" aria-label="{escape(title)}" data-largest="{found.largest:.6g}" {data}>'
        f'{"".join(bars)}<line class="rule" x1="0" x2="{_WIDTH:g}" y1="{_HEIGHT:g}" '
        f'y2="{_HEIGHT:g}"/><text class="axis" x="0" y="{y:g}">-{edge}</text>'
        f'<text class="axis" x="{_WIDTH / 2:g}" y="{y:g}" text-anchor="middle">0</text>'
        f'<text class="axis" x="{_WIDTH:g}" y="{y:g}" text-anchor="end">{edge}</text></svg>'
    )


def _outline(counts: Sequence[int], highest: int) -> str:
    """The bars as one path along their tops."""
    step = _WIDTH / len(counts)
    tops = [_HEIGHT - (_HEIGHT - 4) * count / highest for count in counts]
    along = "".join(f"V{top:.4g}H{step * (place + 1):.4g}" for place, top in enumerate(tops))
    return f"M0 {_HEIGHT:g}{along}V{_HEIGHT:g}z"
