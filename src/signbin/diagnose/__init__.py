"""Finds out what is wrong: with a compiled network (compare) or with this machine (doctor)."""

from signbin.diagnose.compare import Comparison, LayerDifference, compare
from signbin.diagnose.doctor import Check, Status, doctor

__all__ = ["Check", "Comparison", "LayerDifference", "Status", "compare", "doctor"]
