from pathlib import Path

import numpy as np
import pytest

from signbin.analysis import (
    gemm,
    input_densities,
    layers_from_graph,
    parse_gemm,
    read_shapes,
    with_activations,
)
from signbin.analysis.patterns import draw_exact, draw_independent, draw_stonne
from signbin.analysis.workload import LayerWorkload, with_kind
from signbin.errors import FormatError, SpecError
from signbin.ir.graph import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.spec import LowBitWeight, ValueSet

SHAPES = Path(__file__).parents[2] / "benchmarks" / "shapes" / "resnet18.txt"


def test_the_shapes_of_resnet18_hold_its_quantised_weights():
    layers = read_shapes(SHAPES)
    assert sum(layer.filters * layer.inputs for layer in layers) == 10_985_472
    assert layers[4].out_shape == (28, 28)


@pytest.mark.parametrize(
    "text",
    [
        "one 1 2 3",
        "a 4 4 5 5 3 3 1 1 x",
        "a 4 4 2 2 5 5 1 0 1",
        "a 4 4 5 5 3 3 0 1 1",
        "# no layer",
    ],
)
def test_a_bad_shapes_file_is_refused(tmp_path: Path, text):
    path = tmp_path / "shapes.txt"
    path.write_text(text + "\n")
    with pytest.raises(FormatError, match=r"shapes\.txt"):
        read_shapes(path)


@pytest.mark.parametrize("text", ["64x49", "0x4x4", "64X49x576", "ax4x4", "1x2x3x4", ""])
def test_a_bad_matrix_product_is_refused(text):
    with pytest.raises(SpecError, match="MxNxK"):
        parse_gemm(text)


def test_a_matrix_product_is_read():
    assert parse_gemm("64x49x576") == (64, 49, 576)


def test_independent_draws_have_the_density_and_repeat_with_the_seed():
    drawn = draw_independent((300, 400), 0.357, 5)
    assert drawn.mean() == pytest.approx(0.357, abs=0.01)
    assert np.array_equal(drawn, draw_independent((300, 400), 0.357, 5))
    assert not np.array_equal(drawn, draw_independent((300, 400), 0.357, 6))


def test_exact_draws_have_the_density_in_every_row():
    assert set(draw_exact((20, 100), 0.36, 1).sum(axis=1)) == {36}


def test_the_first_numbers_of_the_c_library_are_reproduced():
    """rand() with its default seed: 1804289383, 846930886, 1681692777 ...; 83, 86, 77 mod 100."""
    draw = draw_stonne((1, 1, 3), 84)
    assert draw.stationary.tolist() == [[False, True, False]]  # 83; 86 and its value 77; 15


def test_stonnes_draw_zeroes_one_percent_more_than_asked():
    assert draw_stonne((64, 4, 576), 64).stationary.mean() == pytest.approx(0.35, abs=0.01)


def test_automatic_patterns_are_stonnes_for_whole_percents_and_dense_for_one():
    assert "STONNE" in gemm((4, 4, 50), 0.36).zeros
    assert gemm((4, 4, 50), 0.357).zeros == ""
    assert gemm((4, 4, 50), 1.0).drawn_density == 1.0


def test_unknown_patterns_and_broken_percents_are_refused():
    with pytest.raises(SpecError, match="auto, independent, stonne"):
        gemm((4, 4, 4), 0.5, pattern="diagonal")
    for shape, density in (((4, 4, 4), 0.357), ((8, 1 << 20, 64), 0.36)):
        with pytest.raises(SpecError, match="whole percents"):
            gemm(shape, density, pattern="stonne")
    assert gemm((8, 1 << 20, 64), 0.36).zeros == ""  # too large to follow number by number


def test_products_of_every_kind_are_drawn_with_the_same_zeros_and_signs_of_their_own():
    ours, ternary = (
        gemm((6, 4, 50), 0.36, value_set=kind)
        for kind in (ValueSet.SIGNED_BINARY, ValueSet.TERNARY)
    )
    assert np.array_equal(ours.drawn_codes != 0, ternary.drawn_codes != 0)
    assert (ours.drawn_codes[:3] >= 0).all()
    assert (ours.drawn_codes[3:] <= 0).all()
    assert set(np.unique(ternary.drawn_codes)) == {-1, 0, 1}
    assert gemm((6, 4, 50), 1.0, value_set=ValueSet.BINARY).drawn_density == 1.0


