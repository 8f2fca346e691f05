"""compare: what it measures, that it finds the first diverging layer, what it refuses."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest

from signbin import diagnose
from signbin.artifact import Artifact
from signbin.calibrate import QuantizedActivations
from signbin.errors import SpecError
from signbin.passes import lower
from signbin.runtime import Program
from signbin.verbs.compile import quantize_program

compare = functools.partial(diagnose.compare, tolerance=1e-4)


def test_equal_programs_have_no_error(reference, graph, program, samples):
    found = compare(reference, graph, program(), samples)
    assert found.samples == 70
    assert found.max_relative_error == 0
    assert found.top1_agreement == 1
    assert found.first_diverging is None
    assert found.within_tolerance
    assert [layer.name for layer in found.layers] == ["conv", "relu", "pool", "flat", "head"]
    assert [layer.source for layer in found.layers] == ["conv", "stage.act", "", "", "head"]


def test_an_error_is_relative_to_the_largest_reference_of_all_batches(
    reference, graph, program, samples
):
    samples[65] *= 100  # the largest values lie in the last batch
    found = compare(reference, graph, program(errors={"conv": 0.5}), samples)
    largest = np.abs(reference(samples)["conv"]).max()
    conv = found.layers[0]
    assert conv.compiled_error == pytest.approx(0.5 / largest, rel=1e-3)
    assert conv.mean_error == pytest.approx(0.5 / largest, rel=1e-3)
    assert conv.interpreter_error == 0


def test_the_first_diverging_layer_is_the_first_above_the_tolerance(
    reference, graph, program, samples
):
    errors = {"relu": 1e-7, "pool": 1.0, "head": 1.0}
    found = compare(reference, graph, program(errors=errors), samples)
    assert found.first_diverging == "pool"
    assert (
        compare(reference, graph, program(errors=errors), samples, tolerance=10).first_diverging
        is None
    )


def test_an_interpreter_that_differs_from_the_reference_is_told_from_the_program(
    reference, graph, program, samples
):
    def shifted(part):
        return {name: value + np.float32(1) for name, value in reference(part).items()}

    found = compare(shifted, graph, program(errors=dict.fromkeys(["conv", "relu"], 1)), samples)
    errors = {layer.name: (layer.interpreter_error, layer.compiled_error) for layer in found.layers}
    assert errors["conv"][0] > 0.01
    assert errors["conv"][1] < 1e-6
    assert found.first_diverging == "conv"


def test_the_output_is_taken_from_the_plain_call(reference, graph, program, samples):
    found = compare(reference, graph, program(final_error=1.0), samples)
    largest = np.abs(reference(samples)["head"]).max()
    assert found.max_relative_error == pytest.approx(1 / largest, rel=1e-3)
    assert not found.within_tolerance
    assert found.first_diverging is None


def test_top1_agreement_counts_samples(reference, graph, program, samples):
    def swapped(part):
        values = dict(reference(part))
        values["head"] = values["head"].copy()
        if len(part) < 32:  # the last 6 of 70
            values["head"][:, :] = np.eye(5, dtype=np.float32)[
                (values["head"].argmax(axis=1) + 1) % 5
            ]
        return values

    assert compare(swapped, graph, program(), samples).top1_agreement == 64 / 70


def test_a_fused_layer_has_no_compiled_error(reference, graph, program, samples):
    found = compare(reference, graph, program(fused=frozenset({"conv"})), samples)
    conv = found.layers[0]
    assert (conv.interpreter_error, conv.compiled_error) == (0, None)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_values_that_are_not_finite_diverge_infinitely(reference, graph, program, samples, broken):
    found = compare(reference, graph, program(errors={"conv": broken}), samples)
    assert found.layers[0].compiled_error == np.inf
    assert found.first_diverging == "conv"


def test_nan_where_the_reference_has_nan_is_no_difference(reference, graph, program, samples):
    samples[3, 0, 0, 0] = np.nan
    found = compare(reference, graph, program(), samples)
    assert found.max_relative_error == 0


def test_an_all_zero_reference_gives_the_absolute_error(reference, graph, program, samples):
    found = compare(reference, graph, program(errors={"conv": 0.25}), np.zeros_like(samples))
    assert found.layers[0].compiled_error == 0.25


def test_samples_are_run_in_small_batches(reference, graph, program, samples):
    made = program()
    compare(reference, graph, made, samples)
    assert made.largest_batch == 32


def test_json_holds_every_field_as_plain_numbers(reference, graph, program, samples):
    found = compare(reference, graph, program(errors={"conv": np.inf}), samples)
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert set(document) == {
        *("samples", "tolerance", "max_relative_error", "top1_agreement"),
        *("first_diverging", "layers", "exactness", "min_agreement", "layer_tolerance"),
        *("reference", "engines", "divergence", "passes"),
    }
    assert document["exactness"] is None
    assert document["passes"] is False
    assert set(document["layers"][0]) == {
        *("name", "source", "interpreter_error", "compiled_error", "mean_error"),
        *("other_errors", "rounding", "outside"),
    }
    assert document["divergence"]["values"]["signbin"] > 1e300
    assert document["layers"][0]["compiled_error"] > 1e300


@pytest.mark.parametrize(
    "change",
    [
        lambda samples: samples.astype(np.float64),
        lambda samples: samples[:, :1],
        lambda samples: samples[0],
        lambda samples: samples[:0],
        lambda samples: samples.tolist(),
    ],
    ids=["float64", "channels", "no batch", "no samples", "list"],
)
def test_samples_that_do_not_fit_are_refused(reference, graph, program, samples, change):
    with pytest.raises(SpecError, match="samples"):
        compare(reference, graph, program(), change(samples))


@pytest.mark.parametrize("tolerance", [-1.0, float("nan"), float("inf")])
def test_a_tolerance_that_means_nothing_is_refused(reference, graph, program, samples, tolerance):
    with pytest.raises(SpecError, match="tolerance"):
        compare(reference, graph, program(), samples, tolerance=tolerance)


def test_a_reference_of_another_model_is_refused(graph, program, samples):
    with pytest.raises(SpecError, match="the program's output 'head'"):
        compare(lambda part: {"conv": part}, graph, program(), samples)
    with pytest.raises(SpecError, match="shape of a compared value"):
        compare(lambda part: {"head": part}, graph, program(), samples)


def test_a_compiled_program_agrees_with_the_graph_it_came_from(reference, graph, samples):
    compiled = Program(Artifact(lower(graph)))
    found = compare(reference, graph, compiled, samples, tolerance=1e-5)
    assert found.within_tolerance
    assert found.first_diverging is None
    assert found.top1_agreement == 1
    assert found.layers[-1].compiled_error is not None


def test_the_first_parting_is_told_with_the_numbers_of_every_engine(
    reference, graph, program, samples
):
    found = compare(
        reference, graph, program(errors={"pool": 0.5}), samples, others={"another": reference}
    )
    parting = found.divergence
    assert (found.first_diverging, parting.name) == ("pool", "pool")
    expected = reference(samples)["pool"][(parting.sample, *parting.place)]
    assert parting.values["pytorch"] == parting.values["another"] == expected
    assert parting.values["interpreter"] == expected
    assert parting.values["signbin"] == pytest.approx(expected + 0.5)
    assert parting.odd == ("signbin",)
    assert found.layers[2].other_errors == {"another": 0.0}


def test_the_node_that_is_wrong_by_itself_is_told_from_those_that_only_follow(
    reference, graph, program, samples
):
    alone = compare(reference, graph, program(errors={"pool": 0.5}), samples)
    assert (alone.divergence.name, alone.divergence.own.name) == ("pool", "pool")
    assert alone.divergence.own.error > 1e-2

    # Shifted alike, relu, pool and flat follow from one another; head alone does not follow.
    errors = dict.fromkeys(["relu", "pool", "flat"], 0.5)
    found = compare(reference, graph, program(errors=errors, fused=frozenset({"conv"})), samples)
    assert (found.divergence.name, found.divergence.own.name) == ("relu", "head")


def test_another_engine_that_is_off_fails_the_comparison_and_is_named(
    reference, graph, program, samples
):
    def shifted(part):
        return {name: value + np.float32(0.01) for name, value in reference(part).items()}

    found = compare(reference, graph, program(), samples, others={"another": shifted})
    assert not found.passes
    assert found.divergence.odd == ("another",)


def test_outputs_that_part_only_in_the_plain_call_are_told_too(reference, graph, program, samples):
    found = compare(reference, graph, program(final_error=1.0), samples)
    assert found.first_diverging is None
    assert found.divergence.name == "head"
    assert found.divergence.odd == ("signbin",)


def test_layers_on_codes_are_held_to_their_own_arithmetic_not_to_float_values(
    reference, graph, samples
):
    compiled = Program(Artifact(lower(graph)))
    codes = quantize_program(compiled, QuantizedActivations(samples))
    found = compare(reference, graph, codes, samples, tolerance=0.2, min_agreement=0.9)
    assert max(layer.compiled_error or 0 for layer in found.layers) > 1e-4
    assert found.passes


def test_the_samples_of_every_input_are_as_many(reference, graph, program, samples):
    with pytest.raises(SpecError, match="arrays of samples: got 2; allowed: 1"):
        compare(reference, graph, program(), [samples, samples])
