"""Where a program spends its time."""

from __future__ import annotations

from signbin.measure import Profile, measure_profile
from signbin.runtime import Program
from signbin.verbs.bench.images import random_images

__all__ = ["profile"]


def profile(program: Program, *, batch: int = 1, repeats: int = 20) -> Profile:
    """Time every step of a program on random images, beside what its plan says of it."""
    images = random_images(program.graph, batch)
    return measure_profile(
        program, program.plan.layers, images, repeats=repeats, modules=program.graph.modules()
    )
