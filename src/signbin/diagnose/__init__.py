"""Finds out what is wrong: with a compiled network (compare, quantization), with this machine."""

from signbin.diagnose.compare import (
    FLOAT_TOLERANCE,
    Comparison,
    LayerDifference,
    ReferenceFunction,
    compare,
)
from signbin.diagnose.divergence import Divergence, OwnError
from signbin.diagnose.doctor import Check, Status, doctor
from signbin.diagnose.exactness import (
    Exactness,
    FloatNodes,
    measure_exactness,
    measure_float_nodes,
    rounds_floats,
)
from signbin.diagnose.quantization import LayerNoise, QuantizationCost, measure_quantization
from signbin.diagnose.rounding import rounding_bounds

__all__ = [
    "FLOAT_TOLERANCE",
    "Check",
    "Comparison",
    "Divergence",
    "Exactness",
    "FloatNodes",
    "LayerDifference",
    "LayerNoise",
    "OwnError",
    "QuantizationCost",
    "ReferenceFunction",
    "Status",
    "compare",
    "doctor",
    "measure_exactness",
    "measure_float_nodes",
    "measure_quantization",
    "rounding_bounds",
    "rounds_floats",
]
