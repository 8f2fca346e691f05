"""What the fields of a configuration must satisfy."""

from __future__ import annotations

from signbin.errors import SpecError

__all__ = ["check_at_least", "check_share"]


def check_at_least(name: str, value: int, least: int) -> None:
    """SpecError unless value >= least."""
    if value < least:
        raise SpecError(name, value=value, allowed=f">= {least}")


def check_share(name: str, value: float) -> None:
    """SpecError unless 0 <= value < 1."""
    if not 0 <= value < 1:
        raise SpecError(name, value=value, allowed="0 <= x < 1")
