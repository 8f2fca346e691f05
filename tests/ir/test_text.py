"""Printing a graph and reading it back."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.errors import VerifyError
from signbin.ir import ConstRef, Graph, Node, TensorType, Value, parse_graph, print_graph
from signbin.spec import LowBitWeight
from tests.patience import soon

SEEDS = st.integers(0, 2**32 - 1)

GOLDEN = """\
graph digits
input %x : f32[N,1,8,8]
const @stem.weight : f32[4,1,3,3]
const @stem.slope : f32[4]
const @block.weight : signed_binary[4,4,1,1] density 0.250 centred
%conv = conv2d(%x) {weight=@stem.weight, padding=(1,1), activation="prelu", prelu=@stem.slope}\
 : f32[N,4,8,8] from "0.stem"
%clamp = clamp(%conv) {low=-1.5, high=inf} : f32[N,4,8,8]
%pool = avg_pool2d(%clamp) {kernel=(2,2), stride=(2,2), padding=(0,0), count_include_pad=false}\
 : f32[N,4,4,4]
%conv_1 = conv2d(%pool, %pool) {weight=@block.weight, activation="leaky_relu", slope=1e-05}\
 : f32[N,4,4,4] from "0.block \\u00fc"
output %conv_1, %pool
"""


def golden_constants():
    return {
        "block.weight": LowBitWeight(
            np.eye(4, dtype=np.int8).reshape(4, 4, 1, 1),
            np.ones(4, np.float32),
            np.full(4, -0.25, np.float32),
        ),
        "stem.slope": np.full(4, 0.25, np.float32),
        "stem.weight": np.ones((4, 1, 3, 3), np.float32),
    }


def exact_attributes(node: Node):
    return sorted((name, type(value), repr(value)) for name, value in node.attributes.items())


def exact(graph: Graph):
    """Everything a graph says, with the exact type of every attribute."""
    nodes = [(n.name, n.op, n.inputs, n.type, n.source, exact_attributes(n)) for n in graph.nodes]
    return graph.name, graph.inputs, nodes, graph.outputs, sorted(graph.constants)


def test_the_text_form_is_this():
    assert print_graph(parse_graph(GOLDEN, golden_constants())) == GOLDEN


def test_comments_and_blank_lines_are_skipped():
    text = "# a comment\n\n" + GOLDEN.replace("%clamp =", "\n# more\n%clamp =", 1) + "\n\n"
    assert print_graph(parse_graph(text, golden_constants())) == GOLDEN


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_a_printed_graph_reads_back_exactly(random_network, seed):
    graph = random_network(seed)
    again = parse_graph(print_graph(graph), graph.constants)
    assert exact(again) == exact(graph)
    assert all(again.constants[name] is graph.constants[name] for name in graph.constants)
    assert print_graph(again) == print_graph(graph)


@settings(max_examples=60, deadline=None)
@given(
    slope=st.floats(width=32, allow_nan=False, allow_infinity=False),
    low=st.floats(max_value=0, width=32, exclude_max=True) | st.just(-np.inf),
    source=st.text(max_size=255).filter(str.isprintable),
)
def test_any_float_and_any_source_reads_back_exactly(slope, low, source):
    image = TensorType("f32", (0, 1, 2, 2))
    nodes = (
        Node("a", "leaky_relu", ("x",), {"slope": slope}, image, source),
        Node("b", "clamp", ("a",), {"low": float(low), "high": float("inf")}, image),
    )
    graph = Graph("g", (Value("x", image),), nodes, ("b",), {})
    assert exact(parse_graph(print_graph(graph), {})) == exact(graph)


def test_the_order_of_constants_and_attributes_in_memory_does_not_show():
    graph = parse_graph(GOLDEN, golden_constants())
    turned = [
        dataclasses.replace(node, attributes=dict(reversed(node.attributes.items())))
        for node in graph.nodes
    ]
    constants = dict(reversed(graph.constants.items()))
    shuffled = dataclasses.replace(graph, nodes=tuple(turned), constants=constants)
    assert print_graph(shuffled) == GOLDEN


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("graph digits", "graph 7digits", 1),
        ("graph digits\n", "", 1),
        ("input %x : f32[N,1,8,8]", "input %x : f32[1,8,8]", 2),
        ("input %x", "inputs %x", 2),
        ("f32[N,1,8,8]", "f32[N,1,8,08]", 2),
        ("@stem.weight : f32[4,1,3,3]", "@stem.weight : f32[4,1,3,4]", 3),
        ("@stem.weight : f32", "@other.weight : f32", 3),
        ("density 0.250", "density 0.251", 5),
        (" centred", "", 5),
        ("signed_binary", "ternary", 5),
        ("padding=(1,1)", "padding=(1,1", 6),
        ("padding=(1,1)", "padding=(1,+1)", 6),
        ("padding=(1,1)", "padding=(1,1), padding=(1,1)", 6),
        ("padding=(1,1)", "padding", 6),
        ('"prelu"', "prelu", 6),
        ("@stem.slope}", "@}", 6),
        ('from "0.stem"', 'from "0.stem', 6),
        ('from "0.stem"', 'from "\\x"', 6),
        ("%conv = conv2d(%x)", "%conv = conv2d(x)", 6),
        ("low=-1.5", "low=nan", 7),
        ("low=-1.5", "low=-1.50", 7),
        ("low=-1.5", "low=-1e999", 7),
        ("low=-1.5", "low=--1.5", 7),
        ("low=-1.5", "low=" + "1" * 40, 7),
        ("high=inf", "high=1e+400", 7),
        ("%clamp = clamp(%conv)", "input %clamp = clamp(%conv)", 7),
        ("output %conv_1, %pool", "output conv_1", 10),
        ("output %conv_1, %pool", "", 11),
        ("output %conv_1, %pool", "output %conv_1\noutput %pool", 11),
    ],
)
def test_malformed_text_names_the_line(old, new, line):
    assert old in GOLDEN
    with pytest.raises(VerifyError, match=rf"^line {line}: "):
        parse_graph(GOLDEN.replace(old, new, 1), golden_constants())


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("%clamp = clamp(%conv)", "%clamp = clamp(%missing)", "%missing"),
        ("f32[N,4,8,8] from", "f32[N,4,8,9] from", "%conv"),
        ("low=-1.5, high=inf", "low=1.5, high=0.5", "%clamp"),
        ("= clamp(", "= cramp(", "%clamp"),
        ("input %x : f32[N,1,8,8]", "input %x : f64[N,1,8,8]", "%x"),
    ],
)
def test_text_of_an_unsound_graph_names_the_node(old, new, named):
    with pytest.raises(VerifyError, match=named):
        parse_graph(GOLDEN.replace(old, new, 1), golden_constants())


def test_constants_must_be_exactly_those_the_text_declares():
    constants = golden_constants()
    with pytest.raises(VerifyError, match=r"@extra"):
        parse_graph(GOLDEN, {**constants, "extra": np.ones(1, np.float32)})
    del constants["stem.slope"]
    with pytest.raises(VerifyError, match=r"line 4: .*stem\.slope"):
        parse_graph(GOLDEN, constants)
    with pytest.raises(VerifyError, match=r"line 4: .*stem\.slope"):
        parse_graph(GOLDEN, {**constants, "stem.slope": "not an array"})


@pytest.mark.parametrize("text", ["", "\n\n", None, b"graph x", 7])
def test_what_is_no_text_of_a_graph_is_refused(text):
    with pytest.raises(VerifyError):
        parse_graph(text, {})


ALPHABET = st.sampled_from([*'%@=(){}[],:.-+"\\ \n#0aeN', "inf", "nan", "1e999", "9" * 30, "\x00"])


@settings(max_examples=300, deadline=None)
@given(data=st.data(), seed=st.integers(0, 20))
def test_mutated_text_parses_or_raises_verify_error(random_network, data, seed):
    graph = random_network(seed)
    text = print_graph(graph)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.sampled_from([0, 1, 2, 10, 100]))
        text = text[:start] + data.draw(ALPHABET) + text[start + length :]
    try:
        again = parse_graph(text, graph.constants)
    except VerifyError:
        return
    assert exact(parse_graph(print_graph(again), again.constants)) == exact(again)


@pytest.mark.parametrize(
    "text",
    [
        "graph " + "a" * 10**6,
        "graph g\n" + "input %x : f32[N,1]\n" * 10**5 + "output %x",
        "graph g\ninput %x : f32[" + "N," * 4000,
        "graph g\n%a = relu(" + "%x, " * 2000 + ") : f32[N,1]\noutput %x",
        "graph g\n%a = relu(%x) {" + "a=(1,1), " * 900 + "} : f32[N,1]",
        '%a = relu(%x) : f32[N,1] from "' + "\\" * 8000,
        "graph g\n" * 10**5,
        "#" * 2**24 + "#",
        "{" * 8000,
        "graph g\ninput %x : f32[N,1]\n" + "%a = " * 1500,
    ],
    ids=range(10),
)
def test_hostile_text_is_refused_quickly(text):
    def refused():
        with pytest.raises(VerifyError):
            parse_graph(text, {})

    soon(refused, 2)


def test_a_node_the_table_does_not_know_still_prints():
    node = Node("a", "mystery", ("x",), {"b": 1, "a": ConstRef("w")}, TensorType("f32", (0, 1)))
    graph = Graph("g", (), (node,), ("a",), {})
    assert "%a = mystery(%x) {a=@w, b=1} : f32[N,1]" in print_graph(graph)
