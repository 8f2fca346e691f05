import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits

from signbin.errors import SpecError
from signbin.spec import Preprocessing
from signbin.train import DataConfig, load_dataset, write_test_images
from signbin.train.data import (
    HeldOut,
    Images,
    Placement,
    Sampler,
    SamplerOptions,
    held_out,
    normalize,
)

# Pinned: a change of this number is a change of the split or the images, and of every result.
DIGITS_SHA256 = "adcbb3a76f458a5cd45aad6ba9a0b22ba99a6dfdbec440b9bf53398f04423b9f"


def test_the_digits_and_their_split_never_change(digits):
    assert digits.sha256 == DIGITS_SHA256
    assert load_dataset("digits").sha256 == DIGITS_SHA256


def test_the_digits_split_uses_every_image_once_and_a_fifth_of_each_class_for_testing(digits):
    bundle = load_digits()
    everything = np.concatenate([digits.train.pixels, digits.test.pixels])
    labels = np.concatenate([digits.train.labels, digits.test.labels])
    original = np.rint(bundle.images * 255 / 16).astype(np.uint8).reshape(1797, -1)
    found = everything.reshape(1797, -1)

    def sorted_rows(pixels, targets):
        return sorted(zip(pixels.tolist(), targets.tolist(), strict=True))

    assert sorted_rows(found, labels) == sorted_rows(original, bundle.target)
    for digit in range(10):
        total = int((labels == digit).sum())
        assert abs(int((digits.test.labels == digit).sum()) - 0.2 * total) <= 0.5


def test_a_pixel_over_255_is_the_grey_value_over_16(digits):
    grey = np.rint(digits.train.pixels / 255 * 16)
    assert set(np.unique(grey)) == set(range(17))
    assert np.abs(digits.train.pixels / 255 - grey / 16).max() <= 1 / 510


def test_training_images_have_mean_0_and_standard_deviation_1_after_normalization(digits):
    x = normalize(digits.train.pixels, digits.preprocessing).astype(np.float64)
    assert abs(x.mean()) < 2e-3
    assert abs(x.std() - 1) < 2e-3


def test_normalization_is_per_channel():
    preprocessing = Preprocessing(3, 1, 1, mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 0.25))
    pixels = np.full((1, 3, 1, 1), 255, np.uint8)
    np.testing.assert_array_equal(normalize(pixels, preprocessing).ravel(), [1.0, 1.0, 0.0])


def test_images_of_another_shape_are_refused(digits):
    with pytest.raises(SpecError, match="image shape"):
        normalize(np.zeros((1, 3, 8, 8), np.uint8), digits.preprocessing)


def test_a_png_of_a_digit_decodes_to_exactly_the_training_input(digits, tmp_path: Path):
    paths = write_test_images(tmp_path / "images", 12, digits)
    inputs = normalize(digits.test.pixels, digits.preprocessing)
    for path in paths:
        name, index = path.stem.split("-")
        pixels = np.asarray(Image.open(path))[np.newaxis, np.newaxis]
        np.testing.assert_array_equal(
            normalize(pixels, digits.preprocessing)[0], inputs[int(index)]
        )
        assert name == digits.class_names[digits.test.labels[int(index)]]


def test_few_test_images_show_many_classes(digits, tmp_path: Path):
    paths = write_test_images(tmp_path, 10, digits)
    assert [path.name[0] for path in paths] == list("0123456789")
    assert sorted(tmp_path.iterdir()) == sorted(paths)


@pytest.mark.parametrize("count", [0, -1, 100000])
def test_an_impossible_number_of_images_is_refused(digits, tmp_path: Path, count):
    with pytest.raises(SpecError, match="number of images"):
        write_test_images(tmp_path / "none", count, digits)
    assert not (tmp_path / "none").exists()


