"""The zoo holds the best of each kind, small, loadable, and as its cards say."""

import hashlib
import re
from pathlib import Path
from types import ModuleType

import pytest
import torch

from experiments import zoo
from signbin.errors import SpecError
from signbin.train import load_packed, load_recipe, load_run, train

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "zoo").glob("*.safetensors"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Runs of two kinds and one that is not to be kept; the network stands in for ResNet-20."""
    root = tmp_path_factory.mktemp("runs")
    usual = {"seeds": [0], "data.batch_size": 256, "batch_norm_images": 128}
    made = {
        "cpu/long": {"epochs": 2},
        "cpu/short": {"epochs": 1},
        "cpu/theirs": {"epochs": 1, "weights": "binary"},
        "cpu/narrow": {"epochs": 3, "model.width": 4},
        "cpu/float": {"epochs": 1, "weights": "float"},
    }
    for name, changes in made.items():
        config = load_recipe("digits", {**usual, "model.width": 16, **changes})
        train(config, root / name, progress=False)
    return root


@pytest.fixture
def small_zoo(monkeypatch) -> ModuleType:
    monkeypatch.setattr(zoo, "NETWORK", "digits_resnet")
    return zoo


def test_of_every_kind_the_longest_schedule_is_kept(small_zoo, runs):
    found = small_zoo.best_runs(small_zoo.finished_runs([runs]))
    assert {kind: path.name for kind, path in found.items()} == {
        **{"signed_binary": "long", "binary": "theirs"}
    }


def test_files_cards_and_the_table_agree(small_zoo, runs, tmp_path):
    path = small_zoo.keep(load_run(runs / "cpu" / "long"), tmp_path)
    assert path.name == "digits_resnet-signed-binary.safetensors"
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    table = small_zoo.table(tmp_path)
    said = float(load_packed(path).provenance["test_accuracy"])
    assert f"| 2 | 0 | {100 * said:.2f} % |" in table


def test_what_is_too_large_is_refused(small_zoo, runs, tmp_path, monkeypatch):
    monkeypatch.setattr(small_zoo, "LARGEST_BYTES", 1000)
    with pytest.raises(SpecError, match="size of digits_resnet-signed-binary"):
        small_zoo.keep(load_run(runs / "cpu" / "long"), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_network_of_the_zoo_is_small_runs_and_is_the_one_on_its_card(path):
    content = path.read_bytes()
    assert len(content) < zoo.LARGEST_BYTES
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert hashlib.sha256(content).hexdigest() in card
    packed = load_packed(path)
    clothes = path.stem.startswith("fashion-mnist")
    assert packed.class_names[0] == ("T-shirt/top" if clothes else "airplane")
    assert re.search(rf"{100 * float(packed.provenance['test_accuracy']):.2f} %", card)
    shape = (1, 28, 28) if clothes else (3, 32, 32)
    with torch.no_grad():
        scores = packed.model(torch.randn(2, *shape, generator=torch.manual_seed(0)))
    assert torch.isfinite(scores).all()
    assert scores[0].argmax() != scores[0].argmin()
