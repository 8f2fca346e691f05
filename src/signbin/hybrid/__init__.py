"""Networks in parts: what signbin cannot run, or not faster, ONNX Runtime runs."""

from signbin.hybrid.content import Decision, HybridContent, Part, PartEngine, Port, TimedWay
from signbin.hybrid.fallback import Fallback, Preference, as_fallback
from signbin.hybrid.opening import load
from signbin.hybrid.program import HybridProgram, PartTime

__all__ = [
    "Decision",
    "Fallback",
    "HybridContent",
    "HybridProgram",
    "Part",
    "PartEngine",
    "PartTime",
    "Port",
    "Preference",
    "TimedWay",
    "as_fallback",
    "load",
]
