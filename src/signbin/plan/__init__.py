"""Which strategy computes each layer, with which tile, and why."""

from signbin.plan.expected import (
    counted_additions,
    expected_additions,
    expected_patterns,
    layer_of,
    predicted_cycles,
    random_weight,
)
from signbin.plan.grouping import GroupSearch, order_of_chunks
from signbin.plan.layer import Layer, weighted_layers
from signbin.plan.limits import check_limits
from signbin.plan.plan import Candidate, LayerPlan, Plan, Strategy
from signbin.plan.planner import make_plan
from signbin.plan.shared_sums import SHARED_SUMS, sums_of
from signbin.plan.stats import PatternStats
from signbin.plan.strategies import STRATEGIES, family_of
from signbin.plan.target import MachineCode, Target

__all__ = [
    "SHARED_SUMS",
    "STRATEGIES",
    "Candidate",
    "GroupSearch",
    "Layer",
    "LayerPlan",
    "MachineCode",
    "PatternStats",
    "Plan",
    "Strategy",
    "Target",
    "check_limits",
    "counted_additions",
    "expected_additions",
    "expected_patterns",
    "family_of",
    "layer_of",
    "make_plan",
    "order_of_chunks",
    "predicted_cycles",
    "random_weight",
    "sums_of",
    "weighted_layers",
]
