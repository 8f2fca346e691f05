"""Passes: rewrite a captured graph into the form that runs fastest.

``lower`` changes no value; ``quantize_activations``, where asked for, rounds them to codes, and
``dequantize_activations`` is the way back.
"""

from signbin.passes.dequantize_activations import dequantize_activations
from signbin.passes.lanes import LanePlan, Layout, plan_lanes
from signbin.passes.memory import MemoryPlan, plain_bytes, plan_memory
from signbin.passes.pipeline import PASSES, lower
from signbin.passes.quantize_activations import quantize_activations

__all__ = [
    "PASSES",
    "LanePlan",
    "Layout",
    "MemoryPlan",
    "dequantize_activations",
    "lower",
    "plain_bytes",
    "plan_lanes",
    "plan_memory",
    "quantize_activations",
]
