"""The configuration of cibuildwheel, as cibuildwheel itself reads it."""

import json
import re
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONFIGURATION = PROJECT["tool"]["cibuildwheel"]


def schema():
    found = pytest.importorskip("cibuildwheel", reason="needs the extra wheels")
    path = resources.files(found) / "resources" / "cibuildwheel.schema.json"
    return json.loads(path.read_text(encoding="utf-8"))


def problems(configuration):
    jsonschema = pytest.importorskip("jsonschema", reason="needs the extra wheels")
    checker = jsonschema.validators.validator_for(schema())(schema())
    return [error.message for error in checker.iter_errors(configuration)]


def test_every_setting_is_one_of_cibuildwheel_s_and_has_its_type():
    assert problems(CONFIGURATION) == []
    assert problems({**CONFIGURATION, "archs": 7, "bild": "*"}) != []


def test_it_builds_for_both_processors_and_every_python_that_is_supported():
    pytest.importorskip("cibuildwheel", reason="needs the extra wheels")
    command = [sys.executable, "-m", "cibuildwheel", "--print-build-identifiers"]
    command += ["--platform", "linux", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {tuple(line.split("-", 1)) for line in done.stdout.split()}
    pythons = {python for python, _ in found}
    assert found == {(p, f"manylinux_{a}") for p in pythons for a in ("x86_64", "aarch64")}
    oldest = int(re.search(r"3\.(\d+)", PROJECT["project"]["requires-python"])[1])
    minors = sorted(int(python.removeprefix("cp3")) for python in pythons)
    assert minors == list(range(oldest, oldest + len(minors)))
    assert sys.version_info.minor in minors


def test_the_commands_it_runs_are_there():
    command = CONFIGURATION["test-command"].split()
    assert command[0] == "python"
    assert (ROOT / command[1]).is_file()
    assert Path(command[1]).parts[0] in CONFIGURATION["test-sources"]
    assert CONFIGURATION["repair-wheel-command"].startswith("auditwheel repair ")
