"""Drawings of graphs: nothing overlaps, edges go down, every step and its time is named."""

import itertools
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from signbin.report import DrawnStep, graph_svg
from signbin.report.layered_layout import layered_layout

WIDTH, GAP = 100.0, 24.0


@st.composite
def graphs(draw) -> dict[str, tuple[str, ...]]:
    inputs: dict[str, tuple[str, ...]] = {"x": ()}
    for number in range(draw(st.integers(1, 14))):
        read = draw(st.lists(st.sampled_from(sorted(inputs)), min_size=1, max_size=3))
        inputs[f"n{number}"] = tuple(read)
    return inputs


@given(graphs())
def test_nodes_of_a_layer_stand_apart_and_edges_go_down(inputs) -> None:
    made = layered_layout(inputs, WIDTH, GAP)
    layers = itertools.groupby(sorted((p.layer, p.x) for p in made.places.values()), lambda p: p[0])
    for _, places in layers:
        xs = [x for _, x in places]
        assert all(b - a >= WIDTH + GAP - 1e-6 for a, b in itertools.pairwise(xs))
    for one, other, passed in made.edges:
        assert made.places[one].layer + len(passed) + 1 == made.places[other].layer
    assert all(
        WIDTH / 2 - 1e-6 <= p.x <= made.width - WIDTH / 2 + 1e-6 for p in made.places.values()
    )


@given(graphs())
def test_edges_that_pass_a_layer_cross_no_node_of_it(inputs) -> None:
    made = layered_layout(inputs, WIDTH, GAP)
    for one, _, passed in made.edges:
        for layer, x in enumerate(passed, made.places[one].layer + 1):
            beside = [place.x for place in made.places.values() if place.layer == layer]
            assert all(abs(x - node) > WIDTH / 2 for node in beside)


def test_a_chain_is_drawn_straight() -> None:
    made = layered_layout({"a": (), "b": ("a",), "c": ("b",)}, WIDTH)
    assert len({place.x for place in made.places.values()}) == 1


def test_the_drawing_names_every_step_its_strategy_and_its_time() -> None:
    steps = (
        DrawnStep("x", (), "x", "input", "3 x 8 x 8"),
        DrawnStep("c", ("x",), "conv<1>", "conv2d", "8 x 8 x 8", "bucket", True, 0.25, "few adds"),
        DrawnStep("s", ("c", "x"), "sum", "add", "8 x 8 x 8", ms=0.75),
    )
    root = ElementTree.fromstring(graph_svg("net", ["1.00 ms, measured"], steps))
    said = ["".join(element.itertext()) for element in root.iter()]
    for expected in ("net", "1.00 ms, measured", "conv<1>", "bucket", "0.250 ms", "0.750 ms"):
        assert expected in said, expected
    assert any("few adds" in text and "25.0 %" in text for text in said)
    edges = [one for one in root.iter() if one.get("class") == "edge"]
    assert len(edges) == 3
