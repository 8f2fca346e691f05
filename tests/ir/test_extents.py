"""Graphs for inputs of other extents: what follows, what is refused, what differs."""

import dataclasses

import numpy as np
import pytest

from signbin.errors import VerifyError
from signbin.ir import (
    BATCH,
    ConstRef,
    Graph,
    Node,
    TensorType,
    Value,
    differing_nodes,
    parse_graph,
    print_graph,
    verify,
    with_extents,
    with_free_axes,
)


def image(channels, *size):
    return TensorType("f32", (BATCH, channels, *size))


def graph(size=(6, 8), free=(2, 3)) -> Graph:
    nodes = (
        Node("c", "conv2d", ("x",), {"weight": ConstRef("w")}, image(2, size[0] - 2, size[1] - 2)),
        Node("pool", "global_avg_pool", ("c",), {}, image(2, 1, 1)),
    )
    value = Value("x", image(3, *size), free)
    return Graph("net", (value,), nodes, ("pool",), {"w": np.ones((2, 3, 3, 3), np.float32)})


def test_every_shape_follows_from_the_inputs():
    resized = with_extents(graph(), {"x": (3, 10, 5)})
    assert [node.type for node in resized.nodes] == [node.type for node in graph((10, 5)).nodes]
    assert resized.inputs == graph((10, 5)).inputs


@pytest.mark.parametrize("extents", [(4, 6, 8), (3, 6), (3, 6, 8, 1)])
def test_axes_that_are_not_free_keep_their_extents(extents):
    with pytest.raises(VerifyError, match="extents of input %x"):
        with_extents(graph(), {"x": extents})


def test_a_node_that_cannot_take_the_size_is_named():
    with pytest.raises(VerifyError, match=r"node %c \(conv2d\)"):
        with_extents(graph(), {"x": (3, 2, 2)})


def test_free_axes_stand_in_the_text_and_are_read_back():
    text = print_graph(graph())
    assert "input %x : f32[N,3,6,8] free (2,3)\n" in text
    again = parse_graph(text, graph().constants)
    assert again.inputs == graph().inputs
    assert print_graph(again) == text


@pytest.mark.parametrize("free", [(0,), (4,), (3, 2), (2, 2), ("2",), [2]])
def test_axes_that_cannot_be_free_are_refused(free):
    with pytest.raises(VerifyError, match="free axes of input %x"):
        verify(dataclasses.replace(graph(), inputs=(Value("x", image(3, 6, 8), free),)))


def test_axes_are_declared_free_by_input():
    assert with_free_axes(graph(free=()), {"x": (3,)}).inputs[0].free == (3,)
    assert with_free_axes(graph(), {}).inputs[0].free == ()


def test_what_two_graphs_of_one_network_do_not_share_is_told_in_words():
    assert list(differing_nodes(graph(), graph((9, 9)))) == []
    other = dict(graph().constants) | {"w": np.zeros((2, 3, 3, 3), np.float32)}
    found = differing_nodes(graph(), dataclasses.replace(graph(), constants=other))
    assert list(found) == ["constant w depends on the size"]
    strided = dataclasses.replace(
        graph().nodes[0], attributes={"weight": ConstRef("w"), "padding": (1, 1)}
    )
    changed = dataclasses.replace(graph(), nodes=(strided, graph().nodes[1]))
    assert list(differing_nodes(graph(), changed)) == [
        "forward: conv2d c: padding depends on the size"
    ]
