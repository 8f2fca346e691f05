"""Which values become codes, what the weights become, and what stays float."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.errors import SpecError
from signbin.ir import ConstRef, Graph, interpret, never_negative, parse_graph, print_graph, verify
from signbin.passes import lower, quantize_activations
from signbin.spec import ActivationSpec, IntegerWeight, LowBitWeight

GOLDEN = Path(__file__).with_name("golden") / "quantize_activations.ir"
SEEDS = st.integers(0, 2**32 - 1)
SIGNED, UNSIGNED = ActivationSpec(0.5, 128, 8), ActivationSpec(0.25, 0, 8)


def made_up_specs(graph):
    unsigned = never_negative(graph)
    names = [value.name for value in graph.inputs] + [node.name for node in graph.nodes]
    return {name: UNSIGNED if name in unsigned else SIGNED for name in names}


def fitting_specs(graph, values):
    """The largest magnitude is the last step."""
    unsigned = never_negative(graph)
    specs = {}
    for name, numbers in values.items():
        zero = 0 if name in unsigned else 128
        scale = float(np.float32(max(np.abs(numbers).max(), 1e-6) / (255 - zero)))
        specs[name] = ActivationSpec(scale, zero, 8)
    return specs


def golden():
    text = GOLDEN.read_text(encoding="utf-8")
    before, after = text.replace("\\\n", "").split("# after\n")
    constants = {}
    for line in re.findall(r"const @(\S+) : (\w+)\[([0-9,]+)\]( density \S+)?( centred)?", before):
        constants[line[0]] = made_up(line[1], tuple(map(int, line[2].split(","))), bool(line[4]))
    return parse_graph(before, constants), after


def made_up(kind, shape, centred):
    if kind == "f32":
        return np.linspace(0.5, 1.5, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    codes = np.zeros((shape[0], int(np.prod(shape[1:]))), np.int8)
    codes[:, ::4] = 1
    if kind == "ternary":
        codes[:, 1::4] = -1
    ones = np.ones(shape[0], np.float32)
    return LowBitWeight(codes.reshape(shape), ones, -0.25 * ones if centred else None)


def test_the_pass_turns_before_into_after():
    graph, after = golden()
    made = quantize_activations(graph, made_up_specs(graph), ["left"])
    assert print_graph(made) == after


def test_a_layer_is_left_out_by_node_module_or_source():
    graph, _ = golden()
    source = dataclasses.replace(graph.node("a"), source="stage.last")
    nodes = tuple(source if node.name == "a" else node for node in graph.nodes)
    graph = dataclasses.replace(graph, nodes=nodes)
    for name in ("a", "stage.last"):
        made = quantize_activations(graph, made_up_specs(graph), [name])
        assert made.type_of(made.node("a").inputs[0]).dtype == "f32"
        assert made.type_of(made.node("b").inputs[0]).dtype == "u8"


def test_an_unknown_layer_is_refused_with_the_layers_there_are():
    graph, _ = golden()
    with pytest.raises(SpecError, match="got 'b2'; allowed: stem, a, b, left, head"):
        quantize_activations(graph, made_up_specs(graph), ["b2"])


def test_a_missing_spec_is_refused():
    graph, _ = golden()
    specs = made_up_specs(graph)
    del specs["a"]
    with pytest.raises(SpecError, match="spec of a value: got 'a'"):
        quantize_activations(graph, specs)


def test_a_weight_that_two_layers_share_is_rounded_only_where_codes_are_read(graph_builder):
    builder = graph_builder()
    weight = builder.const(np.full((2, 2, 1, 1), 0.5, np.float32), "shared.weight")
    first = builder.add("conv2d", builder.input(2, 3, 3), weight=weight, name="first")
    second = builder.add("conv2d", first, weight=weight, name="second")
    graph = builder.graph(second)
    made = quantize_activations(graph, made_up_specs(graph), ["second"])
    assert isinstance(made.constants[weight.name], np.ndarray)
    rounded = made.node("first").attributes["weight"]
    assert isinstance(made.constants[rounded.name], IntegerWeight)


def test_a_layer_whose_sums_could_leave_int32_stays_float(graph_builder):
    builder = graph_builder()
    flat = builder.add("flatten", builder.input(140_000, 1, 1))
    weight = builder.const(np.ones((1, 140_000), np.float32), "wide.weight")
    wide = builder.add("linear", flat, weight=weight, name="wide")
    small = builder.const(np.ones((3, 1), np.float32), "small.weight")
    graph = builder.graph(builder.add("linear", wide, weight=small, name="small"))
    made = quantize_activations(graph, made_up_specs(graph))
    assert made.type_of(made.node("wide").inputs[0]).dtype == "f32"
    assert made.type_of(made.node("small").inputs[0]).dtype == "u8"


def test_a_layer_whose_factor_leaves_float32_stays_float(graph_builder):
    builder = graph_builder()
    weight = builder.const(np.full((1, 1), 3e38, np.float32), "huge.weight")
    huge = builder.add("linear", builder.input(1), weight=weight, name="huge")
    last = builder.add(
        "linear", huge, weight=builder.const(np.ones((1, 1), np.float32), "w"), name="last"
    )
    graph = builder.graph(last)
    specs = made_up_specs(graph) | {"huge": ActivationSpec(2.0**-100, 128, 8)}
    made = quantize_activations(graph, specs)
    assert made.node("huge").inputs == ("x",)


def test_new_names_are_new(graph_builder):
    builder = graph_builder()
    x = builder.input(2, 3, 3)
    taken = builder.add("relu", x, name="x.codes")
    weight = builder.const(np.ones((2, 2, 1, 1), np.float32))
    layer = builder.add("conv2d", x, taken, weight=weight)
    graph = builder.graph(layer)
    made = quantize_activations(graph, made_up_specs(graph))
    assert [node.name for node in made.nodes if node.op == "quantize"] == [
        "x.codes_2",
        "x.codes.codes",
    ]


@settings(max_examples=60)
@given(seed=SEEDS, share=st.floats(0, 1))
def test_any_lowered_network_can_be_quantised(random_network, random_inputs, seed, share):
    graph = lower(random_network(seed))
    values = interpret(graph, random_inputs(graph))
    layers = graph.layer_modules()
    left = set(list(layers)[: round(share * len(layers))])
    made = quantize_activations(graph, fitting_specs(graph, values), left)
    verify(made)
    assert [(v.name, v.type) for v in made.inputs] == [(v.name, v.type) for v in graph.inputs]
    assert made.outputs == graph.outputs
    for node in graph.nodes:
        new = made.node(node.name)
        assert (new.op, new.type.shape, new.source) == (node.op, node.type.shape, node.source)
        if node.op in ("conv2d", "linear"):
            on_codes = made.type_of(new.inputs[0]).dtype == "u8"
            assert on_codes == (node.name not in left)
    assert {node.op for node in made.nodes} - {node.op for node in graph.nodes} <= {"quantize"}
    for node in made.nodes:  # codes are made for somebody
        if node.type.dtype == "u8":
            assert made.consumers(node.name)


@settings(max_examples=40)
@given(seed=SEEDS)
def test_quantising_nothing_changes_nothing(random_network, seed):
    graph = lower(random_network(seed))
    made = quantize_activations(graph, {}, [node.name for node in graph.nodes])
    assert print_graph(made) == print_graph(graph)


def test_values_keep_their_meaning(graph_builder):
    """A network of one scale throughout: codes stand for the float values to a few steps."""
    builder = graph_builder(3)
    value = builder.input(4, 8, 8)
    for _ in range(3):
        codes = builder.rng.choice([-1, 1], (4, 4, 3, 3)).astype(np.int8)
        weight = LowBitWeight(codes, np.full(4, 1 / 6, np.float32))
        value = builder.add(
            "conv2d", value, weight=builder.const(weight), padding=(1, 1), activation="relu"
        )
    graph = builder.graph(value)
    images = builder.rng.standard_normal((4, 4, 8, 8)).astype(np.float32)
    exact = interpret(graph, {"x": images})
    made = quantize_activations(graph, fitting_specs(graph, exact))
    noisy = interpret(made, {"x": images})[value]
    noise = np.sum((noisy - exact[value]) ** 2) / np.sum(exact[value] ** 2)
    # Three roundings to 8 bits: each adds noise some 40 dB below the signal.
    assert 10 * np.log10(noise) < -30


def test_the_argument_is_left_alone():
    graph, _ = golden()
    text = print_graph(graph)
    quantize_activations(graph, made_up_specs(graph))
    assert print_graph(graph) == text
    assert isinstance(graph, Graph)
    assert isinstance(graph.node("a").attributes["weight"], ConstRef)
