"""Networks in parts: what signbin cannot run, or not faster, ONNX Runtime runs."""

from signbin.hybrid.content import (
    IN_EIGHT_BITS,
    Decision,
    HybridContent,
    Part,
    PartEngine,
    Port,
    TimedWay,
)
from signbin.hybrid.fallback import Fallback, Preference, as_fallback
from signbin.hybrid.opening import from_bytes, load
from signbin.hybrid.program import HybridProgram, PartTime

__all__ = [
    "IN_EIGHT_BITS",
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
    "from_bytes",
    "load",
]
