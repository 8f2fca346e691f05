"""Options of the whole suite."""

import contextlib
import dataclasses
import fnmatch
import importlib.util
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# Tests run side by side, one process a core: numpy, PyTorch and their children keep to it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_CORES = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else set()
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


_ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.toml")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips",
        action="store_true",
        help=f"a skipped test fails unless tests/{_ALLOWED_SKIPS.name} lists it",
    )


def _allowed_skips() -> dict[str, str]:
    """Pattern of test ids -> why no installation could make them run."""
    with _ALLOWED_SKIPS.open("rb") as file:
        return tomllib.load(file)


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport, config: pytest.Config) -> None:
    if not config.getoption("--no-skips") or not report.skipped or hasattr(report, "wasxfail"):
        return
    if not any(fnmatch.fnmatchcase(report.nodeid, pattern) for pattern in _allowed_skips()):
        report.outcome = "failed"
        report.longrepr = (
            f"{report.nodeid} was skipped, and --no-skips allows none that"
            f" tests/{_ALLOWED_SKIPS.name} does not list: {report.longrepr}"
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No test has a native object among its parameters, or an exception, which gathers them.

    They live as long as the session, which what a test leaves running, or PyTorch keeps, holds
    beyond the end of the interpreter: the binding would complain of leaks that are none.
    """
    seen: dict[int, bool] = {}
    named = [item.nodeid for item in items if _stays_in(getattr(item, "callspec", None), seen)]
    if named:
        raise pytest.UsageError(
            "parameters that are native objects or exceptions; allowed: their names or classes: "
            + ", ".join(named)
        )


def _stays_in(callspec: object, seen: dict[int, bool]) -> bool:
    """Whether what it holds is an object of the extension module, or an exception.

    seen: what is known already, by identity: tests share their parameters.
    """
    return any(_is_held(each, seen) for each in getattr(callspec, "params", {}).values())


def _is_held(each: object, seen: dict[int, bool]) -> bool:
    if type(each).__module__ == "signbin.native._signbin" or isinstance(each, BaseException):
        return True
    if isinstance(each, dict):
        parts = list(each.values())
    elif isinstance(each, list | tuple):
        parts = list(each)
    elif dataclasses.is_dataclass(each) and not isinstance(each, type):
        parts = [getattr(each, field.name) for field in dataclasses.fields(each)]
    else:
        return False
    if id(each) not in seen:
        seen[id(each)] = False
        seen[id(each)] = any(_is_held(part, seen) for part in parts)
    return seen[id(each)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    _forbid_skip(report, item.config)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    report = yield
    _forbid_skip(report, collector.config)
    return report


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    """Name what is listed and ran all the same."""
    if not config.getoption("--no-skips"):
        return
    skipped = [report.nodeid for report in terminalreporter.stats.get("skipped", ())]
    ran = [report.nodeid for report in terminalreporter.stats.get("passed", ())]
    for pattern, reason in _allowed_skips().items():
        if fnmatch.filter(ran, pattern) and not fnmatch.filter(skipped, pattern):
            terminalreporter.write_line(f"allowed to be skipped, but ran: {pattern} ({reason})")


@pytest.fixture(autouse=True)
def _cores_are_given_back() -> Iterator[None]:
    """Benchmarks, and so tests and fixtures, may keep to one core: the next test has them all."""
    yield
    if _CORES:
        os.sched_setaffinity(0, _CORES)


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
