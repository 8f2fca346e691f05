"""The scripts of packaging/, which is no package: the name is that of one that everybody has."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def script(name: str) -> ModuleType:
    path = Path(__file__).parents[2] / "packaging" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"packaging_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def lock() -> ModuleType:
    return script("lock")


@pytest.fixture(scope="session")
def sbom() -> ModuleType:
    return script("sbom")
