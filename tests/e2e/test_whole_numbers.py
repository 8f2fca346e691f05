"""The contract of 8-bit activations: a program gives the interpreter's bits, however it runs."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin import native
from signbin.artifact import Artifact, decode, encode
from signbin.calibrate import CalibrationMethod, QuantizedActivations, calibrate
from signbin.diagnose import measure_exactness
from signbin.ir import interpret
from signbin.passes import lower, quantize_activations
from signbin.runtime import Program

pytestmark = pytest.mark.e2e

# Every way a program can be made to run: options of Program. All must give the same bits.
WAYS = [
    {"isa": isa, "jit": jit}
    for isa in dict.fromkeys(kernel.isa for kernel in native.kernels() if kernel.usable)
    for jit in ((True, False) if isa == "avx2" else (False,))
]
SEEDS = st.integers(0, 2**32 - 1)
# Mostly one: where there are more of them than cores they wait for one another.
THREADS = st.sampled_from([1, 1, 1, 1, 2, 3, 8])
BATCHES = st.integers(1, 17)


def named(way):
    return way["isa"] + ("-jit" if way["jit"] else "")


def check_every_way(graph, inputs, threads):
    expected = interpret(graph, inputs)
    artifact = decode(encode(Artifact(graph)))
    images = inputs[graph.inputs[0].name]
    for way in WAYS:
        program = Program(artifact, threads=threads, **way)
        found = program.trace(images)
        assert list(found) == list(expected), named(way)
        for name, values in expected.items():
            assert found[name].dtype == values.dtype
            np.testing.assert_array_equal(found[name], values, err_msg=f"{named(way)}: {name}")
        last = expected[graph.outputs[0]]
        np.testing.assert_array_equal(program(images), last, err_msg=named(way))


@pytest.fixture(scope="module")
def check_random(random_quantized_network, random_inputs):
    """check_random(seed, width, threads, batch): every way agrees on the network of that seed."""

    def check(seed, width, threads, batch):
        graph = random_quantized_network(seed, width)
        check_every_way(graph, random_inputs(graph, images=batch, seed=seed % 97), threads)

    return check


any_network = given(seed=SEEDS, width=st.integers(1, 4), threads=THREADS, batch=BATCHES)


@settings(max_examples=20)
@any_network
def test_no_value_of_any_network_differs(check_random, *, seed, width, threads, batch):
    check_random(seed, width, threads, batch)


@pytest.mark.wide
@settings(max_examples=60)
@any_network
def test_no_value_of_many_networks_differs(check_random, *, seed, width, threads, batch):
    check_random(seed, width, threads, batch)


def check_calibrated(captured, random_inputs, asked, left_float):
    """``asked``: (seed, bits, method, threads, batch)."""
    seed, bits, method, threads, batch = asked
    graph = lower(dataclasses.replace(captured, outputs=captured.outputs[:1]))
    name = graph.inputs[0].name
    if graph.outputs[0] == name:
        return
    images = random_inputs(graph, images=batch, seed=seed % 97)[name]
    given_samples = QuantizedActivations(images, bits, method)
    specs = calibrate(graph, lambda part: interpret(graph, {name: part}), given_samples)
    layers = list(graph.layer_modules())
    quantized = quantize_activations(graph, specs, layers[: round(left_float * len(layers) / 2)])
    for way in WAYS:
        program = Program(Artifact(quantized), threads=threads, **way)
        exactness = measure_exactness(quantized, program.trace(images))
        assert exactness is None or exactness.differing == 0, f"{named(way)}: {exactness}"


any_calibration = given(
    asked=st.tuples(
        SEEDS, st.sampled_from([7, 8]), st.sampled_from(list(CalibrationMethod)), THREADS, BATCHES
    ),
    left_float=st.floats(0, 1),
)


@settings(max_examples=20)
@any_calibration
def test_no_value_on_codes_differs_in_calibrated_networks_with_float_layers(
    random_network, random_inputs, *, asked, left_float
):
    """Captured networks through lowering, calibration and the pass; some layers stay float."""
    check_calibrated(random_network(asked[0]), random_inputs, asked, left_float)


@pytest.mark.wide
@settings(max_examples=40)
@any_calibration
def test_no_value_on_codes_differs_in_many_calibrated_networks(
    random_network, random_inputs, *, asked, left_float
):
    check_calibrated(random_network(asked[0]), random_inputs, asked, left_float)


@pytest.fixture(scope="module", params=["paper", pytest.param("plain", marks=pytest.mark.wide)])
def resnet20(request, tmp_path_factory):
    """(ResNet-20 with 8-bit activations from a .sbn file, test images, every value of theirs)."""
    from signbin import train
    from signbin.verbs.compile import CalibrationRequest, compile, quantize_source
    from signbin.verbs.source import load_source

    folder = tmp_path_factory.mktemp(request.param) / "run"
    style = train.BlockStyle(request.param)
    train.new_network(train.BenchmarkNetwork("resnet20", block_style=style, image_size=16), folder)
    source = load_source(str(folder))
    program = compile(source.model, source.example_inputs)
    made, _ = quantize_source(source, program, CalibrationRequest(bits=8))
    artifact, images = decode(encode(made.artifact)), source.samples[:5]
    return artifact, images, interpret(artifact.graph, {artifact.graph.inputs[0].name: images})


@pytest.mark.parametrize("way", WAYS, ids=named)
def test_no_value_of_resnet20_differs(resnet20, way):
    artifact, images, expected = resnet20
    for threads in (1, 3):
        found = Program(artifact, threads=threads, **way).trace(images)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values, err_msg=name)
