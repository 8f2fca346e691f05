"""new: a network to measure, compiled and compared like a trained one."""

import json
from pathlib import Path

import pytest


def test_a_new_network_compiles_and_agrees_with_pytorch(signbin, tmp_path: Path) -> None:
    small = ("--density", "0.3", "--seed", 4, "--image-size", 16)
    made = signbin("new", "resnet20", *small, "-o", tmp_path / "net")
    assert made.code == 0, made.err
    assert "seed 4" in made.out
    assert "p0" in made.out
    assert "untrained" in made.err
    built = signbin("compile", tmp_path / "net", "-o", tmp_path / "net.sbn", "--json")
    assert built.code == 0, built.err
    layers = built.document["layers"]
    assert sum(layer["value_set"] == "signed_binary" for layer in layers) == 18
    compared = signbin("compare", tmp_path / "net", tmp_path / "net.sbn", "--samples", 2, "--json")
    assert compared.code == 0, compared.err
    assert compared.document["max_relative_error"] <= 1e-4


def test_the_summary_is_the_only_thing_on_standard_output(signbin, tmp_path: Path) -> None:
    result = signbin(
        *("new", "digits_resnet", "--weights", "binary", "--block-style", "paper"),
        *("-o", tmp_path / "net", "--json"),
    )
    assert result.code == 0
    assert result.document == json.loads((tmp_path / "net" / "summary.json").read_text("utf-8"))
    assert result.document["trained"] is False
    assert "--density is ignored" in result.err


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("resnet19",), "resnet18"),
        (("resnet20", "--weights", "quaternary"), "--weights"),
        (("resnet20", "--block-style", "fancy"), "--block-style"),
        (("resnet20", "--density", "0"), "density"),
        (("vgg11", "--image-size", "8"), "image size"),
    ],
)
def test_a_mistake_is_named_and_leaves_nothing(
    signbin, tmp_path: Path, options: tuple[str, ...], named: str
) -> None:
    result = signbin("new", *options, "-o", tmp_path / "net")
    assert result.code == 1
    assert named in result.err
    assert list(tmp_path.iterdir()) == []
