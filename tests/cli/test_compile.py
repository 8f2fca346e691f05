"""compile: from runs and from users' own models, with the reason for every layer."""

import contextlib
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from signbin import artifact
from signbin.plan import Target
from signbin.runtime import Program

OWN_MODEL = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))
    return nn.Sequential(*layers).eval(), (torch.zeros(1, 3, 8, 8),)

def wrong():
    return "a model"

def unsupported():
    return nn.Sequential(nn.Conv2d(1, 1, 3), nn.LSTM(6, 6)), (torch.zeros(1, 1, 8, 8),)

something = 3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own_model.py"
    path.write_text(OWN_MODEL, encoding="utf-8")
    return path


def test_every_layer_has_a_strategy_and_a_reason(second) -> None:
    model, document = second
    layers = document["layers"]
    assert {layer["strategy"] for layer in layers} <= {"dense", "bucket"}
    assert all(layer["why"] for layer in layers)
    assert {layer["value_set"] for layer in layers} == {"float", "signed_binary"}
    assert document["size_bytes"] == model.stat().st_size


def test_the_file_remembers_the_command_the_seed_and_the_classes(second) -> None:
    target, document = second
    assert document["class_names"] == [str(digit) for digit in range(10)]
    assert document["provenance"]["seed"] == "5"
    assert document["provenance"]["command"].startswith("signbin compile ")
    assert str(target) in document["provenance"]["command"]


def test_a_forced_strategy_is_used(signbin, trained, tmp_path: Path) -> None:
    found = signbin("compile", trained, "-o", tmp_path / "m.sbn", "--strategy", "dense", "--json")
    assert {layer["strategy"] for layer in found.document["layers"]} == {"dense"}


def test_a_model_of_ones_own_is_compiled(signbin, own: Path, tmp_path: Path) -> None:
    result = signbin("compile", f"{own}:make", "-o", tmp_path / "m.sbn")
    assert result.code == 0, result.err
    assert "multiply-adds" in result.out
    assert (tmp_path / "m.sbn").exists()


@pytest.mark.parametrize("factory", ["wrong", "something", "missing", "unsupported"])
def test_a_factory_that_does_not_fit_is_an_error(
    signbin, own: Path, tmp_path: Path, factory: str
) -> None:
    result = signbin("compile", f"{own}:{factory}", "-o", tmp_path / "m.sbn")
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert "Traceback" not in result.err
    assert not (tmp_path / "m.sbn").exists()


@pytest.mark.parametrize(
    ("source", "options", "named"),
    [
        ("nowhere", (), "nowhere"),
        ("no_such_module_xyz:make", (), "no_such_module_xyz"),
        (None, ("--seed", "4"), "3, 5"),
        (None, ("--strategy", "fastest"), "bucket"),
        (None, ("--isa", "avx9"), "got 'avx9'; allowed: auto, scalar, portable"),
    ],
)
def test_a_mistake_is_named_and_leaves_nothing(
    signbin, trained, tmp_path: Path, *, source: str | None, options: tuple, named: str
) -> None:
    result = signbin("compile", source or trained, "-o", tmp_path / "m.sbn", *options)
    assert result.code == 1
    assert named in result.err
    assert result.out == ""
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept_unless_forced(signbin, own: Path, tmp_path: Path) -> None:
    target = tmp_path / "m.sbn"
    target.write_text("mine", encoding="utf-8")
    refused = signbin("compile", f"{own}:make", "-o", target)
    assert refused.code == 1
    assert target.read_text(encoding="utf-8") == "mine"
    before_the_source = signbin("compile", "nowhere", "-o", target)
    assert f"{target} exists" in before_the_source.err
    assert signbin("compile", f"{own}:make", "-o", target, "--force").code == 0
    assert target.read_bytes() != b"mine"


def test_a_folder_that_is_not_there_is_not_made(signbin, trained, tmp_path: Path) -> None:
    result = signbin("compile", trained, "-o", tmp_path / "nowhere" / "m.sbn")
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_measured_layers_say_their_times_and_are_not_measured_twice(
    signbin, trained, tmp_path: Path
) -> None:
    """Times of a second measurement would differ."""
    asked = ("--autotune", "--autotune-cache", tmp_path / "new" / "times.json", "--json")
    limit = ("--autotune-seconds", "0.1")
    first, second = (
        signbin("compile", trained, "-o", tmp_path / name, *asked, *limit)
        for name in ("a.sbn", "b.sbn")
    )
    assert first.code == 0
    low_bit = [one for one in first.document["layers"] if one["value_set"] == "signed_binary"]
    assert low_bit
    assert all(" ms" in layer["why"] for layer in low_bit)
    assert second.document["layers"] == first.document["layers"]


def test_options_of_autotune_without_it_are_an_error(signbin, own: Path, tmp_path: Path) -> None:
    for option in (("--autotune-seconds", "1"), ("--autotune-cache", tmp_path / "x.json")):
        result = signbin("compile", f"{own}:make", "-o", tmp_path / "m.sbn", *option)
        assert result.code != 0
        assert "only with --autotune" in result.err


def test_a_terminal_shows_what_compiling_is_at(own: Path, tmp_path: Path) -> None:
    shown, terminal = pty.openpty()
    command = [sys.executable, "-m", "signbin", "compile", f"{own}:make"]
    with subprocess.Popen(
        [*command, "-o", tmp_path / "m.sbn"], stdout=subprocess.DEVNULL, stderr=terminal
    ) as process:
        os.close(terminal)
        said = b""
        with contextlib.suppress(OSError):  # the terminal is gone with the process
            while part := os.read(shown, 4096):
                said += part
    os.close(shown)
    assert process.returncode == 0, said
    for stage in (b"reading the model", b"tracing the model"):  # others may be too short to see
        assert stage in said


def test_a_program_for_another_machine_has_its_plan_and_runs_here_too(
    signbin, trained, tmp_path: Path
) -> None:
    path = tmp_path / "m.sbn"
    made = signbin("compile", trained, "-o", path, "--target", "neoverse-n2", "--json")
    assert made.code == 0, made.err
    assert "planned for neoverse-n2, neon_i8mm" in made.err
    assert "modelled, never executed on hardware" in made.err
    kept = artifact.read(path)
    assert kept.plan is not None
    assert kept.plan.target == str(Target.named("neoverse-n2"))
    assert str(Target.named("neoverse-n2")) not in str(Program(kept).plan)


def test_a_target_is_neither_timed_nor_cut_in_parts(signbin, own: Path, tmp_path: Path) -> None:
    for option in (("--autotune",), ("--fallback", "onnxruntime")):
        asked = ("-o", tmp_path / "m.sbn", "--target", "cortex-a53", *option)
        result = signbin("compile", f"{own}:make", *asked)
        assert result.code != 0
        assert "only without --target" in result.err
