"""Shapes, random layers and floors."""

import dataclasses
import os

import numpy as np
import pytest

from signbin.artifact import Artifact
from signbin.errors import FormatError, SpecError
from signbin.ir import interpret, verify
from signbin.plan import Strategy
from signbin.runtime import Program
from signbin.spec import ValueSet


def test_every_shape_file_is_read_and_makes_a_layer(script) -> None:
    layers = script("layers")
    for file in layers.SHAPES.glob("*.txt"):
        for shape in layers.read_shapes(file.stem):
            if shape.macs < 10_000_000:
                verify(layers.one_layer(shape, layers.random_weight(shape, "float", 1.0)))


def test_a_shape_that_occurs_twice_is_measured_once(script) -> None:
    shapes = script("layers").read_shapes("resnet18")
    assert len(shapes) == 7
    assert len({str(shape) for shape in shapes}) == 7


def test_how_often_a_shape_occurs_is_counted(script) -> None:
    counts = script("layers").count_shapes("resnet18")
    assert tuple(counts) == script("layers").read_shapes("resnet18")
    assert sum(counts.values()) == 16  # all 3x3 convolutions of the four stages
    assert max(counts.values()) == 4


def test_a_shape_counts_its_multiply_accumulates(script) -> None:
    shape = script("layers").Shape("s", 128, 64, 56, 56, 3, 3, 2, 1, 1)
    assert shape.output == (28, 28)
    assert shape.macs == 128 * 64 * 9 * 28 * 28
    assert str(shape) == "64->128 @56x56 3x3 /2"


@pytest.mark.parametrize("kind", ["signed_binary", "binary", "ternary"])
def test_random_weights_are_of_their_kind_and_density(script, kind: str) -> None:
    layers = script("layers")
    weight = layers.random_weight(layers.Shape("s", 64, 64, 8, 8, 3, 3, 1, 1, 1), kind, 0.3)
    assert weight.value_set is ValueSet(kind)
    assert weight.density == pytest.approx(1.0 if kind == "binary" else 0.3, abs=0.01)


def test_the_layer_of_a_network_computes_what_it_does_alone(script) -> None:
    layers = script("layers")
    shape = layers.Shape("s", 8, 6, 9, 7, 3, 3, 2, 1, 2)
    weight = layers.random_weight(shape, "signed_binary", 0.4)
    images = np.maximum(layers.images_for(shape, 2), 0)
    alone = interpret(layers.one_layer(shape, weight, alone=True), {"x": images})["layer"]
    inside = interpret(layers.one_layer(shape, weight), {"x": images})["after"]
    assert np.array_equal(alone, inside)


def test_an_unknown_shape_file_and_a_broken_line_are_refused(script, monkeypatch, tmp_path) -> None:
    layers = script("layers")
    with pytest.raises(SpecError, match="resnet18"):
        layers.read_shapes("no-such-network")
    monkeypatch.setattr(layers, "SHAPES", tmp_path)
    (tmp_path / "broken.txt").write_text("conv 1 2 3\n")
    with pytest.raises(FormatError, match=r"broken\.txt"):
        layers.read_shapes("broken")


def test_the_floor_of_a_walk_counts_its_load_adds(script) -> None:
    layers, roofline = script("layers"), script("roofline")
    shape = layers.Shape("s", 16, 16, 8, 8, 3, 3, 1, 1, 1)
    graph = layers.one_layer(shape, layers.random_weight(shape, "signed_binary", 0.35))
    chosen = Program(Artifact(graph)).plan.for_layer("layer")
    bucket = {"strategy": Strategy.BUCKET, "parameters": {"filters": 4, "vectors": 1, "chunk": 16}}
    plan = dataclasses.replace(chosen, **bucket)
    peaks = roofline.Peaks(fma_per_s=1e9, load_adds_per_s=1e9, bytes_per_s=1e12)
    floor = roofline.planned_floor_ms(shape, graph, plan, peaks)
    codes = graph.constants["weight"].codes.reshape(16, -1)
    groups = [codes[first : first + 4] for first in range(0, 16, 4)]
    load_adds = sum(int(np.any(group != 0, axis=0).sum()) for group in groups)
    assert floor == pytest.approx(1e3 * load_adds * (64 / 8) / 1e9)
    assert roofline.dense_floor_ms(shape, peaks) == pytest.approx(1e3 * shape.macs / 1e9)


def test_the_peaks_of_this_machine_are_plausible(script) -> None:
    peaks = script("roofline").measure_peaks(max(os.sched_getaffinity(0)))
    assert 1e9 < peaks.load_adds_per_s < 1e11
    assert 1e9 < peaks.fma_per_s < 1e12
    assert 1e8 < peaks.bytes_per_s < 1e12
