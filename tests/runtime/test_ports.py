"""Programs of several inputs and outputs, of values of any rank, and the form of their results."""

import dataclasses

import numpy as np
import pytest

from signbin.artifact import Artifact, decode, encode
from signbin.errors import ExecutionError, VerifyError
from signbin.ir import BATCH, Graph, Node, TensorType, Value, interpret, parse_graph, print_graph
from signbin.runtime import Program
from signbin.spec import ActivationSpec

ISAS = ["auto", "scalar", "portable"]


def two_by_two(form=None):
    """left + right and left - right, which differ in their number of readers."""
    image = TensorType("f32", (BATCH, 3, 5, 4))
    inputs = (Value("left", image), Value("right", image))
    nodes = (
        Node("total", "add", ("left", "right"), {}, image),
        Node("difference", "subtract", ("total", "right"), {}, image),
        Node("half", "leaky_relu", ("total",), {"slope": 0.5}, image),
    )
    return Graph("pair", inputs, nodes, ("half", "difference"), {}, form)


def arrays(count, *shape):
    rng = np.random.default_rng(count)
    return [rng.normal(size=shape).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("batch", [1, 3])
def test_inputs_go_by_position_by_keyword_or_in_a_mapping(batch):
    program = Program(Artifact(two_by_two()))
    left, right = arrays(2, batch, 3, 5, 4)
    half, difference = program(left, right)
    expected = interpret(program.graph, {"left": left, "right": right})
    np.testing.assert_array_equal(half, expected["half"])
    np.testing.assert_array_equal(difference, expected["difference"])
    for again in (program(right=right, left=left), program({"right": right, "left": left})):
        np.testing.assert_array_equal(again[0], half)
        np.testing.assert_array_equal(again[1], difference)
    np.testing.assert_array_equal(program(left, right=right)[0], half)


def test_a_trace_holds_every_input_and_value():
    program = Program(Artifact(two_by_two()))
    left, right = arrays(2, 2, 3, 5, 4)
    traced = program.trace(left, right)
    assert list(traced) == ["left", "right", "total", "difference", "half"]
    np.testing.assert_array_equal(traced["right"], right)
    np.testing.assert_array_equal(traced["half"], program(left, right)[0])
    assert len(program.profile(left, right)) == 3


@pytest.mark.parametrize(
    ("given", "named"),
    [((), {}), ((0,), {}), ((0, 1, 0), {}), ((0,), {"left": 1}), ((0, 1), {"other": 0})],
)
def test_inputs_that_are_missing_unknown_or_given_twice_are_named(given, named):
    images = arrays(2, 1, 3, 5, 4)
    with pytest.raises(ExecutionError, match="input"):
        Program(Artifact(two_by_two()))(
            *(images[index] for index in given),
            **{name: images[index] for name, index in named.items()},
        )


def test_inputs_of_different_batches_are_refused():
    left, right = arrays(1, 2, 3, 5, 4) + arrays(1, 3, 3, 5, 4)
    with pytest.raises(ExecutionError, match=r"images per input: got \[2, 3\]"):
        Program(Artifact(two_by_two()))(left, right)


@pytest.mark.parametrize(
    "form", [{"features": 1, "scores": 0}, [0, 1], (0, {"again": [0, 1]}), (1, 0, 1)]
)
def test_results_have_the_form_of_the_network_also_after_a_file(form):
    artifact = decode(encode(Artifact(two_by_two(form))))
    assert artifact.graph.form == form
    left, right = arrays(2, 1, 3, 5, 4)
    made = Program(artifact)(left, right)
    half, difference = Program(Artifact(two_by_two()))(left, right)

    def expect(found, wanted):
        if isinstance(wanted, int):
            np.testing.assert_array_equal(found, (half, difference)[wanted])
            return
        assert type(found) is type(wanted)
        keys = wanted if isinstance(wanted, dict) else range(len(wanted))
        assert list(found) == list(wanted) if isinstance(wanted, dict) else len(found) == len(keys)
        for key in keys:
            expect(found[key], wanted[key])

    expect(made, form)


@pytest.mark.parametrize("form", [0, (0, 2), (0, 1, 2), (), {"a": 1}])
def test_a_form_names_every_output_and_no_other(form):
    with pytest.raises(VerifyError, match="form of the outputs"):
        Program(Artifact(two_by_two(form)))


@pytest.mark.parametrize(
    "line",
    [
        'form {"set":[0,1]}',
        'form {"tuple": [0,1]}',
        'form {"tuple":[0,true]}',
        'form {"dict":{"":0,"b":1}}',
        "form " + '{"tuple":[' * 9 + "0,1" + "]}" * 9,
        "form",
        "form NaN",
        "form " + "[" * 2000,
    ],
)
def test_a_malformed_form_is_named_with_its_line(line):
    text = print_graph(two_by_two()) + line + "\n"
    with pytest.raises(VerifyError, match=r"line [78]"):
        parse_graph(text, {})


def test_an_output_that_is_an_input_is_named():
    graph = dataclasses.replace(two_by_two(), outputs=("half", "difference", "left"))
    with pytest.raises(ExecutionError, match="output left of graph pair"):
        Program(Artifact(graph))


def test_an_output_that_other_nodes_read_is_whole():
    graph = dataclasses.replace(two_by_two(), outputs=("total", "half"))
    left, right = arrays(2, 3, 3, 5, 4)
    total, half = Program(Artifact(graph))(left, right)
    np.testing.assert_array_equal(total, left + right)
    np.testing.assert_array_equal(half, np.where(total > 0, total, np.float32(0.5) * total))


@pytest.mark.parametrize("value_set", ["signed_binary", "binary", "ternary", "centred", "float"])
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("extents", [(7,), (5, 7), (2, 3, 7), (2, 3, 2, 7)])
def test_a_linear_layer_runs_over_the_last_axis_of_any_rank(graph_maker, isa, value_set, extents):
    make = graph_maker(*extents)
    shape = (16, 7)
    weight = (
        make.constant(make.rng.normal(size=shape))
        if value_set == "float"
        else make.low_bit(value_set, *shape)
    )
    hidden = make.node(
        "linear", ["x"], (*extents[:-1], 16), weight=weight, bias=make.vector(16), activation="relu"
    )
    last = make.node(
        "linear", [hidden, "x"], extents, weight=make.constant(make.rng.normal(size=(7, 16)))
    )
    graph = make.graph(last)
    x = make.rng.normal(size=(3, *extents)).astype(np.float32)
    program = Program(Artifact(graph), isa=isa)
    expected = interpret(graph, {"x": x})[last]
    np.testing.assert_allclose(program(x), expected, rtol=1e-4, atol=1e-5)
    alone = np.concatenate([program(x[n : n + 1]) for n in range(3)])
    np.testing.assert_array_equal(program(x), alone)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("value_set", ["signed_binary", "binary", "centred"])
@pytest.mark.parametrize("extents", [(5, 12), (2, 3, 12)])
def test_rows_of_codes_are_exact(graph_maker, isa, value_set, extents):
    make = graph_maker(*extents)
    codes, made = ActivationSpec(0.0625, 128, 8), ActivationSpec(0.125, 128, 8)
    weight = make.low_bit(value_set, 12, 12)
    nodes = (
        Node("q", "quantize", ("x",), {}, TensorType("u8", (BATCH, *extents), codes)),
        Node(
            "h",
            "linear",
            ("q", "q"),
            {"weight": weight, "activation": "relu"},
            TensorType("u8", (BATCH, *extents), made),
        ),
        Node("y", "dequantize", ("h",), {}, TensorType("f32", (BATCH, *extents))),
    )
    graph = Graph("rows", make.inputs, nodes, ("y",), make.constants)
    x = make.rng.normal(0, 3, size=(2, *extents)).astype(np.float32)
    expected = interpret(graph, {"x": x})
    traced = Program(Artifact(graph), isa=isa).trace(x)
    for name in ("q", "h", "y"):
        np.testing.assert_array_equal(traced[name], expected[name])


@pytest.mark.parametrize("isa", ISAS)
def test_an_image_may_depend_on_a_linear_layer(graph_maker, isa):
    """Squeeze and excitation through linear layers, and a head that still runs for the batch."""
    make = graph_maker(8, 6, 5)
    pooled = make.node("global_avg_pool", ["x"], (8, 1, 1))
    flat = make.node("flatten", [pooled], (8,))
    gate = make.node("linear", [flat], (8,), weight=make.constant(make.rng.normal(size=(8, 8))))
    point = make.node("reshape", [gate], (8, 1, 1), shape=(8, 1, 1))
    gated = make.node("multiply", ["x", point], (8, 6, 5))
    all_of_it = make.node("flatten", [gated], (240,))
    last = make.node(
        "linear", [all_of_it], (10,), weight=make.constant(make.rng.normal(size=(10, 240)))
    )
    graph = make.graph(last)
    x = make.rng.normal(size=(4, 8, 6, 5)).astype(np.float32)
    program = Program(Artifact(graph), isa=isa)
    expected = interpret(graph, {"x": x})[last]
    np.testing.assert_allclose(program(x), expected, rtol=1e-4, atol=1e-4)
