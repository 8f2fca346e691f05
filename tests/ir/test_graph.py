"""Graphs and nodes do not change once made."""

import dataclasses

import numpy as np
import pytest

from signbin.ir import ConstRef, Graph, Node, TensorType, Value, is_name, resolve
from signbin.spec import LowBitWeight

IMAGE = TensorType("f32", (0, 1, 2, 2))


def test_changing_the_mappings_a_graph_was_made_from_does_not_change_it():
    attributes, constants = {"weight": ConstRef("w")}, {"w": np.ones((1, 1, 1, 1), np.float32)}
    node = Node("y", "conv2d", ("x",), attributes, IMAGE)
    graph = Graph("g", (Value("x", IMAGE),), (node,), ("y",), constants)
    attributes["bias"] = ConstRef("w")
    constants.clear()
    assert set(graph.constants) == {"w"}
    assert set(graph.nodes[0].attributes) == {"weight"}
    with pytest.raises(TypeError):
        graph.constants["w"] = None
    with pytest.raises(dataclasses.FrozenInstanceError):
        graph.name = "h"


def test_a_graph_finds_types_nodes_and_readers_by_name():
    nodes = (
        Node("a", "relu", ("x",), {}, IMAGE),
        Node("b", "add", ("a", "x"), {}, IMAGE),
    )
    graph = Graph("g", (Value("x", IMAGE),), nodes, ("b",), {})
    assert graph.type_of("x") == graph.type_of("b") == IMAGE
    assert graph.node("a") is nodes[0]
    assert graph.consumers("x") == nodes
    with pytest.raises(KeyError):
        graph.type_of("c")


def test_array_dequantises_low_bit_constants():
    codes = np.array([[1, 0], [-1, 0]], np.int8)
    weight = LowBitWeight(codes, np.float32([2, 3]), np.float32([0, 1]))
    graph = Graph("g", (), (), (), {"w": weight})
    assert np.array_equal(graph.array(ConstRef("w")), [[2, 0], [-2, 1]])
    with pytest.raises(KeyError):
        graph.array("w")


def test_resolve_fills_in_the_defaults():
    resolved = resolve(Node("y", "conv2d", ("x",), {"weight": ConstRef("w")}, IMAGE))
    assert resolved["stride"] == (1, 1)
    assert resolved["activation"] == "none"
    assert resolved["bias"] is None


@pytest.mark.parametrize("name", ["", "1a", "a b", "a\n", ".a", "a" * 256, "ä"])
def test_illegal_names_are_no_names(name):
    assert not is_name(name)
