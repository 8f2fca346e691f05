"""Fashion-MNIST: the published files, packed or not, and nothing else."""

import gzip
import struct
import sys

import numpy as np
import pytest

from signbin.errors import FormatError
from signbin.train import load_dataset, load_recipe, load_run, train
from signbin.train.config import DataConfig
from signbin.train.data.fashion_mnist import fashion_mnist

COUNTS = {"train": 40, "t10k": 12}


def idx(array: np.ndarray) -> bytes:
    """As published: two zeros, 8 for bytes, the number of axes; big-endian extents; the bytes."""
    return (
        bytes([0, 0, 8, array.ndim])
        + struct.pack(f">{array.ndim}i", *array.shape)
        + array.tobytes()
    )


@pytest.fixture
def parts():
    random = np.random.default_rng(0)
    return {
        name: (
            random.integers(0, 256, (count, 28, 28), np.uint8),
            (np.arange(count) % 10).astype(np.uint8),
        )
        for name, count in COUNTS.items()
    }


@pytest.fixture
def folder(tmp_path, parts):
    for name, (pixels, labels) in parts.items():
        for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            path = tmp_path / f"{name}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(idx(array)))
    return tmp_path


def test_images_and_labels_are_those_of_the_files(folder, parts):
    dataset = fashion_mnist(folder)
    for part, name in ((dataset.train, "train"), (dataset.test, "t10k")):
        pixels, labels = parts[name]
        assert np.array_equal(part.pixels, pixels[:, None])
        assert part.labels.tolist() == labels.tolist()
    assert dataset.class_names[9] == "ankle boot"
    assert dataset.shape == (1, 28, 28)


def test_unpacked_files_and_the_folder_of_debians_package_are_read_too(
    folder, tmp_path, monkeypatch
):
    packed = fashion_mnist(folder)
    for path in list(folder.glob("*.gz")):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert fashion_mnist(folder).sha256 == packed.sha256
    module = sys.modules[fashion_mnist.__module__]
    monkeypatch.setattr(module, "DEBIAN_FOLDER", folder)
    assert load_dataset("fashion_mnist").sha256 == packed.sha256
    assert load_dataset(DataConfig("fashion_mnist", folder=str(folder))).sha256 == packed.sha256


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images-idx3", None, "No such file.*apt-get install dataset-fashion-mnist"),
        ("train-images-idx3", b"", "header"),
        ("train-images-idx3", idx(np.zeros((40, 28, 27), np.uint8)), r"header .*, 28, 27\]"),
        ("train-images-idx3", idx(np.zeros((0, 28, 28), np.uint8)), "0 items instead of 1"),
        ("train-images-idx3", idx(np.zeros((40, 28, 28), np.uint8))[:-1], "31359 bytes of data"),
        ("train-images-idx3", idx(np.zeros((40, 28, 28), np.uint8)) + b"x", "31361 bytes of data"),
        ("train-images-idx3", struct.pack(">4i", 2051, 2**31 - 1, 28, 28), "items instead of 1"),
        ("t10k-labels-idx1", idx(np.zeros(11, np.uint8)), "12 images, 11 labels"),
        ("t10k-labels-idx1", idx(np.full(12, 10, np.uint8)), "up to 10.; allowed: a label in 0..9"),
    ],
    ids=["none", "empty", "narrow", "no item", "short", "long", "too many", "unequal", "label 10"],
)
@pytest.mark.parametrize("packed", [True, False])
def test_damaged_files_are_refused_by_name(folder, name, content, message, packed):
    path = folder / f"{name}-ubyte.gz"
    path.unlink()
    if content is not None:
        at = path if packed else path.with_suffix("")
        at.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(FormatError, match=message):
        fashion_mnist(folder)


def test_a_file_that_is_not_gzip_or_is_cut_off_is_refused(folder):
    path = folder / "t10k-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    for broken in (whole[:100], b"not gzip", whole[:-4] + b"xxxx"):
        path.write_bytes(broken)
        with pytest.raises(FormatError, match=r"t10k-images-idx3-ubyte\[.gz\] cannot be used"):
            fashion_mnist(folder)


def test_its_recipe_trains(folder, tmp_path):
    changes = {"data.folder": str(folder), "epochs": 1, "data.batch_size": 20, "model.width": 4}
    config = load_recipe("fashion-mnist", {**changes, "threads": 1, "batch_norm_images": 16})
    result = train(config, tmp_path / "run", progress=False)
    assert len(result.accuracies) == 1
    assert load_run(tmp_path / "run").dataset.title == "Fashion-MNIST"
