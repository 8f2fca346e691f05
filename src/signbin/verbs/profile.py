"""Where a program spends its time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbin.documents import to_document
from signbin.hybrid import HybridProgram, Port
from signbin.hybrid.ports import FREE
from signbin.measure import Profile, measure_profile
from signbin.runtime import Program
from signbin.verbs.bench.images import random_images

__all__ = ["profile", "profile_parts"]


def profile(program: Program, *, batch: int = 1, repeats: int = 20) -> Profile:
    """Time every step of a program on random images, beside what its plan says of it."""
    images = random_images(program.graph, batch)
    return measure_profile(
        program, program.plan.layers, images, repeats=repeats, modules=program.graph.modules()
    )


def profile_parts(program: HybridProgram, *, batch: int = 1, repeats: int = 20) -> dict[str, Any]:
    """Time every part of a network in parts on random inputs; as JSON, with the decision.

    batch: where an input states none. Whole numbers are zeros.
    """
    random = np.random.default_rng(0)
    given = [_random(port, batch, random) for port in program.network.inputs]
    parts = program.profile(*given, repeats=repeats)
    return {
        "model": program.network.name,
        "threads": program.threads,
        "batch": batch,
        "repeats": repeats,
        "decision": to_document(program.network.decision),
        "parts": [to_document(part) for part in parts],
    }


def _random(port: Port, batch: int, random: np.random.Generator) -> NDArray[Any]:
    shape = tuple(batch if extent == FREE else extent for extent in port.shape)
    if not np.issubdtype(np.dtype(port.dtype), np.floating):
        return np.zeros(shape, port.dtype)
    return random.standard_normal(shape).astype(port.dtype)
