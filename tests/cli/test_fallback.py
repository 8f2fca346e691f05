"""--fallback on the command line, and the verbs that take a network in parts."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from signbin.hybrid import Fallback
from tests.verbs.onnx_files import images, small_model
from tests.verbs.test_fallback import LARGE, cut_model


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cut") / "cut.onnx"
    onnx.save(cut_model(), path)
    return path


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In parts whatever the clock says."""
    import signbin

    path = tmp_path_factory.mktemp("parts") / "cut.sbn"
    signbin.compile(cut_model(), fallback=Fallback(prefer="signbin")).save(path)
    return path


def test_the_parts_and_the_times_of_all_ways_are_said(signbin, file: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.sbn"
    made = signbin("compile", file, "-o", model, "--fallback", "onnxruntime", "--json")
    assert made.code == 0, made.err
    document = made.document
    assert {part["engine"] for part in document["parts"]} <= {"signbin", "onnxruntime"}
    assert len(document["decision"]["ways_timed"]) >= 2
    assert document["provenance"]["command"].startswith("signbin compile")
    assert document["size_bytes"] == model.stat().st_size
    table = signbin("compile", file, "-o", model, "--fallback", "onnxruntime", "--force")
    assert "ONNX Runtime" in table.out


def test_without_it_the_network_is_refused_and_the_option_is_named(
    signbin, file: Path, tmp_path: Path
) -> None:
    refused = signbin("compile", file, "-o", tmp_path / "m.sbn")
    assert refused.code == 1
    assert "Cosh: not supported" in refused.err
    assert "--fallback onnxruntime" in refused.err


def test_a_network_that_needs_none_says_what_was_timed(signbin, tmp_path: Path) -> None:
    path, model = tmp_path / "small.onnx", tmp_path / "m.sbn"
    onnx.save(small_model(extents=LARGE), path)
    made = signbin("compile", path, "-o", model, "--fallback", "onnxruntime")
    assert made.code == 0, made.err
    assert " ms" in made.out + made.err


def test_parts_are_calibrated_with_the_data_that_is_named(
    signbin, file: Path, tmp_path: Path
) -> None:
    given, model = tmp_path / "x.npy", tmp_path / "m.sbn"
    np.save(given, images(8, LARGE))
    asked = ("--fallback", "onnxruntime", "--activations", "int8")
    refused = signbin("compile", file, "-o", model, *asked)
    assert "--calibrate DATA" in refused.err
    made = signbin("compile", file, "-o", model, *asked, "--calibrate", given)
    assert made.code == 0, made.err


def test_run_profile_and_compare_take_parts(
    signbin, file: Path, parts: Path, tmp_path: Path
) -> None:
    given = tmp_path / "x.npy"
    np.save(given, images(3, LARGE))
    ran = signbin("run", parts, given, "--json")
    assert ran.code == 0, ran.err
    assert len(ran.document["predictions"]) == 3
    profiled = signbin("profile", parts, "--repeats", 3, "--json")
    assert [part["engine"] for part in profiled.document["parts"]] == [
        "signbin",
        "onnxruntime",
        "signbin",
    ]
    assert signbin("profile", parts, "--repeats", 3).code == 0
    compared = signbin("compare", file, parts)
    assert compared.code == 0, compared.err


@pytest.mark.parametrize("verb", ["bench", "analyze", "energy"])
def test_verbs_that_cannot_take_parts_say_so(signbin, parts: Path, verb: str) -> None:
    result = signbin(verb, parts)
    assert result.code == 1
    assert "in parts" in result.err


def test_a_wrong_engine_is_named_before_any_work(signbin, file: Path, tmp_path: Path) -> None:
    result = signbin("compile", file, "-o", tmp_path / "m.sbn", "--fallback", "torch")
    assert result.code == 1
    assert "fallback: got 'torch'" in result.err
