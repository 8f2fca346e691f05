"""doctor: a healthy installation passes, and every trouble is found, named and given a remedy."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
import tempfile

import numpy as np
import pytest

import signbin.runtime
from signbin import native
from signbin.diagnose import Status, doctor
from signbin.errors import ExecutionError


@pytest.fixture
def found(monkeypatch):
    """Runs doctor and gives its checks by name."""
    return lambda: {check.name: check for check in doctor()}


def test_a_working_installation_has_no_failure(found):
    failures = [check for check in found().values() if check.status is Status.FAIL]
    assert failures == []


def test_the_self_test_runs_every_usable_isa_with_every_strategy(found):
    wanted = {
        f"self-test {kernel.isa} {kernel.strategy}"
        for kernel in native.kernels()
        if kernel.usable and kernel.strategy in ("dense", "bucket", "table")
    }
    assert wanted
    assert {name for name in found() if name.startswith("self-test")} == wanted


def test_checks_are_json_with_a_remedy_wherever_something_is_wrong(found):
    for check in found().values():
        document = json.loads(json.dumps(check.to_json()))
        assert set(document) == {"name", "status", "found", "remedy"}
        assert document["status"] in ("ok", "warn", "fail")
        assert document["remedy"] or check.status is Status.OK


def test_wrong_results_fail_the_self_test(found, monkeypatch):
    class Wrong(signbin.runtime.Program):
        def __call__(self, images):
            return super().__call__(images) * np.float32(1.001)

    monkeypatch.setattr(signbin.runtime, "Program", Wrong)
    checks = [check for name, check in found().items() if name.startswith("self-test")]
    assert checks
    assert all(check.status is Status.FAIL and "1.0e-03" in check.found for check in checks)


def test_results_that_are_not_numbers_fail_the_self_test(found, monkeypatch):
    class Wrong(signbin.runtime.Program):
        def __call__(self, images):
            return super().__call__(images) * np.float32("nan")

    monkeypatch.setattr(signbin.runtime, "Program", Wrong)
    checks = [check for name, check in found().items() if name.startswith("self-test")]
    assert all(check.status is Status.FAIL for check in checks)


def test_a_library_that_cannot_be_loaded_fails_with_a_remedy(found, monkeypatch):
    def broken():
        raise ExecutionError("the native library cannot be loaded (no such file)")

    monkeypatch.setattr(native, "version", broken)
    check = found()["native library"]
    assert check.status is Status.FAIL
    assert "no such file" in check.found
    assert "pip install" in check.remedy


def test_kernels_this_cpu_lacks_are_reported_and_not_run(found, monkeypatch):
    rows = [dataclasses.replace(row, isa="other", usable=False) for row in native.kernels()]
    monkeypatch.setattr(native, "kernels", lambda: tuple(rows))
    checks = found()
    assert "0 of" in checks["kernels other"].found
    assert not any(name.startswith("self-test") for name in checks)


def test_a_missing_extra_is_a_warning_that_names_the_extra(found, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "torch" else find_spec(name)
    )
    check = found()["extra train"]
    assert check.status is Status.WARN
    assert "torch" in check.found
    assert check.remedy == "pip install 'signbin[train]'"


def test_a_temporary_folder_that_cannot_be_written_is_a_warning(found, monkeypatch):
    def refuse():
        raise PermissionError("read-only")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    check = found()["temporary folder"]
    assert check.status is Status.WARN
    assert "read-only" in check.found


def test_looking_for_torch_does_not_import_it():
    code = "import sys; from signbin.diagnose import doctor; doctor();"
    code += "sys.exit(any(name in sys.modules for name in ('torch', 'typer', 'sklearn')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
