"""What accelerator configurations share: checks that name configuration and field, zero gating."""

from __future__ import annotations

import enum
from typing import Protocol

from signbin.analysis.workload import LayerWorkload
from signbin.errors import SpecError

__all__ = [
    "Buffered",
    "Gating",
    "check_buffer",
    "check_extent",
    "check_power_of_two",
    "effectual_products",
]


class Buffered(Protocol):
    """A configuration with a global buffer."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def buffer_bytes(self) -> int: ...  # noqa: D102


class Gating(enum.Enum):
    """Which zero operands keep a multiplier at rest for a cycle."""

    NONE = "none"
    ACTIVATIONS = "activations"
    WEIGHTS = "weights"
    BOTH = "both"

    @classmethod
    def named(cls, configuration: str, value: object) -> Gating:
        """The member, or the one of that name; SpecError otherwise."""
        if isinstance(value, cls):
            return value
        for gating in cls:
            if gating.value == value:
                return gating
        allowed = ", ".join(gating.value for gating in cls)
        raise SpecError(f"{configuration}: gating", value=value, allowed=allowed)


def effectual_products(layer: LayerWorkload, gating: Gating) -> float:
    """Products that are computed: all, less those with a gated zero operand.

    Zero weights and zero activations are taken as independent of each other.
    """
    products: float = layer.macs
    if gating in (Gating.WEIGHTS, Gating.BOTH):
        products *= layer.drawn_density
    if gating in (Gating.ACTIVATIONS, Gating.BOTH):
        products *= layer.activation_density
    return products


def check_extent(name: str, field: str, value: object, *, largest: int = 1 << 40) -> None:
    """SpecError unless value is a whole number from 1 to ``largest``."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= largest:
        raise SpecError(f"{name}: {field}", value=value, allowed=f"a whole number, 1..{largest}")


def check_power_of_two(name: str, field: str, value: object) -> None:
    """SpecError unless value is 1, 2, 4 ... 65536: binary trees need it."""
    check_extent(name, field, value, largest=1 << 16)
    if isinstance(value, int) and value & (value - 1):
        raise SpecError(f"{name}: {field}", value=value, allowed="a power of two")


def check_buffer(configuration: Buffered, layer: str, tile_bytes: int) -> None:
    """SpecError where the global buffer is smaller than one tile of the layer."""
    if configuration.buffer_bytes < tile_bytes:
        raise SpecError(
            f"{configuration.name}: buffer_bytes is smaller than a tile of {layer}",
            value=configuration.buffer_bytes,
            allowed=f"at least {tile_bytes}",
            remedy="enlarge the buffer or choose a smaller array",
        )