def test_an_unknown_data_set_is_refused_and_the_known_ones_are_named():
    with pytest.raises(SpecError, match="data set: got 'mnist'; allowed: digits"):
        load_dataset("mnist")


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.floats(0.05, 0.95))
@settings(deadline=None, max_examples=30)
def test_a_split_holds_out_its_share_of_every_class(labels, share):
    array = np.asarray(labels, np.int64)
    chosen = held_out(array, share, "salt")
    for label in set(labels):
        members = array == label
        assert chosen[members].sum() == round(share * int(members.sum()))


def test_another_salt_is_another_split():
    labels = np.zeros(100, np.int64)
    first, second = held_out(labels, 0.5, "a"), held_out(labels, 0.5, "b")
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, held_out(labels, 0.5, "a"))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_a_split_of_nothing_or_everything_is_refused(share):
    with pytest.raises(SpecError, match="held-out share"):
        held_out(np.zeros(4, np.int64), share, "salt")


def test_images_must_be_bytes_with_a_label_each():
    with pytest.raises(SpecError, match="pixels"):
        Images(np.zeros((2, 1, 8, 8), np.float32), np.zeros(2, np.int64))  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="labels"):
        Images(np.zeros((2, 1, 8, 8), np.uint8), np.zeros(3, np.int64))


def batches(sampler, epochs=1):
    return [batch for _ in range(epochs) for batch in sampler.remaining_batches()]


def same(first, second):
    return len(first) == len(second) and all(
        torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels)
        for a, b in zip(first, second, strict=True)
    )


def sampler_of(dataset, **options):
    return Sampler(
        dataset.train, dataset.preprocessing, SamplerOptions(**{"batch_size": 500, **options})
    )


def test_the_seed_decides_the_batches(digits):
    first = batches(sampler_of(digits, shift=1, seed=1), 2)
    assert same(first, batches(sampler_of(digits, shift=1, seed=1), 2))
    assert not same(first, batches(sampler_of(digits, shift=1, seed=2), 2))
    assert not same(first[:2], first[2:])


def test_a_sampler_continues_in_the_middle_of_an_epoch(digits):
    whole = batches(sampler_of(digits, batch_size=400, shift=1), 3)
    stopped = sampler_of(digits, batch_size=400, shift=1)
    start = batches(stopped)
    iterator = stopped.remaining_batches()
    start.append(next(iterator))
    continued = sampler_of(digits, batch_size=400, shift=1)
    continued.load_state_dict(stopped.state_dict())
    assert (continued.epoch, continued.position) == (1, 1)
    assert same(whole, start + batches(continued, 2))


def test_an_epoch_shows_every_image_at_most_once_and_drops_only_the_last_batch(digits):
    source = Images(
        np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1).repeat(8, 2).repeat(8, 3),
        np.arange(100),
    )
    sampler = Sampler(source, digits.preprocessing, SamplerOptions(batch_size=30))
    labels = torch.cat([batch.labels for batch in batches(sampler)])
    assert sampler.batches_per_epoch == 3
    assert len(labels) == len(set(labels.tolist())) == 90


def test_without_shift_batches_hold_the_normalized_images(digits):
    batch = batches(sampler_of(digits))[0]
    inputs = normalize(digits.train.pixels, digits.preprocessing)
    known = {row.tobytes() for row in inputs}
    assert all(row.tobytes() in known for row in batch.images.numpy())


def test_images_are_shifted_by_every_amount_up_to_the_limit_and_black_enters(digits):
    pixels = np.zeros((64, 1, 8, 8), np.uint8)
    pixels[:, :, 3, 4] = 255
    source = Images(pixels, np.zeros(64, np.int64))
    sampler = Sampler(source, digits.preprocessing, SamplerOptions(batch_size=64, shift=2))
    images = batches(sampler)[0].images.numpy()
    black = normalize(np.zeros((1, 1, 8, 8), np.uint8), digits.preprocessing)[0, 0, 0, 0]
    moves = set()
    for image in images:
        row, column = np.unravel_index(image[0].argmax(), (8, 8))
        moves.add((int(row) - 3, int(column) - 4))
        assert (image[0] == black).sum() == 63
    assert {move[0] for move in moves} == {move[1] for move in moves} == {-2, -1, 0, 1, 2}


