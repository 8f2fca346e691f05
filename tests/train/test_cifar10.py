"""CIFAR-10 from every form it comes in, and from files that somebody broke."""

import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from signbin.errors import FormatError, SpecError
from signbin.train import DataConfig, load_dataset
from signbin.train.data.cifar10 import CLASSES, cifar10
from signbin.train.data.image_folder import ImageFolder, lossy_format

BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


@pytest.fixture(scope="session")
def batches():
    """Six batches of 20 images: pixels (20, 3072) uint8 and labels."""
    random = np.random.default_rng(0)
    return {
        name: (
            random.integers(0, 256, (20, 3072), np.uint8, endpoint=False),
            random.permutation(np.arange(20) % 10),
        )
        for name in BATCHES
    }


def write_pickles(folder: Path, batches, protocol=2):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (pixels, labels) in batches.items():
        document = {b"data": pixels, b"labels": labels.tolist(), b"batch_label": b"a batch"}
        (folder / name).write_bytes(pickle.dumps(document, protocol=protocol))
    return folder


def write_binary(folder: Path, batches):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (pixels, labels) in batches.items():
        records = np.hstack([labels.astype(np.uint8)[:, None], pixels])
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    return folder


def write_images(folder: Path, batches, suffix="png", **options):
    for name, (pixels, labels) in batches.items():
        part = "test" if name == "test_batch" else "train"
        for number, (row, label) in enumerate(zip(pixels, labels, strict=True)):
            path = folder / part / CLASSES[label] / f"{name}-{number:02d}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(row.reshape(3, 32, 32).transpose(1, 2, 0)).save(path, **options)
    return folder


def sorted_rows(images):
    rows = images.pixels.reshape(len(images), -1)
    return sorted(zip(images.labels.tolist(), rows.tolist(), strict=True))


@pytest.fixture
def pickled(tmp_path, batches) -> Path:
    return write_pickles(tmp_path / "cifar-10-batches-py", batches)


@pytest.fixture
def folder(tmp_path, batches) -> Path:
    return write_images(tmp_path / "images", batches)


def test_the_official_forms_hold_the_same_images_in_the_same_order(pickled, tmp_path, batches):
    binary = cifar10(write_binary(tmp_path / "cifar-10-batches-bin", batches))
    from_pickles = cifar10(pickled)
    assert binary.sha256 == from_pickles.sha256
    assert len(binary.train) == 100
    assert len(binary.test) == 20
    np.testing.assert_array_equal(
        binary.train.pixels[:20].reshape(20, -1), batches["data_batch_1"][0]
    )
    np.testing.assert_array_equal(binary.test.labels, batches["test_batch"][1])


@pytest.mark.parametrize("protocol", [2, 4])
def test_pickles_of_python_2_and_3_are_read(tmp_path, batches, protocol):
    found = cifar10(write_pickles(tmp_path, batches, protocol))
    np.testing.assert_array_equal(found.test.pixels.reshape(20, -1), batches["test_batch"][0])


@pytest.mark.parametrize("form", ["python", "binary"])
def test_an_archive_is_read_without_unpacking_it(tmp_path, batches, form):
    write = write_pickles if form == "python" else write_binary
    source = write(tmp_path / "source", batches)
    archive = tmp_path / "store" / f"cifar-10-{form}.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source, "cifar-10-batches")
    for place in (archive, archive.parent):
        assert cifar10(place).sha256 == cifar10(source).sha256
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]


def test_an_image_folder_holds_the_same_images(folder, pickled):
    images, official = cifar10(folder), cifar10(pickled)
    assert sorted_rows(images.train) == sorted_rows(official.train)
    assert sorted_rows(images.test) == sorted_rows(official.test)


