"""What 8-bit activations cost: shares, noise per layer, the worst first."""

import json

import numpy as np
import pytest

from signbin.diagnose import measure_quantization
from signbin.errors import SpecError
from signbin.ir import interpret
from signbin.passes import quantize_activations
from signbin.spec import ActivationSpec


class Interpreted:
    """The interpreter as a program."""

    def __init__(self, graph):
        self.graph = graph
        self.traced = 0

    def trace(self, images):
        self.traced += len(images)
        return interpret(self.graph, {"x": images})

    def __call__(self, images):
        return interpret(self.graph, {"x": images})[self.graph.outputs[0]]


@pytest.fixture
def before(graph_builder):
    """Two convolutions and a classifier."""
    builder = graph_builder(2)

    def weight(*shape):
        numbers = builder.rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        return builder.const(numbers.astype(np.float32), f"layer{len(builder.constants)}.weight")

    value = builder.input(3, 6, 6)
    for name in ("first", "second"):
        channels = builder.type_of(value).shape[1]
        value = builder.add(
            "conv2d", value, weight=weight(8, channels, 3, 3), activation="relu", name=name
        )
    flat = builder.add("flatten", value)
    return Interpreted(
        builder.graph(builder.add("linear", flat, weight=weight(5, 32), name="last"))
    )


@pytest.fixture
def images():
    return np.random.default_rng(5).standard_normal((90, 3, 6, 6)).astype(np.float32)


def quantized(before, images, scales=None, left=()):
    """The program on codes, each value with its largest magnitude as the last step."""
    specs = {}
    for name, values in before.trace(images).items():
        zero = 0 if name in ("first", "second") else 128
        scale = np.abs(values).max() / (255 - zero) * (scales or {}).get(name, 1.0)
        specs[name] = ActivationSpec(float(np.float32(scale)), zero, 8)
    return Interpreted(quantize_activations(before.graph, specs, left))


def test_a_program_costs_nothing_against_itself(before, images):
    labels = before(images).argmax(axis=1)
    found = measure_quantization(before, before, images, labels)
    assert (found.accuracy_before, found.accuracy_after, found.top1_agreement) == (1, 1, 1)
    assert found.output_snr_db == 200
    assert {layer.snr_db for layer in found.layers} == {200}


def test_shares_are_those_of_the_two_programs(before, images):
    after = quantized(before, images)
    labels = before(images).argmax(axis=1)
    labels[:30] = (labels[:30] + 1) % 5
    found = measure_quantization(before, after, images, labels)
    answers = after(images).argmax(axis=1)
    assert found.samples == 90
    assert found.accuracy_before == pytest.approx(60 / 90)
    assert found.accuracy_after == np.mean(answers == labels)
    assert found.top1_agreement == np.mean(answers == before(images).argmax(axis=1))
    unlabelled = measure_quantization(before, after, images)
    assert unlabelled.accuracy_before is unlabelled.accuracy_after is None


def test_noise_is_the_ratio_of_powers(before, images):
    after = quantized(before, images[:10])
    found = measure_quantization(before, after, images[:10])
    exact, noisy = before(images[:10]).astype(np.float64), after(images[:10])
    expected = 10 * np.log10((exact**2).sum() / ((exact - noisy) ** 2).sum())
    assert found.output_snr_db == pytest.approx(expected)
    assert next(layer for layer in found.layers if layer.name == "last").snr_db == pytest.approx(
        expected
    )


def test_the_layer_whose_scale_is_wrong_lost_most_and_noise_is_sorted(before, images):
    after = quantized(before, images, scales={"second": 16.0})
    found = measure_quantization(before, after, images)
    assert [layer.snr_db for layer in found.layers] == sorted(
        layer.snr_db for layer in found.layers
    )
    assert max(found.layers, key=lambda layer: layer.lost_db).name == "second"
    assert {layer.name: layer.module for layer in found.layers} == {
        "first": "layer0",
        "second": "layer1",
        "last": "layer2",
    }


def test_a_layer_left_float_is_said_to_be_and_loses_nothing(before, images):
    found = measure_quantization(before, quantized(before, images, left=["first"]), images)
    first = next(layer for layer in found.layers if layer.name == "first")
    assert (first.on_codes, first.snr_db) == (False, 200)
    assert all(layer.on_codes for layer in found.layers if layer.name != "first")


def test_noise_is_traced_on_64_samples(before, images):
    after = quantized(before, images)
    before.traced = after.traced = 0
    measure_quantization(before, after, images)
    assert before.traced == after.traced == 64


def test_the_json_is_json(before, images):
    found = measure_quantization(before, quantized(before, images), images)
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert document["samples"] == 90
    assert len(document["layers"]) == 3


@pytest.mark.parametrize("labels", [np.zeros(89, np.int64), np.zeros((90, 1), np.int64)])
def test_labels_that_do_not_fit_are_refused(before, images, labels):
    with pytest.raises(SpecError, match="samples and labels"):
        measure_quantization(before, before, images, labels)
    with pytest.raises(SpecError, match="samples and labels"):
        measure_quantization(before, before, images[:0])
