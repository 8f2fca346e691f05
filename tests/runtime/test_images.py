"""From files to inputs: geometry, normalisation and files that are no images."""

import sys

import numpy as np
import pytest
from PIL import Image

from signbin.errors import ExecutionError, FormatError
from signbin.runtime import load_image
from signbin.spec import Preprocessing

RGB = Preprocessing(3, 4, 6, (0.5, 0.25, 0.0), (0.5, 1.0, 2.0))
GREY = Preprocessing(1, 4, 6, (0.0,), (1.0,))


def saved(tmp_path, pixels):
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path)
    return path


def test_pixels_are_scaled_to_one_and_normalised_per_channel(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)
    x = load_image(saved(tmp_path, pixels), RGB)
    assert x.shape == (3, 4, 6)
    assert x.dtype == np.float32
    expected = (pixels / 255 - np.array(RGB.mean)) / np.array(RGB.std)
    np.testing.assert_allclose(x, expected.transpose(2, 0, 1), atol=1e-6)


def test_colour_becomes_grey_by_luma_and_grey_becomes_colour(tmp_path):
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[..., 1] = 255
    assert np.allclose(load_image(saved(tmp_path, pixels), GREY), 0.587, atol=3e-3)
    x = load_image(saved(tmp_path, np.full((4, 6), 51, np.uint8)), RGB)
    np.testing.assert_allclose(
        x[:, 0, 0], (0.2 - np.array(RGB.mean)) / np.array(RGB.std), atol=1e-6
    )


def test_sixteen_bit_grey_keeps_its_brightness(tmp_path):
    pixels = np.full((4, 6), 0x8080, np.uint16)
    x = load_image(saved(tmp_path, pixels), GREY)
    np.testing.assert_allclose(x, 0x80 / 255, atol=1e-6)


def test_the_shorter_side_is_resized_and_the_centre_cut_out(tmp_path):
    pixels = np.zeros((8, 24), np.uint8)
    pixels[:, 8:16] = 255
    square = Preprocessing(1, 4, 4, (0.0,), (1.0,), resize=4)
    x = load_image(saved(tmp_path, pixels), square)
    assert x.shape == (1, 4, 4)
    assert x[0, :, 1:3].min() == 1
    stretched = load_image(saved(tmp_path, pixels), Preprocessing(1, 4, 12, (0.0,), (1.0,)))
    assert stretched[0, 0, 0] == 0
    assert stretched[0, 0, 6] == 1


@pytest.mark.parametrize("times", [1, 2, 4])
def test_an_image_enlarged_by_a_whole_factor_is_the_image_itself(tmp_path, times):
    """Shrinking averages areas: nothing is blurred that was not."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    enlarged = np.kron(pixels, np.ones((times, times), np.uint8))
    found = load_image(saved(tmp_path, enlarged), Preprocessing(1, 8, 8, (0.0,), (1.0,)))
    np.testing.assert_array_equal(found[0], pixels.astype(np.float32) / np.float32(255))


def test_shrinking_by_any_factor_keeps_the_mean_brightness(tmp_path):
    """Of areas, not of samples: lines thinner than a pixel leave their share of it."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[:, ::2] = 200
    found = load_image(saved(tmp_path, pixels), Preprocessing(1, 8, 8, (0.0,), (1.0,)))
    assert abs(found.mean() - 100 / 255) < 2 / 255  # every pixel is rounded to 8 bits
    assert found.std() < 0.1


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_file_that_is_no_image_is_a_format_error(tmp_path, content):
    path = tmp_path / "image.png"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"image\.png"):
        load_image(path, GREY)


def test_a_truncated_image_is_a_format_error(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    path = saved(tmp_path, noise)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(FormatError):
        load_image(path, RGB)


def test_a_missing_file_and_a_folder_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_image(tmp_path / "none.png", GREY)
    with pytest.raises(FormatError):
        load_image(tmp_path, GREY)


def test_without_pillow_the_error_names_the_extra(tmp_path, monkeypatch):
    path = saved(tmp_path, np.zeros((4, 6), np.uint8))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ExecutionError, match=r"signbin\[cli\]"):
        load_image(path, GREY)
