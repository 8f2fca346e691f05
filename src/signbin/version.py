"""The version of signbin, for whoever says what made a file, a figure or a report."""

from typing import Final

__all__ = ["VERSION"]

VERSION: Final = "0.1.0"
