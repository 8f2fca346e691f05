"""The scripts of experiments/ as modules."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture(scope="session")
def load_script() -> Callable[[str], ModuleType]:
    """Stem of a file of experiments/ -> the module it is."""

    def load(stem: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"script_{stem}", EXPERIMENTS / f"{stem}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
