"""CIFAR-100, SVHN and Tiny ImageNet in the forms they are published in, and broken ones."""

import pickle
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from signbin.errors import FormatError, SpecError
from signbin.train import DataConfig, load_dataset
from signbin.train.data.cifar100 import CLASSES, cifar100
from signbin.train.data.image_folder import ImageFolder
from signbin.train.data.svhn import svhn
from signbin.train.data.tiny_imagenet import tiny_imagenet


@pytest.fixture(scope="session")
def cifar100_parts():
    random = np.random.default_rng(0)
    return {
        part: (random.integers(0, 256, (count, 3072), np.uint8), random.permutation(count) % 100)
        for part, count in (("train", 200), ("test", 100))
    }


def write_cifar100(folder: Path, parts, form: str) -> Path:
    folder.mkdir(parents=True)
    for part, (pixels, labels) in parts.items():
        coarse = labels // 5
        if form == "python":
            document = {b"data": pixels, b"fine_labels": labels.tolist()}
            document[b"coarse_labels"] = coarse.tolist()
            (folder / part).write_bytes(pickle.dumps(document, protocol=2))
        else:
            columns = (coarse.astype(np.uint8)[:, None], labels.astype(np.uint8)[:, None], pixels)
            (folder / f"{part}.bin").write_bytes(np.hstack(columns).tobytes())
    return folder


def test_both_versions_of_cifar_100_hold_the_same_images_with_fine_labels(tmp_path, cifar100_parts):
    found = [
        cifar100(write_cifar100(tmp_path / name / f"cifar-100-{form}", cifar100_parts, form).parent)
        for name, form in (("a", "python"), ("b", "binary"))
    ]
    assert found[0].sha256 == found[1].sha256
    np.testing.assert_array_equal(found[0].train.labels, cifar100_parts["train"][1])
    rows = found[0].test.pixels.reshape(100, -1)
    np.testing.assert_array_equal(rows, cifar100_parts["test"][0])
    assert found[0].class_names == CLASSES
    assert len(set(CLASSES)) == 100
    assert list(CLASSES) == sorted(CLASSES)


def test_cifar_100_is_read_from_its_archive(tmp_path, cifar100_parts):
    source = write_cifar100(tmp_path / "source", cifar100_parts, "python")
    archive = tmp_path / "cifar-100-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source, "cifar-100-python")
    assert cifar100(archive).sha256 == cifar100(tmp_path).sha256 == cifar100(source).sha256


def test_a_label_of_cifar_100_outside_its_range_is_refused(tmp_path, cifar100_parts):
    pixels, labels = cifar100_parts["train"]
    broken = {**cifar100_parts, "train": (pixels, np.where(np.arange(200) == 7, 100, labels))}
    with pytest.raises(FormatError, match=r"CIFAR-100 file train .*a label outside 0\.\.99"):
        cifar100(write_cifar100(tmp_path / "broken", broken, "python"))


def test_no_cifar_100_says_what_is_looked_for(tmp_path):
    with pytest.raises(FormatError, match=r"no CIFAR-100.*train\.bin"):
        cifar100(tmp_path)


def test_svhn_has_its_images_in_order_and_calls_the_digit_0_class_0(tmp_path, svhn_files):
    found = svhn(svhn_files(tmp_path))
    assert found.train.pixels.shape == (40, 3, 32, 32)
    assert found.train.labels[:11].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    from scipy.io import loadmat

    original = loadmat(tmp_path / "test_32x32.mat")["X"]
    np.testing.assert_array_equal(found.test.pixels[4].transpose(1, 2, 0), original[:, :, :, 4])


def test_the_extra_images_of_svhn_train_only_if_asked(tmp_path, svhn_files):
    folder = svhn_files(tmp_path)
    data = DataConfig("svhn", folder=str(folder), extra=True)
    assert len(load_dataset(data).train) == 80
    assert load_dataset(data).title == "SVHN with extra images"
    assert len(svhn(folder).train) == 40


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": np.full((40, 1), 11, np.uint8)}, r"a label outside 1\.\.10"),
        ({"y": np.ones((39, 1), np.uint8)}, r"X is uint8 \(32, 32, 3, 40\), y has 39"),
        ({"X": np.zeros((32, 32, 3, 40), np.float64)}, "X is float64"),
    ],
)
def test_wrong_arrays_of_svhn_are_refused(tmp_path, svhn_files, arrays, message):
    with pytest.raises(FormatError, match=rf"train_32x32\.mat cannot be used: {message}"):
        svhn(svhn_files(tmp_path, **arrays))


