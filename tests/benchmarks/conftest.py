"""The modules of benchmarks/, loaded when a test asks for them: some load PyTorch."""

import importlib
from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def script() -> Callable[[str], ModuleType]:
    """A module of benchmarks/ by name."""
    return lambda name: importlib.import_module(f"benchmarks.{name}")
