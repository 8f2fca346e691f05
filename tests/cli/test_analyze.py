"""analyze: any model, and plain weights, in one table, one document and one picture."""

from xml.etree import ElementTree

import numpy as np
import pytest

LAYER_KEYS = {"name", "density", "entropy_bits", "p0", "adds", "adds_lower_bound", "patterns"}


@pytest.fixture(scope="module")
def analysed(signbin, trained, tmp_path_factory):
    """(document, picture) of the first network of the run, which is the compiled one."""
    picture = tmp_path_factory.mktemp("analysed") / "model.svg"
    return signbin("analyze", trained, "--json", "--seed", 3, "-o", picture).document, picture


def test_a_run_and_its_compiled_model_are_the_same_analysis(signbin, analysed, compiled):
    run, picture = analysed
    model = signbin("analyze", compiled, "--json").document
    assert len(run["layers"]) == len(model["layers"])
    for one, other in zip(run["layers"], model["layers"], strict=True):
        assert set(one) >= LAYER_KEYS
        assert (one["adds"], one["patterns"]) == (other["adds"], other["patterns"])
    assert run["totals"]["adds"]["bucket"] < run["totals"]["adds"]["sparse"]
    root = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
    assert root.tag.endswith("svg")


def test_a_seed_picks_a_network_of_the_run(signbin, trained, analysed):
    second = signbin("analyze", trained, "--json", "--seed", 5).document
    assert analysed[0]["layers"] != second["layers"]
    assert signbin("analyze", trained, "--seed", 4).code == 1


def test_the_table_names_engines_modules_and_what_binds(signbin, compiled):
    shown = signbin("analyze", compiled)
    for word in ("summerge", "bucket", "bound", "what binds", "float weights", "per image"):
        assert word in shown.out


@pytest.mark.parametrize(
    ("codes", "value_set"),
    [
        (np.ones((1, 1), np.int8), "signed_binary"),
        (np.zeros((4, 3, 3, 3), np.float32), "signed_binary"),
        (np.array([[1.0, -1.0, 0.0] * 4], np.float64), "ternary"),
        (np.tile([0.25, -0.25], (4, 8)).astype(np.float32), "binary"),
        (np.linspace(-1, 1, 40).reshape(4, 10), "float"),
        (np.ones((4, 10), bool), None),
    ],
    ids=["one", "zeros", "ternary", "scaled", "float", "bool"],
)
def test_plain_weights_are_analysed(signbin, tmp_path, codes, value_set):
    np.save(tmp_path / "weights.npy", codes)
    result = signbin("analyze", tmp_path / "weights.npy", "--json")
    if value_set is None:
        assert result.code == 1
        assert "real numbers" in result.err
        return
    (layer,) = result.document["layers"]
    assert layer["value_set"] == value_set
    assert layer["shape"] == list(codes.shape)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.ones(4, np.float32), "shape"),
        (np.ones((0, 4), np.float32), "shape"),
        (np.full((2, 8), np.nan, np.float32), "finite"),
        (np.full((2, 8), 7, np.int32), "whole numbers"),
        (np.ones((2, 8), np.complex64), "real numbers"),
    ],
)
def test_weights_that_are_none_are_refused_in_one_line(signbin, tmp_path, array, reason):
    np.save(tmp_path / "weights.npy", array)
    result = signbin("analyze", tmp_path / "weights.npy")
    assert result.code == 1
    assert reason in result.err
    assert result.err.startswith("error: ")


def test_files_that_are_no_model_are_refused(signbin, tmp_path, compiled):
    (tmp_path / "weights.npy").write_bytes(b"no array")
    assert "a .npy file of weights" in signbin("analyze", tmp_path / "weights.npy").err
    (tmp_path / "model.txt").write_text("text")
    assert "run folder" in signbin("analyze", tmp_path / "model.txt").err
    assert signbin("analyze", tmp_path / "absent.sbn").code == 1
    assert "ending in .svg" in signbin("analyze", compiled, "-o", tmp_path / "x.png").err
    (tmp_path / "x.svg").write_text("kept")
    assert "--force" in signbin("analyze", compiled, "-o", tmp_path / "x.svg").err
    assert (tmp_path / "x.svg").read_text() == "kept"
