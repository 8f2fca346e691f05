"""Calibration: what each method keeps, signs, scales, and what it refuses."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.calibrate import (
    CalibrationMethod,
    MagnitudeHistogram,
    QuantizedActivations,
    calibrate,
    largest_kept,
)
from signbin.errors import SpecError
from signbin.ir import interpret
from signbin.spec import ActivationSpec


def asked(samples=None, **options):
    samples = np.zeros((1, 1), np.float32) if samples is None else samples
    return QuantizedActivations(samples, **options)


def kept(numbers, steps=255, **options):
    histogram = MagnitudeHistogram()
    histogram.add("v", np.asarray(numbers, np.float32))
    return largest_kept(histogram, steps, asked(**options))


def test_min_max_keeps_the_largest_magnitude():
    assert kept([0.25, -3.0, 1.0], method="min-max") == 3.0


def test_a_percentile_is_of_the_non_zero_numbers():
    numbers = np.arange(1, 1001, dtype=np.float32)
    with_zeros = np.concatenate([numbers, np.zeros(5000)])
    for values in (numbers, with_zeros):
        found = kept(values, method="percentile", percentile=99.0)
        assert 990 <= found <= 990 + 1024 / 8192  # up to one bin above
    assert kept(numbers, method="percentile", percentile=100) == 1000


@pytest.mark.parametrize("draw", ["normal", "laplace", "standard_t"])
@pytest.mark.parametrize("steps", [63, 127, 255])
def test_mse_finds_the_least_squared_error_of_rounding_and_saturation(draw, steps):
    rng = np.random.default_rng(0)
    numbers = (
        rng.standard_t(3, 20_000) if draw == "standard_t" else getattr(rng, draw)(0, 1, 20_000)
    )

    def error(largest):
        step = largest / steps
        return np.sum(
            (np.abs(numbers) - np.minimum(np.rint(np.abs(numbers) / step), steps) * step) ** 2
        )

    found = error(kept(numbers, steps, method="mse"))
    shares = np.linspace(0.01, 1, 400)
    best = min(error(share * np.abs(numbers).max()) for share in shares)
    # The search steps by 2 %, so it may miss the best of a finer grid by a little.
    assert found <= 1.02 * best
    assert found <= error(np.abs(numbers).max())


def test_mse_keeps_an_outlier_that_is_worth_it():
    assert kept([1.0] * 10 + [2.0], method="mse") == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("method", list(CalibrationMethod))
def test_zeros_need_no_range(method):
    assert kept(np.zeros(9), method=method) == 0.0


def traced(graph):
    return lambda samples: interpret(graph, {graph.inputs[0].name: samples})


@pytest.fixture
def graph(graph_builder):
    builder = graph_builder()
    x = builder.input(2, 4, 4)
    rectified = builder.add("relu", x, name="rectified")
    builder.add("leaky_relu", rectified, slope=0.5, name="leaky")
    zero = builder.const(np.zeros((2, 2, 1, 1), np.float32))
    builder.add("conv2d", rectified, weight=zero, name="nothing")
    return builder.graph("leaky", "nothing")


def samples(count=20):
    return np.random.default_rng(2).standard_normal((count, 2, 4, 4)).astype(np.float32)


@pytest.mark.parametrize("bits", [7, 8])
def test_values_are_unsigned_only_where_they_cannot_be_negative(graph, bits):
    specs = calibrate(graph, traced(graph), asked(samples(), bits=bits))
    half = 2 ** (bits - 1)
    zeros = {name: spec.zero_point for name, spec in specs.items()}
    # leaky never went below zero, for its input did not; another input could.
    assert zeros == {"x": half, "rectified": 0, "leaky": half, "nothing": half}
    assert {spec.bits for spec in specs.values()} == {bits}
    assert specs["nothing"].scale == 1.0


def test_the_scale_maps_the_last_step_to_the_largest_number(graph):
    images = samples()
    specs = calibrate(graph, traced(graph), asked(images, method="min-max"))
    largest = float(np.abs(images).max())
    assert specs["x"].scale == float(np.float32(largest / 127))
    assert specs["rectified"].scale == float(np.float32(float(images.max()) / 255))


def test_a_network_is_calibrated_in_batches_of_any_number(graph):
    assert calibrate(graph, traced(graph), asked(samples(1)))
    sizes = []

    def watched(part):
        sizes.append(len(part))
        return traced(graph)(part)

    calibrate(graph, watched, asked(samples(21)))
    assert sizes == [8, 8, 5]


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), method=st.sampled_from(list(CalibrationMethod)))
def test_every_value_of_any_network_gets_a_spec_that_holds_what_it_keeps(
    random_network, random_inputs, seed, method
):
    graph = random_network(seed)
    images = random_inputs(graph, images=3)[graph.inputs[0].name]
    specs = calibrate(graph, traced(graph), asked(images, method=method))
    values = traced(graph)(images)
    assert specs.keys() == values.keys()
    for name, spec in specs.items():
        assert isinstance(spec, ActivationSpec)
        assert spec.signed or values[name].min() >= 0
        if method is CalibrationMethod.MIN_MAX:
            error = np.abs(spec.dequantized(spec.quantized(values[name])) - values[name])
            assert error.max() <= 0.501 * spec.scale


def test_values_too_small_or_large_for_a_scale_are_held_as_well_as_can_be(graph_builder):
    builder = graph_builder()
    graph = builder.graph(builder.add("relu", builder.input(1, name="x")))
    for number, scale in ((1e-40, 2.0**-100), (3e38, 2.0**100)):
        images = np.full((2, 1), number, np.float32)
        assert calibrate(graph, traced(graph), asked(images, method="min-max"))["x"].scale == scale


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"bits": 6}, "bits of activations: got 6; allowed: 7 or 8"),
        ({"bits": True}, "bits"),
        (
            {"method": "median"},
            "calibration method: got 'median'; allowed: min-max, percentile, mse",
        ),
        ({"method": 3}, "calibration method"),
        ({"percentile": 0}, "percentile"),
        ({"percentile": 100.5}, "percentile"),
        ({"percentile": math.nan}, "percentile"),
        ({"samples": np.zeros((2, 1))}, "float64"),
        ({"samples": [[0.0]]}, "numpy array of float32"),
        ({"samples": np.zeros((0, 1), np.float32)}, "number of calibration samples"),
    ],
)
def test_what_cannot_be_asked_is_refused(options, named):
    with pytest.raises(SpecError, match=named):
        asked(**options)


def test_samples_of_another_shape_are_refused(graph):
    with pytest.raises(SpecError, match="shape of the calibration samples"):
        calibrate(graph, traced(graph), asked(np.zeros((2, 2, 4, 5), np.float32)))


def test_a_trace_that_lacks_a_value_is_refused(graph):
    with pytest.raises(SpecError, match="traced values: got 'rectified'"):
        calibrate(graph, lambda part: {"x": part}, asked(samples()))


def test_samples_that_break_the_network_are_refused_by_the_value_s_name(graph):
    images = samples()
    images[3, 0, 0, 0] = np.nan
    with pytest.raises(SpecError, match="value x"):
        calibrate(graph, traced(graph), asked(images))
