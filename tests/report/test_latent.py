"""Latent weights of a run: all of them, and those that count in the model compiled from it."""

from pathlib import Path

import numpy as np
import pytest

from signbin.errors import FormatError
from signbin.report.latent import latent_weights

save_file = pytest.importorskip(
    "safetensors.numpy", reason="safetensors: pip install '.[train]'"
).save_file
WEIGHT = np.array([[0.5, 0.1, -0.4, 0.0], [-0.5, 0.3, -0.2, 0.05]], np.float32)
CODES = np.array([[1, 0, 0, 0], [-1, 0, -1, 0]], np.int8)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file({"conv.weight": WEIGHT, "conv.bias": np.zeros(2, np.float32)}, path)
    return path


def test_every_weight_is_counted_once_and_effectual_ones_twice(file: Path) -> None:
    (found,) = latent_weights(file, ["conv", "elsewhere"], {"conv": CODES})
    assert found.largest == pytest.approx(0.5)
    assert sum(found.all) == WEIGHT.size
    assert found.effectual is not None
    assert sum(found.effectual) == 3
    assert all(one <= every for one, every in zip(found.effectual, found.all, strict=True))


def test_filters_that_the_compiler_turned_around_are_still_theirs(file: Path) -> None:
    turned = np.array([[0, -1, -1, -1], [-1, 0, -1, 0]], np.int8)
    (found,) = latent_weights(file, ["conv"], {"conv": turned})
    assert found.effectual is not None


@pytest.mark.parametrize(
    "codes", [-CODES, CODES.T, CODES[:1], np.array([[-1, 0, 0, 0]] * 2, np.int8)]
)
def test_codes_of_other_weights_say_nothing(file: Path, codes: np.ndarray) -> None:
    (found,) = latent_weights(file, ["conv"], {"conv": codes})
    assert found.effectual is None


def test_a_run_without_the_file_has_none(tmp_path: Path) -> None:
    assert list(latent_weights(tmp_path / "model.safetensors", ["conv"], {})) == []


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x02\x00\x00\x00\x00\x00\x00\x00{}x"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"model\.safetensors is damaged"):
        list(latent_weights(path, ["conv"], {}))
