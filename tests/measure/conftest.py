"""Engines for tests: real worker processes around a few lines of numpy."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from signbin.measure import Assignment, Engine, Family, Preparation, Tolerance

DOUBLE = """
def open_model(request):
    return (lambda images: 2 * images), {"version": "1", "options": request["options"]}
"""
FAMILY = Family("some", "some-extra", ("some-package",))


@pytest.fixture
def engine(tmp_path: Path) -> Callable[..., Engine]:
    """An engine from its source text, demanding a Tolerance of 1e-4 unless said otherwise."""

    def make(source: str = DOUBLE, name: str = "double", **row) -> Engine:
        file = tmp_path / f"{name}_engine.py"
        file.write_text(source)
        described = {"demand": Tolerance(1e-4), "description": f"the engine {name}", **row}
        return Engine(name, FAMILY, file, **described)

    return make


@pytest.fixture
def preparation(tmp_path: Path) -> Callable[..., Preparation]:
    """A preparation from its source text."""

    def make(source: str, name: str) -> Preparation:
        file = tmp_path / f"{name}_preparation.py"
        file.write_text(source)
        return Preparation(name, FAMILY, file, ".txt", f"the preparation {name}")

    return make


@pytest.fixture
def assignment(tmp_path: Path) -> Assignment:
    import os

    np.save(tmp_path / "images.npy", np.arange(6, dtype=np.float32).reshape(2, 3))
    core = max(os.sched_getaffinity(0))
    return Assignment(
        model=tmp_path / "model",
        images=tmp_path / "images.npy",
        output=tmp_path / "output.npy",
        threads=1,
        cores=(core,),
        options={"isa": "auto"},
    )
