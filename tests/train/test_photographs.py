"""Photographs of any size, read while training: layout, crops, and threads that change nothing."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from signbin.errors import ExecutionError, FormatError, SpecError
from signbin.runtime.images import load_image
from signbin.spec import Preprocessing
from signbin.train import DataConfig, load_dataset
from signbin.train.data import HeldOut, ImageFiles, SamplerOptions, make_sampler, some_images
from signbin.train.data.file_sampler import FileSampler, read_ahead
from signbin.train.data.photographs import photographs
from signbin.train.data.transforms import _random_box, jittered, random_resized_crop

PREPROCESSING = Preprocessing(3, 32, 32, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4), resize=36)


@pytest.fixture(scope="session")
def tree(tmp_path_factory, photo_tree) -> Path:
    return photo_tree(tmp_path_factory.mktemp("photos"))


def batches(sampler):
    return list(sampler.remaining_batches())


def same(first, second):
    return len(first) == len(second) and all(
        torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels)
        for a, b in zip(first, second, strict=True)
    )


def sampler_of(tree, **options):
    found = photographs(tree, "image_folder", 32)
    chosen = {"batch_size": 5, "random_crop": True, "flip": True, "jitter": 0.4, **options}
    return make_sampler(found.train, found.preprocessing, SamplerOptions(**chosen))


def test_the_layout_of_imagenet_is_read_without_decoding(tree):
    found = load_dataset(DataConfig("imagenet", folder=str(tree)))
    assert (found.title, found.shape) == ("ImageNet", (3, 224, 224))
    assert found.preprocessing.resize == 256
    assert found.class_names == ("n0000", "n0001", "n0002")
    assert isinstance(found.train, ImageFiles)
    assert (len(found.train), len(found.test)) == (18, 9)
    assert found.train.labels.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    assert found.train.names[7] == "train/n0001/photo_001.JPEG"


def test_the_hash_sees_names_sizes_and_labels(tree, tmp_path, photo_tree):
    first = photographs(tree, "imagenet").sha256
    assert photographs(tree, "imagenet").sha256 == first
    copy = photo_tree(tmp_path)
    assert photographs(copy, "imagenet").sha256 == first
    path = copy / "train" / "n0001" / "photo_001.JPEG"
    path.write_bytes(path.read_bytes() + b"\0")
    assert photographs(copy, "imagenet").sha256 != first


def test_an_empty_class_folder_is_refused_by_name(tmp_path, photo_tree):
    tree = photo_tree(tmp_path)
    (tree / "train" / "n0003").mkdir()
    with pytest.raises(FormatError, match=r"without images: got '.*train/n0003'"):
        photographs(tree, "imagenet")


def test_parts_with_other_classes_are_refused_by_name(tmp_path, photo_tree):
    tree = photo_tree(tmp_path)
    (tree / "val" / "n0002").rename(tree / "val" / "n0009")
    with pytest.raises(FormatError, match=r"classes in .*val: got 'n0002, n0009'"):
        photographs(tree, "imagenet")


def test_a_corrupt_image_stops_training_with_its_name(tmp_path, photo_tree):
    tree = photo_tree(tmp_path)
    path = tree / "train" / "n0001" / "photo_003.JPEG"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(FormatError, match=r"photo_003\.JPEG cannot be used"):
        batches(sampler_of(tree, batch_size=18))


def test_testing_sees_what_the_runtime_computes_from_the_file(tree):
    found = photographs(tree, "imagenet", 32)
    (batch,) = HeldOut(found.test, found.preprocessing, workers=2)
    for image, name in zip(batch.images, found.test.names, strict=True):
        expected = load_image(tree / name, found.preprocessing)
        np.testing.assert_array_equal(image.numpy(), expected)


def test_the_number_of_threads_changes_nothing(tree):
    one = batches(sampler_of(tree, workers=1))
    assert same(one, batches(sampler_of(tree, workers=4)))
    assert len(one) == 3


def test_seed_and_epoch_decide_order_and_crops(tree):
    first, again, other = (sampler_of(tree, seed=seed) for seed in (1, 1, 2))
    start = batches(first)
    assert same(start, batches(again))
    assert not same(start, batches(other))
    assert not same(start, batches(first))


def test_it_continues_in_the_middle_of_an_epoch(tree):
    whole = sampler_of(tree)
    expected = batches(whole) + batches(whole)
    stopped, taken = sampler_of(tree), []
    taken += batches(stopped)
    iterator = stopped.remaining_batches()
    taken.append(next(iterator))
    iterator.close()
    continued = sampler_of(tree)
    continued.load_state_dict(stopped.state_dict())
    assert same(expected, taken + batches(continued))


def test_a_random_crop_is_a_part_of_the_photograph_with_bounded_area_and_ratio():
    random = np.random.default_rng(0)
    areas, ratios = [], []
    for _ in range(2000):
        left, top, right, bottom = _random_box(120, 90, random)
        assert 0 <= left < right <= 120
        assert 0 <= top < bottom <= 90
        areas.append((right - left) * (bottom - top) / (120 * 90))
        ratios.append((right - left) / (bottom - top))
    # Sides are whole pixels: a little beyond the bounds of area and ratio.
    assert 0.07 < min(areas) < 0.12
    assert max(areas) > 0.9
    assert 0.72 < min(ratios) < 0.78
    assert 1.28 < max(ratios) < 1.4


def test_a_photograph_too_narrow_for_every_draw_gives_its_largest_square():
    assert _random_box(400, 10, np.random.default_rng(0)) == (195, 0, 205, 10)


def test_a_crop_of_a_constant_image_is_constant():
    image = Image.new("RGB", (50, 70), (10, 20, 30))
    crop = random_resized_crop(image, PREPROCESSING, np.random.default_rng(1))
    assert crop.size == (32, 32)
    assert (np.asarray(crop) == (10, 20, 30)).all()


def test_jitter_changes_colours_within_its_bounds_and_none_is_none():
    image = Image.new("RGB", (8, 8), (100, 100, 100))
    brightness = set()
    for seed in range(200):
        value = jittered(image, 0.4, np.random.default_rng(seed)).getpixel((0, 0))
        assert value[0] == value[1] == value[2], "grey stays grey"
        brightness.add(value[0])
    assert min(brightness) in range(59, 66)
    assert max(brightness) in range(134, 141)
    assert jittered(image, 0.0, np.random.default_rng(0)).tobytes() == image.tobytes()


def test_without_augmentation_training_sees_the_centre_crop(tree):
    sampler = sampler_of(tree, random_crop=False, flip=False, jitter=0.0, batch_size=18)
    found = photographs(tree, "imagenet", 32)
    (batch,) = batches(sampler)
    expected = {
        load_image(tree / name, found.preprocessing).tobytes() for name in found.train.names
    }
    assert {image.numpy().tobytes() for image in batch.images} == expected


def test_some_images_are_spread_over_the_classes(tree):
    found = photographs(tree, "imagenet", 32)
    some = some_images(found.train, 9, found.preprocessing)
    assert set(some.labels.tolist()) == {0, 1, 2}
    assert torch.equal(some.images, some_images(found.train, 9, found.preprocessing).images)


def test_reading_ahead_keeps_the_order_and_reads_no_further_than_asked():
    started, lock = [], threading.Lock()

    def load(item):
        with lock:
            started.append(item)
        time.sleep(0.001 * (5 - item % 5))
        return item * 10

    results = read_ahead(load, range(40), workers=4, ahead=6)
    assert [next(results) for _ in range(3)] == [0, 10, 20]
    time.sleep(0.05)
    assert len(started) <= 3 + 6
    results.close()
    assert list(read_ahead(load, range(12), 3, 5)) == [10 * item for item in range(12)]


def test_an_error_of_one_item_comes_where_its_result_would():
    def load(item):
        if item == 3:
            raise FormatError("broken")
        return item

    results = read_ahead(load, range(10), workers=2, ahead=8)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(FormatError, match="broken"):
        next(results)


def test_files_without_labels_are_refused(tmp_path):
    with pytest.raises(SpecError, match="image files"):
        ImageFiles(tmp_path, ("a",), (1,), np.zeros(2, np.int64))
    with pytest.raises(SpecError, match="image files"):
        ImageFiles(tmp_path, (), (), np.zeros(0, np.int64))


def test_the_sampler_of_files_is_the_one_for_files(tree):
    assert isinstance(sampler_of(tree), FileSampler)


def test_threads_that_the_system_does_not_start_are_an_error_of_ours(monkeypatch):
    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(ExecutionError, match=r"threads that decode images.*data\.workers"):
        next(read_ahead(int, range(3), workers=2, ahead=2))
