"""Recipes for data nobody has at hand train, resume and are evaluated on trees of their layout."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from signbin.errors import FormatError
from signbin.train import (
    BlockStyle,
    ImageTask,
    ModelConfig,
    build_network,
    load_recipe,
    load_run,
    run,
    train,
)
from signbin.train.progress import Silent

SMALL = {"epochs": 2, "model.width": 4, "threads": 1, "execution.device": "cpu"}
PHOTOS = {"data.image_size": 64, "data.batch_size": 9, "data.workers": 2}


@pytest.fixture
def trees(tmp_path, photo_tree, tiny_imagenet_tree, svhn_files):
    """Per data set, a generated folder of its layout and the batch that makes two steps of it."""
    return {
        "imagenet": (photo_tree, PHOTOS),
        "tiny": (tiny_imagenet_tree, {"data.batch_size": 12}),
        "svhn": (svhn_files, {"data.batch_size": 20}),
    }


@pytest.fixture
def teacher(tmp_path):
    """A float checkpoint in torchvision's names, and what a recipe is told about it."""
    model = ModelConfig("resnet18", BlockStyle.PLAIN, width=4)
    torch.manual_seed(0)
    torch.save(build_network(model, ImageTask(3, 64, 64, 3)).state_dict(), tmp_path / "float.pth")
    return {
        "loss.teacher.checkpoint": str(tmp_path / "float.pth"),
        "loss.teacher.model": {"name": "resnet18", "block_style": "plain", "width": 4},
    }


class Killed(Silent):
    """Interrupts in the second of two steps of the second epoch."""

    steps = 0

    def end_step(self):
        self.steps += 1
        if self.steps == 3:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("recipe", "tree"),
    [
        ("imagenet-resnet18", "imagenet"),
        # The same blocks and the same recipe as of resnet18, but more of them.
        pytest.param("imagenet-resnet34", "imagenet", marks=pytest.mark.wide),
        ("imagenet-alexnet", "imagenet"),
        ("tiny-imagenet-resnet18", "tiny"),
        ("svhn-vgg-small", "svhn"),
    ],
)
def test_a_recipe_trains_resumes_and_is_evaluated(
    tmp_path, trees, teacher, monkeypatch, recipe, tree
):
    build, changes = trees[tree]
    folder = build(tmp_path / "data")
    distilled = load_recipe(recipe).loss.teacher is not None
    config = load_recipe(
        recipe,
        {**SMALL, **changes, "data.folder": str(folder), **(teacher if distilled else {})},
    )
    assert distilled == recipe.startswith("imagenet-resnet")
    train(config, tmp_path / "whole", progress=False)
    with monkeypatch.context() as patch:
        patch.setattr(run, "Silent", Killed)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "parts", progress=False)
    result = train(config, tmp_path / "parts", resume=True, progress=False)
    models = [load_file(tmp_path / n / "seed-0" / "model.safetensors") for n in ("whole", "parts")]
    assert all(torch.equal(models[0][key], models[1][key]) for key in models[0])
    found = load_run(tmp_path / "parts")
    lines = (tmp_path / "parts" / "seed-0" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 2
    with torch.no_grad():
        scores = found.model(torch.from_numpy(found.test_images.copy())).numpy()
    right = np.mean(scores.argmax(1) == found.test_labels)
    assert result.mean_accuracy == pytest.approx(right)
    assert json.loads(lines[-1])["test_accuracy"] == pytest.approx(right)


def test_the_teacher_decides_what_is_learned(tmp_path, trees, teacher):
    build, changes = trees["imagenet"]
    folder = build(tmp_path / "data")
    weights = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = ModelConfig("resnet18", BlockStyle.PLAIN, width=4)
        path = teacher["loss.teacher.checkpoint"]
        torch.save(build_network(model, ImageTask(3, 64, 64, 3)).state_dict(), path)
        config = load_recipe(
            "imagenet-resnet18",
            {**SMALL, **changes, "epochs": 1, "data.folder": str(folder), **teacher},
        )
        train(config, tmp_path / str(seed), progress=False)
        weights.append(load_file(tmp_path / str(seed) / "seed-0" / "model.safetensors"))
    assert not torch.equal(weights[0]["fc.weight"], weights[1]["fc.weight"])


@pytest.mark.parametrize(
    ("recipe", "tree", "part"),
    [
        ("imagenet-alexnet", "imagenet", "train/n0001/photo_002.JPEG"),
        ("tiny-imagenet-resnet18", "tiny", "val/images/val_1.JPEG"),
        ("svhn-vgg-small", "svhn", "test_32x32.mat"),
    ],
)
def test_a_corrupt_file_is_named_and_leaves_no_result(tmp_path, trees, recipe, tree, part):
    build, changes = trees[tree]
    folder = build(tmp_path / "data")
    damaged = folder / part
    damaged.write_bytes(damaged.read_bytes()[:200])
    config = load_recipe(recipe, {**SMALL, **changes, "data.folder": str(folder)})
    with pytest.raises(FormatError, match=damaged.name.replace(".", r"\.")):
        train(config, tmp_path / "run", progress=False)
    assert not (tmp_path / "run" / "summary.json").exists()


@pytest.mark.parametrize("recipe", ["cifar10-resnet20", "one-bit"])
@pytest.mark.parametrize("weights", ["signed_binary", "float"])
def test_a_recipe_for_cifar_10_trains_on_images_of_its_shape(tmp_path, recipe, weights):
    generated = {"name": "generated", "shape": [3, 32, 32], "classes": 10, "batch_size": 16}
    changes = {"data": {**generated, "flip": True, "shift": 4, "cutout": 16}, "weights": weights}
    if recipe == "one-bit":
        changes["optimizer.milestones"] = [1]
    config = load_recipe(recipe, {**SMALL, "batch_norm_images": 32, **changes})
    train(config, tmp_path / "run", progress=False)
    lines = (tmp_path / "run" / "seed-0" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["train_loss"] for line in lines]
    assert len(losses) == 2
    assert max(losses) < 4, "a few steps stay near chance, ln 10 = 2.3, and do not diverge"