def test_a_damaged_or_missing_file_of_svhn_is_refused_by_name(tmp_path, svhn_files):
    folder = svhn_files(tmp_path)
    path = folder / "test_32x32.mat"
    content = path.read_bytes()
    for damage in (b"", b"no matlab", content[: len(content) // 2]):
        path.write_bytes(damage)
        with pytest.raises(FormatError, match=r"test_32x32\.mat cannot be used"):
            svhn(folder)
    path.unlink()
    with pytest.raises(FormatError, match=r"test_32x32\.mat"):
        svhn(folder)


def test_tiny_imagenet_has_the_classes_of_its_list_and_names_for_people(
    tmp_path, tiny_imagenet_tree
):
    found = tiny_imagenet(tiny_imagenet_tree(tmp_path / "tiny-imagenet-200").parent)
    assert found.class_names == ("thing 0", "thing 1", "thing 2")
    assert found.train.labels.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert found.test.labels.tolist() == [0, 1, 2] * 3
    first = tmp_path / "tiny-imagenet-200" / "train" / "n00000014" / "images" / "n00000014_0.JPEG"
    np.testing.assert_array_equal(found.train.pixels[0].transpose(1, 2, 0), Image.open(first))


def test_tiny_imagenet_is_decoded_once(tmp_path, tiny_imagenet_tree, monkeypatch):
    tree = tiny_imagenet_tree(tmp_path / "tree")
    first = tiny_imagenet(tree, tmp_path / "cache")
    # The package exports a function of the module's name.
    module = sys.modules["signbin.train.data.tiny_imagenet"]
    monkeypatch.setattr(module, "_decode", None)
    assert tiny_imagenet(tree, tmp_path / "cache").sha256 == first.sha256


def test_names_that_two_classes_share_carry_their_wnid(tmp_path, tiny_imagenet_tree):
    tree = tiny_imagenet_tree(tmp_path)
    (tree / "words.txt").write_text("n00000014\tcrane\nn00000007\tcrane, bird\n")
    names = tiny_imagenet(tree).class_names
    assert names == ("crane (n00000014)", "crane (n00000007)", "n00000000")


def test_an_empty_class_of_tiny_imagenet_is_refused_by_name(tmp_path, tiny_imagenet_tree):
    tree = tiny_imagenet_tree(tmp_path)
    for path in (tree / "train" / "n00000007" / "images").iterdir():
        path.unlink()
    with pytest.raises(FormatError, match=r"class without images: got '.*n00000007/images'"):
        tiny_imagenet(tree)


@pytest.mark.parametrize(
    "line", ["val_0.JPEG\tn99999999\t0\t0", "val_77.JPEG\tn00000007\t0\t0", "val_0.JPEG"]
)
def test_a_label_or_file_that_is_none_is_refused_with_its_line(tmp_path, tiny_imagenet_tree, line):
    tree = tiny_imagenet_tree(tmp_path)
    annotations = tree / "val" / "val_annotations.txt"
    annotations.write_text(annotations.read_text() + line + "\n")
    with pytest.raises(FormatError, match=r"val_annotations\.txt, line 10"):
        tiny_imagenet(tree)


def test_a_corrupt_or_larger_image_of_tiny_imagenet_is_refused_by_name(
    tmp_path, tiny_imagenet_tree
):
    tree = tiny_imagenet_tree(tmp_path)
    path = tree / "val" / "images" / "val_3.JPEG"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(FormatError, match=r"val_3\.JPEG cannot be used"):
        tiny_imagenet(tree)
    Image.new("RGB", (65, 64)).save(path)
    with pytest.raises(FormatError, match=r"val_3\.JPEG.*64x64"):
        tiny_imagenet(tree)


@pytest.mark.parametrize("missing", ["wnids.txt", "val/val_annotations.txt"])
def test_a_missing_list_of_tiny_imagenet_is_refused_by_name(tmp_path, tiny_imagenet_tree, missing):
    tree = tiny_imagenet_tree(tmp_path)
    (tree / missing).unlink()
    with pytest.raises(FormatError, match=f"no Tiny ImageNet.*{Path(missing).name}"):
        tiny_imagenet(tree)


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"name": "digits", "folder": "x"}, "folder"),
        ({"name": "digits", "jitter": 0.1}, "jitter"),
        ({"name": "svhn", "folder": "x", "image_size": 64}, "image_size"),
        ({"name": "imagenet", "folder": "x", "shift": 2}, "shift"),
        ({"name": "cifar10", "folder": "x", "extra": True}, "extra"),
        ({"name": "tiny_imagenet", "folder": "x", "classes": 3}, "classes"),
    ],
)
def test_a_key_a_data_set_has_no_use_for_is_refused(data, key):
    with pytest.raises(SpecError, match=rf"data\.{key}: .*has no use for it"):
        load_dataset(DataConfig(**data))


def test_decoding_of_a_folder_uses_the_shape_it_is_told(tmp_path, photo_tree):
    found = ImageFolder.find(photo_tree(tmp_path), ("train",))
    with pytest.raises(FormatError, match=r"n0000/photo_000\.JPEG cannot be used: an image of"):
        found.decode("train", (3, 32, 32))
