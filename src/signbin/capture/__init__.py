"""From a ``torch.nn.Module`` to a Graph, by ``torch.export``; the only way in from PyTorch."""

from __future__ import annotations

from signbin.capture.archive import load_archive, module_of
from signbin.capture.capture import capture
from signbin.capture.reference import Reference, reference_values

__all__ = ["Reference", "capture", "load_archive", "module_of", "reference_values"]