def test_channels_stay_in_place_when_images_are_shifted():
    pixels = np.zeros((4, 3, 5, 6), np.uint8)
    pixels[:, 1] = 100
    preprocessing = Preprocessing(3, 5, 6, mean=(0.0,) * 3, std=(1.0,) * 3)
    sampler = Sampler(
        Images(pixels, np.zeros(4, np.int64)), preprocessing, SamplerOptions(4, shift=1)
    )
    images = batches(sampler)[0].images
    assert images.shape == (4, 3, 5, 6)
    assert images[:, 1].max() > 0
    assert images[:, (0, 2)].abs().max() == 0


@pytest.mark.parametrize("size", [1, 10**6])
def test_a_batch_that_cannot_be_filled_is_refused(digits, size):
    with pytest.raises(SpecError, match="batch_size"):
        sampler_of(digits, batch_size=size)


def test_the_hash_sees_pixels_labels_and_the_split(digits):
    moved = dataclasses.replace(digits, train=digits.test, test=digits.train)
    labels = digits.test.labels.copy()
    labels[0] = (labels[0] + 1) % 10
    relabelled = dataclasses.replace(digits, test=Images(digits.test.pixels, labels))
    assert len({digits.sha256, moved.sha256, relabelled.sha256}) == 3


def test_flipping_mirrors_about_half_the_images_and_nothing_else(digits):
    pixels = np.zeros((200, 1, 8, 8), np.uint8)
    pixels[:, :, 2, 1] = 255
    source = Images(pixels, np.zeros(200, np.int64))
    sampler = Sampler(source, digits.preprocessing, SamplerOptions(batch_size=200, flip=True))
    images = batches(sampler)[0].images.numpy()
    places = [divmod(int(image.argmax()), 8) for image in images]
    assert set(places) == {(2, 1), (2, 6)}
    assert 60 < places.count((2, 6)) < 140


def test_flipping_leaves_order_and_shifts_as_they_are(digits):
    plain = batches(sampler_of(digits, shift=2))[0].images
    flipped = batches(sampler_of(digits, shift=2, flip=True))[0].images
    mirrored = plain.flip(3)
    for one, other, both in zip(flipped, plain, mirrored, strict=True):
        assert torch.equal(one, other) or torch.equal(one, both)
    assert not torch.equal(flipped, plain)


def test_cutout_blackens_one_square_around_any_pixel_and_nothing_else():
    pixels = np.full((3000, 3, 6, 7), 200, np.uint8)
    preprocessing = Preprocessing(3, 6, 7, mean=(0.0,) * 3, std=(1.0,) * 3)
    options = SamplerOptions(3000, cutout=3)
    sampler = Sampler(Images(pixels, np.zeros(3000, np.int64)), preprocessing, options)
    images = batches(sampler)[0].images
    assert torch.equal(images[:, 0], images[:, 1])
    middles = {(r, c): 0 for r in range(6) for c in range(7)}
    for image in images[:, 0]:
        rows, columns = np.nonzero(image.numpy() == 0)
        (top, bottom), (left, right) = ((x.min(), x.max()) for x in (rows, columns))
        assert len(rows) == (bottom - top + 1) * (right - left + 1)
        # A square that the edge cuts has two lines; whole ones have three.
        row = 0 if bottom == 1 and top == 0 else top + 1
        column = 0 if right == 1 and left == 0 else left + 1
        middles[int(row), int(column)] += 1
    # 3000 draws of 42 places: 71 each, deviation 8.4.
    assert min(middles.values()) > 71 - 5 * 8.4
    assert max(middles.values()) < 71 + 5 * 8.4


