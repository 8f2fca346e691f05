"""Networks small enough to train in a second, and one finished run to read."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

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
            assert record.pop("seconds") > 0
        return records

    return read
