"""Samples from folders, .npy and .npz files, with the labels they bring."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from signbin import arrays
from signbin.errors import ExecutionError, FormatError
from signbin.ir import TensorType, Value
from signbin.runtime import read_samples
from signbin.spec import Preprocessing

EXPECTED = Value("x", TensorType("f32", (0, 1, 4, 4)))
GREY = Preprocessing(1, 4, 4, (0.0,), (1.0,))
CLASSES = ("cat", "dog")


def numbered(count):
    """Samples whose numbers say which they are."""
    return np.arange(count, dtype=np.float32).reshape(-1, 1, 1, 1) + np.zeros((1, 1, 4, 4), "f4")


def write_image(path, grey):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4), grey, np.uint8)).save(path)


@pytest.fixture
def labelled(tmp_path):
    for grey, name in ((10, "dog/a.png"), (20, "cat/b.png"), (30, "cat/a.PNG")):
        write_image(tmp_path / "data" / name, grey)
    (tmp_path / "data" / "cat" / "notes.txt").write_text("not a picture")
    return tmp_path / "data"


def greys(samples):
    return (samples.images[:, 0, 0, 0] * 255).round().astype(int).tolist()


def test_a_folder_is_read_in_order_and_labelled_by_its_folders(labelled):
    found = read_samples(labelled, EXPECTED, GREY, CLASSES)
    assert greys(found) == [30, 20, 10]
    assert found.labels.tolist() == [0, 0, 1]


@pytest.mark.parametrize("names", [(), ("cat", "bird")])
def test_folders_that_are_no_classes_are_no_labels(labelled, names):
    assert read_samples(labelled, EXPECTED, GREY, names).labels is None


def test_images_need_preprocessing(labelled):
    with pytest.raises(ExecutionError, match="says nothing about images"):
        read_samples(labelled, EXPECTED, None)


def test_a_folder_of_prepared_arrays_needs_none(tmp_path):
    np.save(tmp_path / "a.npy", numbered(2))
    np.save(tmp_path / "b.npy", numbered(1)[0] + 7)
    found = read_samples(tmp_path, EXPECTED, None, CLASSES)
    assert found.images[:, 0, 0, 0].tolist() == [0, 1, 7]
    assert found.labels is None


def test_a_folder_without_samples_is_refused(tmp_path):
    (tmp_path / "readme.md").touch()
    with pytest.raises(FormatError, match="folder of samples"):
        read_samples(tmp_path, EXPECTED, GREY)


@given(count=st.integers(1, 40), most=st.integers(1, 50))
def test_too_many_samples_are_thinned_evenly(tmp_path_factory, count, most):
    path = tmp_path_factory.mktemp("thin") / "all.npz"
    np.savez(path, images=numbered(count), labels=np.arange(count))
    found = read_samples(path, EXPECTED, None, most=most)
    kept = found.images[:, 0, 0, 0].astype(int)
    assert len(kept) == min(count, most)
    assert kept[0] == 0
    np.testing.assert_array_equal(found.labels, kept)
    steps = np.diff([*kept, count])
    assert steps.max() - steps.min() <= 1


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_holds_samples_of_any_name_and_perhaps_labels(tmp_path, save):
    save(tmp_path / "a.npz", anything=numbered(3).astype(np.float64))
    found = read_samples(tmp_path / "a.npz", EXPECTED, None)
    assert found.images.dtype == np.float32
    assert found.labels is None


def bad_archive(path, case):
    arrays = {
        "two arrays": {"a": numbered(2), "b": numbered(2)},
        "labels alone": {"labels": np.arange(2)},
        "labels of another number": {"a": numbered(2), "labels": np.arange(3)},
        "labels that are no whole numbers": {"a": numbered(2), "labels": np.zeros(2)},
        "objects": {"a": np.array([{}], dtype=object)},
        "another shape": {"a": np.zeros((2, 1, 4, 5), np.float32)},
        "whole numbers": {"a": np.zeros((2, 1, 4, 4), np.int32)},
        "not finite": {"a": np.full((2, 1, 4, 4), np.nan, np.float32)},
    }
    if case in arrays:
        np.savez(path, **arrays[case])
    elif case == "text":
        path.write_text("PK not really")
    elif case == "text inside":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", "not an array")
    elif case == "cut":
        stream = io.BytesIO()
        np.savez_compressed(stream, a=numbered(50))
        path.write_bytes(stream.getvalue()[:-40])
    else:
        stream = io.BytesIO()
        np.savez_compressed(stream, a=numbered(50))
        data = bytearray(stream.getvalue())
        data[80:90] = b"0123456789"
        path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "case",
    [
        *("two arrays", "labels alone", "labels of another number"),
        *("labels that are no whole numbers", "objects", "another shape", "whole numbers"),
        *("not finite", "text", "text inside", "cut", "damaged"),
    ],
)
def test_an_archive_that_is_none_is_refused_by_name(tmp_path, case):
    path = tmp_path / "bad.npz"
    bad_archive(path, case)
    with pytest.raises((FormatError, ExecutionError), match=r"bad\.npz"):
        read_samples(path, EXPECTED, None)


def test_an_archive_over_the_cap_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):

    monkeypatch.setattr(arrays, "_MOST_ARCHIVE_BYTES", 1000)
    np.savez_compressed(tmp_path / "big.npz", a=numbered(100))
    with pytest.raises(FormatError, match="more than 1000"):
        read_samples(tmp_path / "big.npz", EXPECTED, None)


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_samples(tmp_path / "nothing.npz", EXPECTED, None)
