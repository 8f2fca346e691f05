"""Networks small enough to train in a second, and one finished run to read."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from signbin.train import Dataset, RunResult, TrainConfig, load_dataset, load_recipe, train

TINY = {
    "epochs": 3,
    "seeds": [0],
    "model.width": 4,
    "data.batch_size": 256,
    "batch_norm_images": 256,
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="session")
def tiny() -> Callable[..., TrainConfig]:
    """The digits recipe, shrunk; keyword arguments replace keys, ``__`` standing for a dot."""

    def make(**changes: Any) -> TrainConfig:
        dotted = {key.replace("__", "."): value for key, value in changes.items()}
        return load_recipe("digits", {**TINY, **dotted})

    return make


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A finished run of two seeds. Read only: tests that damage it work on a copy."""
    config = load_recipe("digits", {**TINY, "epochs": 1, "seeds": [3, 1]})
    return train(config, tmp_path_factory.mktemp("runs") / "finished", progress=False)


@pytest.fixture(scope="session")
def logged() -> Callable[[Path], list[dict[str, Any]]]:
    """The lines of a metrics.jsonl, without the times, which no two runs share."""

    def read(path: Path) -> list[dict[str, Any]]:
        records = [json.loads(line) for line in path.read_text().splitlines()]
        for record in records:
            assert record.pop("seconds") > record.pop("train_seconds") > 0
        return records

    return read


def write_photo(path: Path, random: np.random.Generator, size: tuple[int, int]) -> None:
    """A colourful gradient with noise: something a JPEG encoder is made for."""
    width, height = size
    slope = random.uniform(-1, 1, (3, 2))
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    planes = [128 + 100 * (a * rows + b * columns) for a, b in slope]
    pixels = np.stack(planes, 2) + random.normal(0, 8, (height, width, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="session")
def photo_tree() -> Callable[..., Path]:
    """photo_tree(root, classes=3, train=6, val=3): ImageNet's layout, images of many sizes."""

    def build(root: Path, classes: int = 3, train: int = 6, val: int = 3) -> Path:
        random = np.random.default_rng(5)
        for part, count in (("train", train), ("val", val)):
            for label in range(classes):
                for number in range(count):
                    size = (int(random.integers(40, 90)), int(random.integers(40, 90)))
                    name = f"n{label:04d}/photo_{number:03d}.JPEG"
                    write_photo(root / part / name, random, size)
        return root

    return build


@pytest.fixture(scope="session")
def tiny_imagenet_tree() -> Callable[..., Path]:
    """tiny_imagenet_tree(root, classes=3, train=8, val=9): the layout of the archive."""

    def build(root: Path, classes: int = 3, train: int = 8, val: int = 9) -> Path:
        random = np.random.default_rng(6)
        wnids = [f"n{7 * label:08d}" for label in reversed(range(classes))]
        lines = []
        for wnid in wnids:
            for number in range(train):
                path = root / "train" / wnid / "images" / f"{wnid}_{number}.JPEG"
                write_photo(path, random, (64, 64))
        for number in range(val):
            write_photo(root / "val" / "images" / f"val_{number}.JPEG", random, (64, 64))
            lines.append(f"val_{number}.JPEG\t{wnids[number % classes]}\t0\t0\t62\t62\n")
        (root / "val" / "val_annotations.txt").write_text("".join(lines))
        (root / "wnids.txt").write_text("".join(f"{wnid}\n" for wnid in wnids))
        words = [f"{wnid}\tthing {place}, something\n" for place, wnid in enumerate(wnids)]
        (root / "words.txt").write_text("".join(words))
        return root

    return build


@pytest.fixture(scope="session")
def svhn_files() -> Callable[..., Path]:
    """svhn_files(root, train=40, test=30): the MATLAB files of the archive."""

    def build(root: Path, train: int = 40, test: int = 30, **arrays: Any) -> Path:
        from scipy.io import savemat

        root.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(7)
        for part, count in (("train", train), ("test", test), ("extra", train)):
            pixels = random.integers(0, 256, (32, 32, 3, count), np.uint8, endpoint=False)
            labels = (np.arange(count) % 10 + 1).astype(np.uint8)[:, None]
            document = {"X": pixels, "y": labels, **arrays}
            savemat(root / f"{part}_32x32.mat", document)
        return root

    return build
