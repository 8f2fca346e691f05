"""Finds out what is wrong: with a compiled network (compare, quantization), with this machine."""

from signbin.diagnose.compare import Comparison, LayerDifference, compare
from signbin.diagnose.doctor import Check, Status, doctor
from signbin.diagnose.exactness import (
    Exactness,
    FloatNodes,
    measure_exactness,
    measure_float_nodes,
    rounds_floats,
)
from signbin.diagnose.quantization import LayerNoise, QuantizationCost, measure_quantization

__all__ = [
    "Check",
    "Comparison",
    "Exactness",
    "FloatNodes",
    "LayerDifference",
    "LayerNoise",
    "QuantizationCost",
    "Status",
    "compare",
    "doctor",
    "measure_exactness",
    "measure_float_nodes",
    "measure_quantization",
    "rounds_floats",
]
