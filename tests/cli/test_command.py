"""The command as a whole: light help, named extras, exit codes, no traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

VERBS = (
    *("train", "experiment", "pack", "new", "compile", "run", "compare", "energy", "bench"),
    *("profile", "doctor", "report", "show", "recipes", "costs"),
)


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("arguments", [("--help",), ("train", "--help"), ("--version",)])
def test_help_loads_neither_numpy_nor_torch(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys, atexit\n"
        "heavy = ('numpy', 'torch', 'jinja2', 'yaml', 'PIL')\n"
        "atexit.register(lambda: print([m for m in heavy if m in sys.modules], file=sys.stderr))\n"
        "from signbin.cli import main\n"
        "main(sys.argv[1:])"
    )
    done = python(code, *arguments)
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"


def test_help_names_every_verb(signbin) -> None:
    shown = signbin("--help")
    assert shown.code == 0
    assert all(verb in shown.out for verb in VERBS)


def test_python_m_signbin_is_the_same_command() -> None:
    command = [sys.executable, "-m", "signbin", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    import signbin

    assert done.stdout == f"signbin {signbin.__version__}\n"


def test_without_the_cli_extra_one_line_names_it() -> None:
    done = python("import sys; sys.modules['typer'] = None; import signbin.cli as c; c.main([])")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "pip install 'signbin[cli]'" in done.stderr


def test_without_the_train_extra_one_line_names_it(tmp_path: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from signbin.cli import main; main()"
    done = python(code, "train", "digits", "-o", str(tmp_path / "run"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install 'signbin[train]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [("no-such-verb",), ("train",), ("run",), ("compile", "x", "--no-such-option"), ("report",)],
)
def test_wrong_usage_exits_with_two_and_says_how(signbin, arguments: tuple[str, ...]) -> None:
    result = signbin(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert "Usage: signbin" in result.err


def test_doctor_lists_its_checks(signbin) -> None:
    result = signbin("doctor", "--json")
    assert result.code == 0
    checks = result.document["checks"]
    assert {"python", "numpy", "native library"} <= {check["name"] for check in checks}
    assert all(check["status"] in {"ok", "warn"} for check in checks)


def test_doctor_exits_with_one_where_a_check_fails(
    signbin, monkeypatch: pytest.MonkeyPatch
) -> None:
    from signbin import diagnose

    found = (diagnose.Check("disk", diagnose.Status.FAIL, "full", "delete something"),)
    monkeypatch.setattr(diagnose, "doctor", lambda: found)
    result = signbin("doctor")
    assert result.code == 1
    assert "delete something" in result.out


def test_a_table_in_a_pipe_has_no_colour_codes(signbin) -> None:
    assert "\x1b" not in signbin("doctor").out


def test_memory_that_has_run_out_is_one_line(signbin, compiled, monkeypatch, tmp_path) -> None:
    from signbin import runtime

    def read_inputs(*_arguments):
        raise MemoryError

    monkeypatch.setattr(runtime, "read_inputs", read_inputs)
    done = signbin("run", compiled, tmp_path / "x.npy")
    assert done.code == 1
    assert done.err == "error: no memory is left; try a smaller network or batch\n"
