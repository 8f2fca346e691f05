"""Options of the whole suite."""

import contextlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

_NOBODY = 65534
_DOUBLE = """
def open_model(request):
    return (lambda images: 2 * images), {"version": "1", "options": request["options"]}
"""

# The same examples in every run, so that a change is judged by what it changed;
# --hypothesis-profile=explore draws new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", deadline=None)
hypothesis.settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips",
        action="store_true",
        help="a skipped test fails: where every capability must be present",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid} was skipped, and --no-skips allows none: {report.longrepr}"
        )
    return report


@pytest.fixture(scope="session")
def random_graphs():
    """The module tests/ir/random_graphs.py: a graph builder and random networks."""
    path = Path(__file__).parent / "ir" / "random_graphs.py"
    spec = importlib.util.spec_from_file_location("random_graphs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def graph_builder(random_graphs):
    """The class that builds graphs node by node."""
    return random_graphs.GraphBuilder


@pytest.fixture(scope="session")
def random_network(random_graphs):
    """seed -> a random small network."""
    return random_graphs.random_network


@pytest.fixture(scope="session")
def random_quantized_network(random_graphs):
    """seed -> a random small network of u8 values."""
    return random_graphs.random_quantized_network


@pytest.fixture(scope="session")
def random_inputs(random_graphs):
    """(graph, images, seed) -> inputs that fit it."""
    return random_graphs.random_inputs


@contextlib.contextmanager
def _file_permissions_apply() -> Iterator[None]:
    """Root is above file permissions: run as nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def read_only_folder() -> Iterator[Path]:
    """An empty folder that this process may read and may not write, whoever runs it."""
    folder = Path(tempfile.mkdtemp())  # not tmp_path: its parents are closed to other users
    folder.chmod(0o555)
    try:
        with _file_permissions_apply():
            assert not os.access(folder, os.W_OK, effective_ids=True)
            yield folder
        assert not list(folder.iterdir())
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.fixture
def engine(tmp_path: Path):
    """A row of the list of engines from the source text of its worker.

    Unless said otherwise it doubles its input and demands a Tolerance of 1e-4.
    """
    from signbin.measure import Engine, Tolerance

    def make(source: str = _DOUBLE, name: str = "double", **row) -> Engine:
        file = tmp_path / f"{name}_engine.py"
        file.write_text(source)
        described = {"demand": Tolerance(1e-4), "description": f"the engine {name}", **row}
        return Engine(name, _some_family(), file, **described)

    return make


@pytest.fixture
def preparation(tmp_path: Path):
    """A preparation from its source text."""
    from signbin.measure import Preparation

    def make(source: str, name: str) -> Preparation:
        file = tmp_path / f"{name}_preparation.py"
        file.write_text(source)
        return Preparation(name, _some_family(), file, ".txt", f"the preparation {name}")

    return make


def _some_family():
    from signbin.measure import Family

    return Family("some", "some-extra", ("some-package",))
