"""Random digits of every kind, and how many additions METHOD's tiles take."""

import numpy as np
import pytest

KINDS = ("signed_binary", "ternary", "binary")


def _digits(kind, shape, density=0.357, seed=0):
    rng = np.random.default_rng(seed)
    if kind == "binary":
        return rng.choice(np.array([-1, 1], np.int8), shape)
    mask = (rng.random(shape) < density).astype(np.int8)
    return mask * rng.choice(np.array([-1, 1], np.int8), shape) if kind == "ternary" else mask


@pytest.fixture(scope="session")
def make_digits():
    return _digits
