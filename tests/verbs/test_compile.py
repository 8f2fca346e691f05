"""compile with activations: what the Python user calls."""

import numpy as np
import pytest

import signbin
from signbin.diagnose import measure_exactness
from signbin.errors import SpecError
from signbin.verbs.compile import quantize_program
from tests.patience import soon

torch = pytest.importorskip("torch", reason="compiling a model needs torch")
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 6, 3, padding=1),
        torch.nn.BatchNorm2d(6),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(6, 8, 3),
        torch.nn.PReLU(8),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * 16, 5),
    ).eval()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).standard_normal((40, 2, 12, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def example():
    return (torch.zeros(1, 2, 12, 12),)


@pytest.mark.parametrize("bits", [7, 8])
def test_a_model_is_compiled_with_activations_of_some_bits(model, images, example, bits):
    asked = signbin.QuantizedActivations(images, bits, signbin.CalibrationMethod.MIN_MAX)
    program = signbin.compile(model, example, activations=asked)
    specs = [node.type.quantization for node in program.graph.nodes]
    assert {spec.bits for spec in specs if spec is not None} == {bits}
    assert program.artifact.provenance["activations"] == f"int{bits}"
    assert program.artifact.provenance["calibration"] == "min-max, 40 samples"
    found = measure_exactness(program.graph, program.trace(images))
    assert found.values > 0
    assert found.differing == 0
    with torch.no_grad():
        expected = model(torch.from_numpy(images)).numpy()
    noise = np.sum((program(images) - expected) ** 2) / np.sum(expected**2)
    # Three layers, each some 40 dB (8 bits) or 34 dB (7 bits) below the signal, and 7-bit weights.
    assert 10 * np.log10(noise) < (-30 if bits == 8 else -26)


def test_what_is_saved_loads_and_computes_the_same(model, images, example, tmp_path):
    asked = signbin.QuantizedActivations(images, float_layers=("0",))
    program = signbin.compile(model, example, activations=asked)
    assert program.artifact.provenance["float_layers"] == "0"
    program.save(tmp_path / "m.sbn")
    loaded = signbin.Program.load(tmp_path / "m.sbn")
    np.testing.assert_array_equal(loaded(images), program(images))


def test_codes_are_not_quantised_again(model, images, example):
    asked = signbin.QuantizedActivations(images)
    program = signbin.compile(model, example, activations=asked)
    with pytest.raises(SpecError, match="codes already"):
        quantize_program(program, asked)


def test_samples_of_another_shape_are_refused(model, images, example):
    asked = signbin.QuantizedActivations(images[:, :1])
    with pytest.raises(SpecError, match="shape of the calibration samples"):
        signbin.compile(model, example, activations=asked)


def test_samples_of_zeros_alone_are_refused(model, example):
    zeros = signbin.QuantizedActivations(np.zeros((2, 2, 12, 12), np.float32))
    with pytest.raises(SpecError, match="zeros alone"):
        signbin.compile(model, example, activations=zeros)


@pytest.mark.parametrize("activations", ["int8", 8, True])
def test_what_says_nothing_of_samples_is_refused_before_any_work(activations):
    with pytest.raises(SpecError, match=r"signbin\.QuantizedActivations\(samples\)"):
        signbin.compile(None, (), activations=activations)


def test_a_watcher_hears_what_begins_in_order(model, images, example):
    heard = []
    activations = signbin.QuantizedActivations(images)
    signbin.compile(model, example, activations=activations, watch=heard.append)
    assert heard == [
        "tracing the model",
        "planning every layer",
        "packing weights for this CPU",
        "calibrating with 40 samples",
        "planning every layer on codes",
        "packing weights for this CPU",
    ]


def test_a_network_of_millions_of_weights_is_compiled_in_seconds():
    signs = torch.where(torch.arange(256) % 2 > 0, 1.0, -1.0).view(-1, 1, 1, 1)
    body = torch.nn.Sequential(*(torch.nn.Conv2d(256, 256, 3, padding=1) for _ in range(4)))
    with torch.no_grad():
        for layer in body:
            layer.weight.copy_((torch.rand_like(layer.weight) < 0.35) * signs)
    program = soon(lambda: signbin.compile(body, (torch.zeros(1, 256, 14, 14),)), 8)  # 1 alone
    assert len(program.plan.layers) == 4
