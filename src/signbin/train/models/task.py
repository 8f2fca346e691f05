"""What a network is for: the images it sees and the classes it tells apart."""

from __future__ import annotations

import dataclasses

from signbin.errors import SpecError

__all__ = ["ImageTask"]


@dataclasses.dataclass(frozen=True)
class ImageTask:
    """Images (channels, height, width) in, one score per class out."""

    channels: int
    height: int
    width: int
    classes: int

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            extent = getattr(self, field.name)
            if extent < 1:
                raise SpecError(f"{field.name} of a network", value=extent, allowed=">= 1")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return (self.channels, self.height, self.width)
