"""The command run in this process, and one small trained and compiled network."""

import contextlib
import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from signbin.cli import main


@dataclasses.dataclass(frozen=True)
class Result:
    """What a command left: its exit code and both streams."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


def run_command(*arguments: object) -> Result:
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            code = int(exit_.code or 0)
    return Result(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def signbin() -> Callable[..., Result]:
    return run_command


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    small = ("--set", "model.width=8", "--epochs", 1, "--seeds", "3,5")
    result = run_command("train", "digits", "-o", folder, *small)
    assert result.code == 0, result.err
    return folder


@pytest.fixture(scope="session")
def compiled(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tmp_path_factory.mktemp("compiled") / "model.sbn"
    result = run_command("compile", trained, "-o", model)
    assert result.code == 0, result.err
    return model


@pytest.fixture(scope="session")
def second(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """(the model file, the printed document) of the run's other network, of seed 5."""
    model = tmp_path_factory.mktemp("second") / "five.sbn"
    result = run_command("compile", trained, "-o", model, "--seed", 5, "--json")
    assert result.code == 0, result.err
    return model, result.document


@pytest.fixture(scope="session")
def quantized(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """(the model file, the printed document) of the run with int8 activations."""
    model = tmp_path_factory.mktemp("int8") / "m.sbn"
    result = run_command("compile", trained, "-o", model, "--activations", "int8", "--json")
    assert result.code == 0, result.err
    return model, result.document


@pytest.fixture(scope="session")
def compared(trained: Path, compiled: Path) -> Result:
    """The comparison of the run with its compiled model, as it is printed."""
    return run_command("compare", trained, compiled, "--samples", 20, "--json")


@pytest.fixture(scope="session")
def images(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six test images of the data set the network was trained on, prepared, as .npy."""
    import numpy as np

    from signbin.train import load_run

    path = tmp_path_factory.mktemp("images") / "images.npy"
    np.save(path, load_run(trained).test_images[:6])
    return path
