"""run: images and arrays in, named classes out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from signbin.runtime import Program


def test_classes_are_ranked_as_the_program_scores_them(signbin, compiled, images) -> None:
    result = signbin("run", compiled, images, "--top", 2, "--json")
    assert result.code == 0
    found = result.document["predictions"]
    scores = Program.load(compiled)(np.load(images))
    assert [entry["input"] for entry in found] == [f"{images}[{n}]" for n in range(6)]
    assert [entry["top"][0]["class"] for entry in found] == [
        str(index) for index in scores.argmax(axis=1)
    ]
    assert all(len(entry["top"]) == 2 for entry in found)
    assert found[0]["top"][0]["score"] == pytest.approx(float(scores[0].max()))


def test_image_files_go_through_the_stored_preprocessing(signbin, compiled, tmp_path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "digit.png")
    result = signbin("run", compiled, tmp_path / "digit.png", "--json", "-o", tmp_path / "out.npy")
    assert result.code == 0
    program = Program.load(compiled)
    how = program.artifact.preprocessing
    prepared = (pixels / 255 - how.mean[0]) / how.std[0]
    expected = program(np.float32(prepared)[None, None])
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, rtol=1e-4, atol=1e-4)


def test_several_inputs_make_one_table(signbin, compiled, images, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.load(images)[0])
    result = signbin("run", compiled, images, tmp_path / "one.npy")
    assert result.code == 0
    assert "images.npy[5]" in result.out
    assert "one.npy" in result.out


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((1, 1, 9, 8), np.float32),
        np.zeros((8, 8), np.float32),
        np.zeros((0, 1, 8, 8), np.float32),
        np.full((1, 1, 8, 8), np.nan, np.float32),
        np.zeros((1, 1, 8, 8), np.uint8),
        np.zeros((2, 2, 1, 8, 8), np.float32),
        np.float32(3),
        np.array(["a"]),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(
    signbin, compiled, tmp_path: Path, array: np.ndarray
) -> None:
    np.save(tmp_path / "bad.npy", array)
    result = signbin("run", compiled, tmp_path / "bad.npy")
    assert result.code == 1
    assert result.out == ""
    assert "bad.npy" in result.err
    assert "allowed" in result.err


@pytest.mark.parametrize("content", [b"", b"not an array", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_files_that_are_no_arrays_are_refused(signbin, compiled, tmp_path, content: bytes) -> None:
    (tmp_path / "bad.npy").write_bytes(content)
    result = signbin("run", compiled, tmp_path / "bad.npy")
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert "bad.npy" in result.err


def test_an_array_that_claims_more_than_it_holds_is_refused(signbin, compiled, tmp_path) -> None:
    np.save(tmp_path / "bad.npy", np.zeros((4, 1, 8, 8), np.float32))
    content = (tmp_path / "bad.npy").read_bytes()
    (tmp_path / "bad.npy").write_bytes(content[:-64])
    result = signbin("run", compiled, tmp_path / "bad.npy")
    assert result.code == 1
    assert "bad.npy" in result.err


def test_missing_and_broken_files_are_named(signbin, compiled, images, tmp_path: Path) -> None:
    (tmp_path / "broken.sbn").write_bytes(compiled.read_bytes()[:-1])
    (tmp_path / "broken.png").write_bytes(b"no image")
    for arguments, named in (
        ((tmp_path / "no.sbn", images), "no.sbn"),
        ((tmp_path / "broken.sbn", images), "broken.sbn"),
        ((compiled, tmp_path / "no.npy"), "no.npy"),
        ((compiled, tmp_path / "no.png"), "no.png"),
        ((compiled, tmp_path / "broken.png"), "broken.png"),
    ):
        result = signbin("run", *arguments)
        assert result.code == 1, named
        assert result.out == ""
        assert result.err.startswith("error: ")
        assert named in result.err
        assert "Traceback" not in result.err


def test_outputs_are_not_overwritten_unasked(signbin, compiled, images, tmp_path: Path) -> None:
    (tmp_path / "out.npy").write_bytes(b"mine")
    refused = signbin("run", compiled, images, "-o", tmp_path / "out.npy")
    assert refused.code == 1
    assert refused.out == ""
    assert (tmp_path / "out.npy").read_bytes() == b"mine"
    assert signbin("run", compiled, images, "-o", tmp_path / "out.npy", "--force").code == 0
    assert np.load(tmp_path / "out.npy").shape == (6, 10)


def test_a_model_without_preprocessing_asks_for_arrays(signbin, tmp_path: Path) -> None:
    own = "import torch\ndef make(): return torch.nn.Flatten(), (torch.zeros(1, 1, 2, 2),)\n"
    (tmp_path / "own.py").write_text(own, encoding="utf-8")
    assert signbin("compile", f"{tmp_path}/own.py:make", "-o", tmp_path / "m.sbn").code == 0
    result = signbin("run", tmp_path / "m.sbn", tmp_path / "digit.png")
    assert result.code == 1
    assert ".npy" in result.err
