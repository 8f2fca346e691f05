"""One name per layer: every verb calls a layer by the module that holds its weights."""

from __future__ import annotations


def modules(document, which=lambda layer: True) -> list[str]:
    return [layer["module"] for layer in document["layers"] if which(layer)]


def test_every_verb_calls_the_layers_by_the_same_names(
    signbin, trained, compiled, tmp_path
) -> None:
    again = signbin("compile", trained, "-o", tmp_path / "again.sbn", "--json").document
    names = modules(again)
    assert "stages.0.0.conv1" in names
    profiled = signbin("profile", compiled, "--repeats", 1, "--json").document
    assert modules(profiled, lambda layer: layer["strategy"] != "direct") == names
    assert modules(signbin("analyze", compiled, "--json").document) == names
    assert modules(signbin("analyze", trained, "--json").document) == names
    energy = signbin("energy", compiled, "--json").document
    assert set(modules(energy)) <= set(names)
    compared = signbin("compare", trained, compiled, "--samples", 2, "--json").document
    assert set(names) <= {layer["source"] for layer in compared["layers"]}
