"""``signbin check``: what a network would cost, before it is trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from signbin import cli, native
from signbin.artifact import Artifact
from signbin.capture import capture
from signbin.passes import lower
from signbin.plan import GroupSearch, Target, make_plan
from signbin.plan.cores import CORES, MODELLED
from signbin.runtime import Program
from signbin.verbs.check import Gates, check, signed_binary
from signbin.verbs.check.schemes import as_scheme, low_bit_layers

_FACTORY = """
import torch
from torch import nn

def small():
    body = [nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()]
    layers = [*body, nn.Flatten(), nn.Linear(16 * 64, 10)]
    return nn.Sequential(*layers), (torch.zeros(2, 3, 8, 8),)

class Spectrum(nn.Module):
    def forward(self, x):
        return torch.fft.rfft(x).abs()

def refused():
    return nn.Sequential(nn.Conv2d(3, 4, 3), Spectrum()), (torch.zeros(2, 3, 8, 8),)
"""


def _run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    return int(stopped.value.code or 0)


@pytest.fixture
def factory(tmp_path: Path) -> Path:
    path = tmp_path / "networks_to_check.py"
    path.write_text(_FACTORY)
    return path


def _small() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    layers = [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1)]
    layers += [nn.ReLU(), nn.Flatten(), nn.Linear(64 * 64, 10)]
    return nn.Sequential(*layers).eval(), (torch.zeros(2, 3, 8, 8),)


def test_one_document_holds_every_scheme(factory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["check", f"{factory}:small", "--density", "0.1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    names = [one["scheme"] for one in document["schemes"]]
    assert names[:4] == ["float", "binary", "ternary 0.71", "signed_binary 0.1"]
    assert "int8" in names
    assert document["coverage"]["refused"] == []


def test_a_limit_that_no_scheme_keeps_is_exit_code_one(factory: Path) -> None:
    assert _run(["check", f"{factory}:small", "--density", "0.1", "--max-kb", "0.001"]) == 1
    assert _run(["check", f"{factory}:small", "--density", "0.1", "--max-kb", "100000"]) == 0


def test_a_refused_operator_is_named_and_fails_where_coverage_is_required(
    factory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(["check", f"{factory}:refused", "--json", "--require-coverage"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["schemes"] == []
    assert all(one["remedy"] for one in document["coverage"]["refused"])
    assert document["coverage"]["refused"]


@pytest.mark.parametrize("codes", [False, True])
def test_sizes_are_those_of_the_network_that_is_compiled(codes: bool) -> None:
    scheme = signed_binary(0.2, codes=codes)
    model, example = _small()
    found = check(model, example, schemes=[scheme]).of(scheme.name)
    graph = lower(capture(model, example))
    drawn = as_scheme(graph, low_bit_layers(graph), scheme)
    plan = make_plan(
        drawn, native.kernels(), Target.from_cpu(native.cpu()), grouping=GroupSearch(seconds=1.0)
    )
    program = Program(Artifact(drawn, plan))
    # Words of the plan are in the file, too: they differ with the patterns.
    assert found.file_bytes == pytest.approx(len(program.to_bytes()), rel=0.1)
    assert found.arena_bytes <= program.arena_bytes


def test_a_gate_names_what_was_not_met() -> None:
    model, example = _small()
    found = check(model, example, schemes=[signed_binary(0.2)])
    missed = Gates(max_kb=0.001).missed(found)
    assert len(missed) == 1
    assert "--max-kb" in missed[0]


@pytest.mark.parametrize("core", CORES)
def test_a_core_of_arm_is_predicted_for_and_every_time_says_that_it_is_modelled(
    core: str, factory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(["check", f"{factory}:small", "--density", "0.1", "--target", core, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["target"].startswith(f"{core}, {CORES[core].isa} ")
    assert document["rates"].startswith(f"{MODELLED}, at ")
    assert all(one["ms"] > 0 for one in document["schemes"])


def test_an_instruction_set_of_nobody_in_particular_has_no_times() -> None:
    model, example = _small()
    found = check(model, example, schemes=[signed_binary(0.2)], target="neon_dot")
    assert found.rates == ""
    assert found.schemes[0].ms is None
    assert found.schemes[0].arena_bytes > 0


def test_an_unknown_target_is_refused_with_the_nearest_and_one_beside_an_isa_too(
    factory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(["check", f"{factory}:small", "--target", "cortex-a77"]) == 1
    assert "did you mean cortex-a76?" in capsys.readouterr().err
    assert _run(["check", f"{factory}:small", "--target", "avx2", "--isa", "scalar"]) == 1
    assert "beside a target" in capsys.readouterr().err
