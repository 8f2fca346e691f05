"""How the values of a graph lie in memory: lane-blocked layouts, and their places in one arena."""

from signbin.layout.arena import FLOAT_BYTES, MemoryPlan, plain_bytes, plan_memory
from signbin.layout.lanes import LanePlan, Layout, image_extent, plan_lanes

__all__ = [
    "FLOAT_BYTES",
    "LanePlan",
    "Layout",
    "MemoryPlan",
    "image_extent",
    "plain_bytes",
    "plan_lanes",
    "plan_memory",
]