@pytest.mark.parametrize(
    ("suffix", "options"), [("webp", {"lossless": True}), ("tiff", {}), ("ppm", {}), ("bmp", {})]
)
def test_lossless_formats_hold_the_same_pixels(tmp_path, folder, batches, suffix, options):
    same = cifar10(write_images(tmp_path / suffix, batches, suffix, **options))
    assert same.title == "CIFAR-10"
    assert same.sha256 == cifar10(folder).sha256


@pytest.mark.parametrize(
    "options",
    [{}, {"exif": b"Exif\0\0more"}, {"icc_profile": b"p" * 501}],
    ids=["plain", "exif", "icc"],
)
def test_figures_on_lossy_webp_files_are_called_so(tmp_path, folder, batches, options):
    lossy = write_images(tmp_path / "lossy", batches, "webp", quality=80, **options)
    assert cifar10(lossy).title == "CIFAR-10 (lossy WebP copy)"
    for path in sorted(folder.glob("*/*/*.png"))[:3]:  # beside files of another kind, too
        (lossy / path.relative_to(folder)).with_name(f"0{path.name}").write_bytes(path.read_bytes())
    assert cifar10(lossy).title == "CIFAR-10 (lossy WebP copy)"


def test_pixels_of_more_than_8_bits_are_refused_and_not_clipped(tmp_path, batches):
    folder = write_images(tmp_path / "deep", batches)
    path = next(folder.glob("train/*/*.png"))
    Image.fromarray(np.full((32, 32), 4000, np.uint16)).save(path)
    with pytest.raises(FormatError, match="more than 8 bits"):
        cifar10(folder)


def test_what_a_file_is_its_bytes_say_and_not_its_name(tmp_path):
    path = tmp_path / "named.png"
    Image.new("RGB", (8, 8)).save(path, "jpeg")
    assert lossy_format(path) == "JPEG"
    for mode, lossless in (("RGBA", False), ("RGBA", True), ("RGB", True)):
        Image.new(mode, (8, 8), (9, 9, 9, 99)[: len(mode)]).save(path, "webp", lossless=lossless)
        assert lossy_format(path) == (None if lossless else "lossy WebP")
    for cut in (b"", b"RIFF", path.read_bytes()[:14]):
        path.write_bytes(cut)
        assert lossy_format(path) is None
    with pytest.raises(FormatError, match="cannot be used"):
        lossy_format(tmp_path / "none.webp")


def test_figures_on_jpeg_files_are_called_so(tmp_path, folder, batches):
    jpeg = write_images(tmp_path / "jpeg" / "cifar10", batches, "jpg")
    assert cifar10(jpeg).title == cifar10(jpeg.parent).title == "CIFAR-10 (JPEG copy)"
    assert cifar10(folder).title == "CIFAR-10"


def test_images_are_decoded_once(folder, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    first = cifar10(folder, cache)
    (file,) = cache.iterdir()
    monkeypatch.setattr(ImageFolder, "decode", None)
    second = cifar10(folder, cache)
    assert first.sha256 == second.sha256
    assert list(cache.iterdir()) == [file]


def test_a_changed_folder_is_decoded_again(folder, tmp_path):
    cache = tmp_path / "cache"
    first = cifar10(folder, cache)
    removed = next((folder / "train" / "cat").iterdir())
    removed.unlink()
    second = cifar10(folder, cache)
    assert len(second.train) == len(first.train) - 1
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped"])
def test_a_damaged_cache_is_made_anew(folder, tmp_path, damage):
    first = cifar10(folder, tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes({"cut": content[:1000], "empty": b"", "flipped": content}[damage])
    assert cifar10(folder, tmp_path / "cache").sha256 == first.sha256
    assert cifar10(folder, tmp_path / "cache").sha256 == first.sha256


def test_nothing_is_written_beside_the_images(folder, tmp_path):
    before = sorted(folder.rglob("*"))
    cifar10(folder, tmp_path / "cache")
    cifar10(folder)
    assert sorted(folder.rglob("*")) == before


class Runs:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_code_is_refused(pickled, tmp_path):
    trap = tmp_path / "made"
    document = {b"data": Runs(trap), b"labels": [0]}
    (pickled / "data_batch_3").write_bytes(pickle.dumps(document))
    with pytest.raises(FormatError, match=r"data_batch_3.*which is not allowed here"):
        cifar10(pickled)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "not a pickled dict"),
        ({b"labels": [0]}, "no array 'data'"),
        ({b"data": np.zeros((1, 3072), np.uint8)}, "no list 'labels'"),
        ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [10]}, "a label outside"),
        ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [True]}, "a label outside"),
        ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [0, 1]}, "one row per label"),
        ({b"data": np.zeros((1, 3072), np.float32), b"labels": [0]}, "one row per label"),
        ({b"data": np.zeros((1, 3071), np.uint8), b"labels": [0]}, "one row per label"),
    ],
)
def test_a_batch_of_anything_else_is_refused(pickled, document, message):
    (pickled / "test_batch").write_bytes(pickle.dumps(document, protocol=2))
    with pytest.raises(FormatError, match=r"test_batch.*" + message):
        cifar10(pickled)


