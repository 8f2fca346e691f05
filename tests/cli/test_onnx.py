"""ONNX files on the command line: wherever a model is taken."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.verbs.onnx_files import images, small_model


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    onnx.save(small_model(), path)
    return path


def test_a_file_is_compiled_compared_and_run(signbin, file: Path, tmp_path: Path) -> None:
    model, given = tmp_path / "m.sbn", tmp_path / "x.npy"
    np.save(given, images(3))
    compiled = signbin("compile", file, "-o", model, "--json")
    assert compiled.code == 0, compiled.err
    assert [layer["module"] for layer in compiled.document["layers"]] == ["stem", "body", "head"]
    compared = signbin("compare", file, model, "--json")
    assert compared.code == 0, compared.err
    assert compared.document["max_relative_error"] < 1e-5
    assert signbin("run", model, given).code == 0


def test_codes_are_calibrated_as_for_any_model(signbin, file: Path, tmp_path: Path) -> None:
    model, given = tmp_path / "m.sbn", tmp_path / "x.npy"
    np.save(given, images(16))
    asked = ("--activations", "int8")
    refused = signbin("compile", file, "-o", model, *asked)
    assert refused.code == 1
    assert "--calibrate DATA" in refused.err
    assert signbin("compile", file, "-o", model, *asked, "--calibrate", given).code == 0
    assert signbin("compare", file, model).code == 0


def test_a_model_of_another_network_does_not_pass(signbin, file: Path, tmp_path: Path) -> None:
    other, model = small_model(), tmp_path / "m.sbn"
    bias = other.graph.initializer[4]
    bias.CopyFrom(onnx.numpy_helper.from_array(np.ones(5, np.float32), bias.name))
    onnx.save(other, tmp_path / "other.onnx")
    assert signbin("compile", tmp_path / "other.onnx", "-o", model).code == 0
    result = signbin("compare", file, model)
    assert result.code == 1
    assert "disagrees with ONNX Runtime" in result.err


@pytest.mark.parametrize("verb", ["check", "analyze", "profile"])
def test_verbs_take_the_file_itself(signbin, file: Path, verb: str) -> None:
    result = signbin(verb, file, "--json")
    assert result.code == 0, result.err
    assert len(result.document.get("schemes", result.document.get("layers"))) >= 3


def test_energy_and_bench_take_the_file_itself(signbin, file: Path) -> None:
    energy = signbin("energy", file, "--json")
    assert [layer["module"] for layer in energy.document["layers"]] == ["body"]
    raced = signbin("bench", file, "--rounds", 3, "--json")
    assert raced.code == 0, raced.err
    assert raced.document["model"] == "small"


def test_extents_left_open_are_given_by_an_option(signbin, tmp_path: Path) -> None:
    path, model = tmp_path / "open.onnx", tmp_path / "m.sbn"
    onnx.save(small_model(extents=(3, "H", "W")), path)
    refused = signbin("compile", path, "-o", model)
    assert refused.code == 1
    assert "--input-shape image=3,224,224" in refused.err
    shaped = ("--input-shape", "image=3,9,9")
    assert signbin("compile", path, "-o", model, *shaped).code == 0
    assert signbin("compare", path, model, *shaped).code == 0
    for verb in (("profile", "--repeats", 2), ("analyze",), ("energy",), ("check",)):
        assert signbin(verb[0], path, *verb[1:], *shaped).code == 0, verb
    for wrong in ("image", "image=3,x", "=3,4", "image=0,4,4"):
        result = signbin("compile", path, "-o", tmp_path / "n.sbn", "--input-shape", wrong)
        assert result.code == 1
        assert "--input-shape: got" in result.err


def test_a_build_can_demand_that_everything_runs(signbin, tmp_path: Path) -> None:
    path = tmp_path / "odd.onnx"
    onnx.save(small_model(last="Hardmax"), path)
    told = signbin("check", path)
    assert told.code == 0
    assert "1 of 7 operators refused" in told.out
    assert "/last/Hardmax" in told.out
    demanded = signbin("check", path, "--require-coverage")
    assert demanded.code == 1
    assert "not met: 1 operators are refused" in demanded.err


@pytest.mark.parametrize("verb", ["profile", "bench", "analyze", "check"])
def test_what_is_no_model_is_named_with_what_is_taken(signbin, tmp_path: Path, verb: str) -> None:
    path = tmp_path / "notes.onnx"
    path.write_text("some words", encoding="utf-8")
    result = signbin(verb, path)
    assert result.code == 1
    assert "a file of another kind" in result.err
    assert "an ONNX file" in result.err
