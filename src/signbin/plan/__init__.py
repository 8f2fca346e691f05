"""Which strategy computes each layer, with which tile, and why."""

from signbin.plan.plan import Candidate, LayerPlan, Plan, Strategy
from signbin.plan.planner import make_plan
from signbin.plan.target import CodeGeneration, Target

__all__ = ["Candidate", "CodeGeneration", "LayerPlan", "Plan", "Strategy", "Target", "make_plan"]
