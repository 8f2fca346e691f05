import numpy as np
import pytest

from signbin.errors import SpecError
from signbin.train import DataConfig, load_dataset
from signbin.train.data.generated import generated

# Pinned: networks made on one machine must find the same images on every other.
GENERATED_SHA256 = "ac1674809ff02078acaef76a122e0f719c21fd50856b4feaeaf22d5b72e14059"


def test_generated_images_never_change():
    assert generated((3, 32, 32), 10).sha256 == GENERATED_SHA256


def test_images_differ_and_use_most_of_the_range():
    pixels = generated((3, 40, 24), 5).train.pixels
    assert pixels.shape[1:] == (3, 40, 24)
    assert len({image.tobytes() for image in pixels}) == len(pixels)
    assert 25 < pixels.std() < 90
    assert 100 < pixels.mean() < 155


def test_neighbouring_pixels_are_alike_and_distant_ones_are_not():
    x = generated((1, 64, 64), 5).train.pixels.astype(np.float64)
    x -= x.mean()

    def correlation(step):
        return float((x[..., step:] * x[..., :-step]).mean() / (x * x).mean())

    assert correlation(1) > 0.8
    assert correlation(1) > correlation(8) > correlation(32)


def test_channels_are_alike_but_not_the_same():
    red, green, _ = generated((3, 32, 32), 5).train.pixels.astype(float).transpose(1, 0, 2, 3)
    assert 0.8 < np.corrcoef(red.ravel(), green.ravel())[0, 1] < 0.999


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_tiny_images_can_be_generated(size):
    assert generated((1, size, size), 2).test.pixels.shape[1:] == (1, size, size)


def test_shape_and_classes_must_be_said():
    with pytest.raises(SpecError, match=r"data\.shape and data\.classes"):
        load_dataset(DataConfig("generated", classes=3))
    with pytest.raises(SpecError, match=r"data\.shape"):
        DataConfig("generated", shape=(3, 32), classes=3)
