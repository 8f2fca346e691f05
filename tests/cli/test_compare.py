"""compare: the three ways agree, and the gates decide the exit code."""

from pathlib import Path

import pytest
import torch

from signbin.errors import SpecError
from signbin.verbs.graphs import example_arrays_of
from signbin.verbs.source import ModelCard, Source


def test_pytorch_interpreter_and_compiled_model_agree(compared) -> None:
    assert compared.code == 0, compared.err
    document = compared.document
    assert document["samples"] == 20
    assert document["max_relative_error"] <= 1e-4
    assert document["top1_agreement"] == 1.0
    assert all(
        layer["compiled_error"] <= 1e-4
        for layer in document["layers"]
        if layer["compiled_error"] is not None
    )


def test_the_compiled_seed_is_compared_unless_another_is_asked_for(
    signbin, trained, second
) -> None:
    model = second[0]
    assert signbin("compare", trained, model, "--samples", 20).code == 0
    other = signbin("compare", trained, model, "--samples", 20, "--seed", 3)
    assert other.code == 1
    assert "disagrees with PyTorch" in other.err


def test_a_tolerance_that_is_not_met_fails_and_still_prints_the_table(
    signbin, trained, compiled
) -> None:
    result = signbin("compare", trained, compiled, "--samples", 8, "--tolerance", 0, "--json")
    assert result.code == 1
    assert result.document["max_relative_error"] > 0
    assert "allowed: at most" in result.err


@pytest.mark.parametrize("value", ["-0.1", "1.1"])
def test_an_agreement_that_is_no_share_is_wrong_usage(
    signbin, trained, compiled, value: str
) -> None:
    assert signbin("compare", trained, compiled, f"--min-agreement={value}").code == 2


def test_a_model_of_another_network_is_refused(signbin, trained, tmp_path: Path) -> None:
    own = "import torch\ndef make(): return torch.nn.Flatten(), (torch.zeros(1, 1, 2, 2),)\n"
    (tmp_path / "own.py").write_text(own, encoding="utf-8")
    assert signbin("compile", f"{tmp_path}/own.py:make", "-o", tmp_path / "m.sbn").code == 0
    result = signbin("compare", trained, tmp_path / "m.sbn", "--samples", 2)
    assert result.code == 1
    assert result.err.startswith("error: ")


def test_the_printed_document_is_what_report_reads(compared, tmp_path: Path) -> None:
    from signbin.report import read_comparison

    (tmp_path / "compare.json").write_text(compared.out, encoding="utf-8")
    read = read_comparison(tmp_path / "compare.json")
    assert read.samples == 20
    assert len(read.layers) == len(compared.document["layers"])


def test_as_many_samples_are_compared_as_were_asked_for(signbin, tmp_path: Path) -> None:
    own = (
        "import torch\n"
        "def make():\n"
        "    torch.manual_seed(0)\n"
        "    layers = torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten()\n"
        "    return torch.nn.Sequential(*layers), (torch.rand(2, 1, 6, 6),)\n"
    )
    (tmp_path / "own.py").write_text(own, encoding="utf-8")
    source, made = f"{tmp_path}/own.py:make", tmp_path / "m.sbn"
    assert signbin("compile", source, "-o", made).code == 0
    for asked, compared in ((20, 20), (1, 1), (None, 2)):
        more = () if asked is None else ("--samples", asked)
        result = signbin("compare", source, made, *more, "--json")
        assert result.code == 0, result.err
        assert result.document["samples"] == compared


def test_inputs_that_cannot_be_drawn_are_not_made_up() -> None:
    source = Source("m", torch.nn.Flatten(), (torch.zeros(2, 3, dtype=torch.int64),), ModelCard())
    assert len(example_arrays_of(source, 1)[0]) == 1
    with pytest.raises(SpecError, match="up to 2: the source brings no more of its int64 input"):
        example_arrays_of(source, 20)
