"""pack: a small file with a card, compiled like the run it came from."""

import numpy as np
import pytest
import torch

from signbin.runtime import Program
from signbin.train import load_packed, load_run

LARGEST = 200_000


def test_a_packed_network_compiles_and_agrees_with_the_run(signbin, trained, tmp_path):
    file, compiled = tmp_path / "net.safetensors", tmp_path / "net.sbn"
    result = signbin("pack", trained, "-o", file, "--seed", 5, "--json")
    assert result.code == 0, result.err
    assert result.document["provenance"]["seed"] == "5"
    assert result.document["bytes"] == file.stat().st_size
    assert signbin("compile", file, "-o", compiled).code == 0
    run = load_run(trained, seed=5)
    with torch.no_grad():
        expected = run.model(torch.from_numpy(run.test_images.copy())).numpy()
    program = Program.load(compiled)
    np.testing.assert_allclose(program(run.test_images), expected, rtol=1e-4, atol=1e-4)
    assert {entry.strategy.value for entry in program.plan.layers} & {"bucket"}
    assert signbin("compare", file, compiled).code == 0


def test_the_card_says_what_the_network_is_and_repeats_no_folder(signbin, trained, tmp_path):
    assert signbin("pack", trained, "-o", tmp_path / "net.safetensors").code == 0
    card = (tmp_path / "net.md").read_text("utf-8")
    run = load_run(trained)
    assert f"{100 * run.metrics[-1]['test_accuracy']:.2f} %" in card
    assert run.dataset.sha256 in card
    assert "1 epochs" in card
    assert "{0,+1} or {0,-1} per region" in card
    assert str(trained.parent) not in card


def test_a_file_that_is_there_is_kept_unless_forced(signbin, trained, tmp_path):
    (tmp_path / "net.md").write_text("mine", encoding="utf-8")
    result = signbin("pack", trained, "-o", tmp_path / "net.safetensors")
    assert result.code == 1
    assert "net.md" in result.err
    assert not (tmp_path / "net.safetensors").exists()


@pytest.mark.parametrize("weights", ["signed_binary", "binary", "ternary"])
def test_resnet20_stays_below_200_kb(signbin, tmp_path, weights):
    new = ("new", "resnet20", "--weights", weights, "--block-style", "paper")
    assert signbin(*new, "-o", tmp_path / "run").code == 0
    assert signbin("pack", tmp_path / "run", "-o", tmp_path / "net.safetensors").code == 0
    assert (tmp_path / "net.safetensors").stat().st_size < LARGEST
    assert load_packed(tmp_path / "net.safetensors").example.shape == (2, 3, 32, 32)
