"""Fixtures of the tests of passes."""

import importlib.util
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location(
    "random_graphs", Path(__file__).parents[1] / "ir" / "random_graphs.py"
)
random_graphs = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(random_graphs)


@pytest.fixture(scope="session")
def graph_builder():
    """The class that builds graphs node by node."""
    return random_graphs.GraphBuilder


@pytest.fixture(scope="session")
def random_network():
    """seed -> a random small network."""
    return random_graphs.random_network


@pytest.fixture(scope="session")
def random_inputs():
    """(graph, images, seed) -> inputs that fit it."""
    return random_graphs.random_inputs
