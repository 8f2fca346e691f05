"""From a ``torch.nn.Module`` to a Graph, by ``torch.export``; the only way in from PyTorch."""

from __future__ import annotations

from signbin.capture.capture import capture
from signbin.capture.reference import Reference, reference_values

__all__ = ["Reference", "capture", "reference_values"]
