"""With --no-skips a skip fails, but those that are listed with a reason."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LISTED = tomllib.loads((TESTS / "allowed_skips.toml").read_text(encoding="utf-8"))
SUITE = """
import pytest

def test_of_a_kind_that_is_listed():
    pytest.skip("no such machine")

def test_listed_and_runs():
    pass

def test_unlisted():
    pytest.skip("not installed")

@pytest.mark.xfail(reason="known")
def test_expected_to_fail():
    assert False
"""


def run_suite(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(TESTS / "conftest.py", folder)
    (folder / "allowed_skips.toml").write_text(
        '"test_some.py::*_listed" = "no such machine"\n"test_some.py::test_listed_*" = "rare"\n'
    )
    (folder / "test_some.py").write_text(SUITE)
    (folder / "test_module.py").write_text("import pytest\npytest.importorskip('no_such_package')")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rfEs", "."]
    return subprocess.run(
        [*command, "--continue-on-collection-errors", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    return run_suite(tmp_path_factory.mktemp("strict"), "--no-skips")


def test_a_skip_that_is_not_listed_fails_and_says_why(strict) -> None:
    assert strict.returncode != 0
    assert "FAILED test_some.py::test_unlisted" in strict.stdout
    assert "test_some.py::test_unlisted was skipped" in strict.stdout
    assert "not installed" in strict.stdout


def test_a_module_that_is_skipped_fails_too(strict) -> None:
    assert "ERROR test_module.py" in strict.stdout
    assert "no_such_package" in strict.stdout


def test_a_listed_skip_is_a_skip_and_a_listed_test_that_runs_is_named(strict) -> None:
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error" in strict.stdout
    assert "allowed to be skipped, but ran: test_some.py::test_listed_* (rare)" in strict.stdout
    assert "ran: test_some.py::*_listed" not in strict.stdout


def test_without_the_option_skips_are_skips(tmp_path: Path) -> None:
    done = run_suite(tmp_path)
    assert done.returncode == 0
    assert "1 passed, 3 skipped, 1 xfailed" in done.stdout
    assert "allowed to be skipped" not in done.stdout


@pytest.mark.parametrize("pattern", LISTED)
def test_what_is_listed_exists(pattern: str) -> None:
    path, name = pattern.split("::")
    tree = ast.parse((TESTS.parent / path).read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert name in functions | {"*"}
    assert LISTED[pattern].strip()