def test_drawn_codes_keep_to_their_value_set():
    layer = LayerWorkload("layer", 10, 50, density=0.4, seed=2)
    assert LowBitWeight(layer.drawn_codes, np.ones(10, np.float32)).value_set is (
        ValueSet.SIGNED_BINARY
    )
    ternary = with_kind(layer, ValueSet.TERNARY, 0.4, 2).drawn_codes
    assert set(np.unique(ternary)) == {-1, 0, 1}
    binary = with_kind(layer, ValueSet.BINARY).drawn_codes
    assert set(np.unique(binary)) == {-1, 1}


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"groups": 3}, "groups of bad"),
        ({"density": 0.0}, "density of bad"),
        ({"density": float("nan")}, "density of bad"),
        ({"activation_density": 1.5}, "activation_density of bad"),
        ({"out_shape": (0, 1)}, "shape of bad"),
        ({"filters": 1 << 20, "channels": 1 << 20}, "weights of bad"),
        ({"codes": np.zeros((4, 5), np.int8)}, "codes of bad"),
        ({"codes": np.full((4, 4), 2, np.int8)}, "codes of bad"),
    ],
)
def test_impossible_layers_are_refused_by_name(fields, word):
    with pytest.raises(SpecError, match=word):
        LayerWorkload("bad", **{"filters": 4, "channels": 4, **fields})


def graph():
    codes = np.array([[[[1]], [[0]]], [[[-1]], [[-1]]]], dtype=np.int8)
    return Graph(
        "tiny",
        (Value("x", TensorType("f32", (BATCH, 2, 4, 6))),),
        (
            Node(
                "conv",
                "conv2d",
                ("x",),
                {"weight": ConstRef("w"), "stride": (2, 2)},
                TensorType("f32", (BATCH, 2, 2, 3)),
            ),
            Node("pool", "global_avg_pool", ("conv",), {}, TensorType("f32", (BATCH, 2, 1, 1))),
            Node("flat", "flatten", ("pool",), {}, TensorType("f32", (BATCH, 2))),
            Node(
                "fc", "linear", ("flat",), {"weight": ConstRef("v")}, TensorType("f32", (BATCH, 3))
            ),
        ),
        ("fc",),
        {
            "w": LowBitWeight(codes, np.ones(2, np.float32)),
            "v": np.ones((3, 2), np.float32),
        },
    )


def test_a_graph_becomes_layers_with_the_codes_it_holds():
    (layer,) = layers_from_graph(graph())
    assert layer.name == "conv"
    assert (layer.out_shape, layer.in_shape) == ((2, 3), (4, 6))
    assert layer.drawn_codes.tolist() == [[1, 0], [-1, -1]]
    assert layer.value_set is ValueSet.SIGNED_BINARY


def test_float_layers_are_included_when_asked():
    conv, fc = layers_from_graph(graph(), float_layers=True)
    assert fc.value_set is ValueSet.FLOAT
    assert (fc.filters, fc.inputs, conv.inputs) == (3, 2, 2)


def test_measured_activation_densities_reach_their_layers():
    x = np.zeros((1, 2, 4, 6), np.float32)
    x[0, 0, 0, :] = 1.0
    flat = np.array([[1.0, 0.0]], np.float32)
    densities = input_densities(graph(), [{"x": x, "flat": flat}])
    assert densities == {"conv": 6 / 48, "fc": 0.5}
    (layer,) = layers_from_graph(graph(), activation_density={"conv": 6 / 48})
    assert layer.activation_density == 6 / 48


def test_activation_densities_of_unknown_layers_are_refused():
    with pytest.raises(SpecError, match="nowhere"):
        layers_from_graph(graph(), activation_density={"nowhere": 0.5})
    with pytest.raises(SpecError, match="nowhere"):
        with_activations(layers_from_graph(graph()), {"nowhere": 0.5})
    with pytest.raises(SpecError, match="every layer's input"):
        input_densities(graph(), [{}])