@pytest.mark.parametrize("length", [0, 1, 100, 5000])
def test_a_pickle_cut_short_is_refused(pickled, length):
    path = pickled / "data_batch_1"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(FormatError, match="data_batch_1"):
        cifar10(pickled)


def test_damaged_binary_files_are_refused(tmp_path, batches):
    path = write_binary(tmp_path, batches) / "data_batch_2.bin"
    content = bytearray(path.read_bytes())
    for broken in (b"", content[:-1], bytes([10]) + content[1:]):
        path.write_bytes(broken)
        with pytest.raises(FormatError, match=r"data_batch_2\.bin"):
            cifar10(tmp_path)
    path.unlink()
    with pytest.raises(FormatError, match=r"data_batch_2\.bin.*missing"):
        cifar10(tmp_path)


def test_a_damaged_archive_is_refused(tmp_path):
    archive = tmp_path / "cifar-10-python.tar.gz"
    archive.write_bytes(b"\x1f\x8b\x08 and nothing more")
    with pytest.raises(FormatError, match=r"cifar-10-python\.tar\.gz"):
        cifar10(archive)


@pytest.mark.parametrize("content", [b"", b"no image", "cut", "large"])
def test_an_image_that_cannot_be_used_is_named(folder, content):
    path = next((folder / "test" / "dog").iterdir())
    if content == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif content == "large":
        Image.new("RGB", (33, 32)).save(path)
    else:
        path.write_bytes(content)
    with pytest.raises(FormatError, match=rf"{path.name} cannot be used"):
        cifar10(folder)


def test_an_empty_class_and_a_foreign_one_are_refused(folder):
    extra = folder / "train" / "zebra"
    extra.mkdir()
    with pytest.raises(FormatError, match=r"image folder without images.*zebra"):
        cifar10(folder)
    Image.new("RGB", (32, 32)).save(extra / "0.png")
    with pytest.raises(FormatError, match=r"classes in .*zebra"):
        cifar10(folder)


def test_a_missing_part_is_refused(folder):
    (folder / "test").rename(folder / "tests")
    with pytest.raises(FormatError, match="image folder"):
        cifar10(folder)


def test_a_place_without_the_data_is_refused(tmp_path):
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(FormatError, match="no CIFAR-10"):
            cifar10(place)
    with pytest.raises(SpecError, match=r"cifar10 does not come with signbin.*data\.folder=PATH"):
        load_dataset("cifar10")


def test_keys_a_data_set_has_no_use_for_are_refused():
    with pytest.raises(SpecError, match=r"data\.folder: got 'x'"):
        load_dataset(DataConfig("digits", folder="x"))
    with pytest.raises(SpecError, match=r"data\.classes: got 3"):
        load_dataset(DataConfig("cifar10", folder="x", classes=3))
