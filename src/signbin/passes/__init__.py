"""Passes: rewrite a captured graph into the form that runs fastest, without changing its values."""

from signbin.passes.lanes import LanePlan, Layout, plan_lanes
from signbin.passes.memory import MemoryPlan, plain_bytes, plan_memory
from signbin.passes.pipeline import PASSES, lower

__all__ = [
    "PASSES",
    "LanePlan",
    "Layout",
    "MemoryPlan",
    "lower",
    "plain_bytes",
    "plan_lanes",
    "plan_memory",
]