@pytest.mark.parametrize("side", [1, 2, 3, 8, 16])
def test_cutout_has_the_side_that_was_asked_for(side):
    pixels = np.full((500, 1, 40, 40), 200, np.uint8)
    preprocessing = Preprocessing(1, 40, 40, mean=(0.0,), std=(1.0,))
    options = SamplerOptions(500, cutout=side)
    sampler = Sampler(Images(pixels, np.zeros(500, np.int64)), preprocessing, options)
    black = (batches(sampler)[0].images == 0).sum((1, 2, 3))
    assert black.max() == side**2
    assert black.min() >= ((side + 1) // 2) ** 2


def test_cutout_leaves_order_shifts_and_mirrors_as_they_are(digits):
    plain = batches(sampler_of(digits, shift=2, flip=True))[0].images
    cut = batches(sampler_of(digits, shift=2, flip=True, cutout=4))[0].images
    black = normalize(np.zeros((1, 1, 8, 8), np.uint8), digits.preprocessing)[0, 0, 0, 0]
    assert ((cut == plain) | (cut == float(black))).all()
    assert not torch.equal(cut, plain)


def test_images_are_small_in_the_first_epochs_and_whole_afterwards(digits):
    small = batches(sampler_of(digits, shift=1, low_resolution=4, low_resolution_epochs=1), 2)
    whole = batches(sampler_of(digits, shift=1), 2)
    half = len(small) // 2
    assert {tuple(batch.images.shape[2:]) for batch in small[:half]} == {(4, 4)}
    assert same(small[half:], whole[half:])
    pairs = torch.nn.functional.avg_pool2d(whole[0].images, 2)
    # Antialiased bilinear weights reach beyond the pair; means and places are kept.
    assert torch.corrcoef(torch.stack([pairs.flatten(), small[0].images.flatten()]))[0, 1] > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cutout": -1}, "data.cutout: got -1"),
        ({"low_resolution": 16}, "low_resolution_epochs: got .16, 0.; allowed: both, or neither"),
        ({"low_resolution_epochs": 2}, "both, or neither"),
        ({"low_resolution": 2, "low_resolution_epochs": 2}, "data.low_resolution: got 2"),
    ],
)
def test_variations_outside_their_range_are_refused_by_name(options, message):
    with pytest.raises(SpecError, match=message):
        DataConfig("digits", **options)


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_an_epoch_as_one_process_with_their_batch_would_see_it(digits, processes):
    options = {"shift": 1, "flip": True, "seed": 4}
    together = batches(sampler_of(digits, batch_size=100 * processes, **options), 2)
    parts = [
        batches(sampler_of(digits, batch_size=100, rank=rank, processes=processes, **options), 2)
        for rank in range(processes)
    ]
    for step, whole in enumerate(together):
        images = torch.cat([part[step].images for part in parts])
        assert torch.equal(images, whole.images)
        assert torch.equal(torch.cat([part[step].labels for part in parts]), whole.labels)


def test_batches_are_stored_as_they_are_wanted(digits):
    placement = Placement(memory_format=torch.channels_last)
    options = SamplerOptions(batch_size=50, shift=1)
    (first, *_) = Sampler(
        digits.train, digits.preprocessing, options, placement
    ).remaining_batches()
    plain = next(Sampler(digits.train, digits.preprocessing, options).remaining_batches())
    assert first.images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(first.images, plain.images)


def test_held_out_images_come_in_order_and_are_shared_among_processes(digits):
    everything = list(HeldOut(digits.test, digits.preprocessing))
    images = torch.cat([batch.images for batch in everything]).numpy()
    np.testing.assert_array_equal(images, normalize(digits.test.pixels, digits.preprocessing))
    shares = [
        list(HeldOut(digits.test, digits.preprocessing, rank=rank, processes=2)) for rank in (0, 1)
    ]
    assert same(everything, [shares[0][0], shares[1][0]])


def test_a_label_outside_the_classes_is_refused(digits):
    labels = digits.test.labels.copy()
    labels[3] = 10
    with pytest.raises(SpecError, match=r"labels of data set digits: got 10; allowed: 0\.\.9"):
        dataclasses.replace(digits, test=Images(digits.test.pixels, labels))
