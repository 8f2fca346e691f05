from pathlib import Path

import numpy as np
import pytest

from signbin.analysis import ACCELERATORS, Action, LayerWorkload, accelerator, load_configuration
from signbin.analysis.accelerators.cpu import with_plan
from signbin.analysis.accelerators.ucnn import factorized_counts
from signbin.analysis.workload import with_activations, with_kind
from signbin.errors import FormatError, SpecError
from signbin.plan import LayerPlan, Plan, Strategy
from signbin.spec import ValueSet

NAMES = [model.name for model in ACCELERATORS]
DENSE = [name for name in NAMES if name in ("maeri", "systolic", "row-stationary")]


def conv(**more):
    return LayerWorkload("conv", 16, 16, (3, 3), (8, 8), (8, 8), **more)


def counted(name, layer, configuration=None):
    model = accelerator(name)
    return model.count(layer, load_configuration(model, configuration))


@pytest.mark.parametrize("name", NAMES)
def test_every_model_has_a_default_configuration_that_counts_a_convolution(name):
    counts = counted(name, conv(density=0.4, seed=1))
    assert counts.cycles > 0
    assert counts.actions


@pytest.mark.parametrize("name", NAMES)
def test_twice_the_filters_and_pixels_are_no_less_work(name):
    once = counted(name, conv(density=0.4, seed=1))
    wide = LayerWorkload("conv", 32, 16, (3, 3), (16, 8), (16, 8), density=0.4, seed=1)
    twice = counted(name, wide)
    assert twice.cycles >= once.cycles
    assert all(twice[action] >= once[action] for action in once.actions)


PRODUCTS = (Action.MULTIPLY, Action.GATED, Action.LANE_MULTIPLY)


@pytest.mark.parametrize(
    "name", ["sigma", "maeri", "systolic", "row-stationary", "extensor", "save"]
)
def test_dense_products_double_with_filters_pixels_and_inputs(name):
    def products(filters, channels, height):
        layer = LayerWorkload("dense", filters, channels, (3, 3), (height, 8), (height, 8))
        counts = counted(name, layer)
        found = sum(counts[action] for action in PRODUCTS)
        assert found == layer.macs
        return found

    once = products(16, 16, 8)
    assert products(32, 16, 8) == products(16, 32, 8) == products(16, 16, 16) == 2 * once


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_draws_the_same_counts(name):
    assert counted(name, conv(density=0.4, seed=7)).to_json() == (
        counted(name, conv(density=0.4, seed=7)).to_json()
    )


@pytest.mark.parametrize("name", DENSE)
def test_a_dense_array_does_every_product_whatever_the_zeros(name):
    sparse = counted(name, conv(density=0.4, seed=1))
    dense = counted(name, with_kind(conv(), ValueSet.BINARY))
    assert sparse[Action.MULTIPLY] == dense[Action.MULTIPLY] == conv().macs
    assert sparse.cycles == dense.cycles


@pytest.mark.parametrize("name", ["systolic-16-16-gated", "row-stationary-12-14-gated"])
def test_gating_splits_products_and_saves_no_cycle(name):
    model = name.rsplit("-", 3)[0]
    layer = conv(density=0.4, seed=1, activation_density=0.5)
    gated, plain = counted(model, layer, name), counted(model, with_kind(conv(), ValueSet.BINARY))
    assert gated.cycles == plain.cycles
    assert gated[Action.MULTIPLY] + gated[Action.GATED] == pytest.approx(layer.macs)
    assert gated[Action.MULTIPLY] == pytest.approx(layer.macs * layer.drawn_density * 0.5)


def test_systolic_operands_reach_every_element_from_the_buffer_or_a_neighbour():
    layer = conv()
    counts = counted("systolic", layer, "systolic-16-16")
    assert counts[Action.PASS] + counts[Action.DISTRIBUTE] == 2 * layer.macs
    assert counts[Action.BUFFER_READ] == counts[Action.DISTRIBUTE]


def test_a_systolic_tile_takes_its_products_its_skew_and_the_way_out():
    layer = LayerWorkload("one tile", 16, 100, out_shape=(4, 4), in_shape=(4, 4))
    assert counted("systolic", layer, "systolic-16-16").cycles == 100 + 16 + 16 - 2 + 16
    assert counted("systolic", layer, "systolic-16-16")[Action.COLLECT] == 16 * 16 * 16


def test_row_stationary_reads_each_weight_once_per_strip_of_output_rows():
    layer = LayerWorkload("tall", 16, 4, (3, 3), (28, 28), (28, 28))
    counts = counted("row-stationary", layer)
    weights = 16 * 4 * 9
    assert counts[Action.BUFFER_READ] == 2 * weights + layer.in_elements


def test_row_stationary_refuses_a_kernel_taller_than_the_array():
    layer = LayerWorkload("tall", 4, 4, (13, 1), (28, 28), (40, 28))
    with pytest.raises(SpecError, match=r"rows.*13 kernel rows of tall"):
        counted("row-stationary", layer)


def test_repetition_counts_match_the_formula_on_a_worked_example():
    """Tuples (1,1) (1,0) (1,0) (0,1) (0,0): n = 4, P_2 = 3, so 1 + 3 additions."""
    codes = np.array([[1, 1, 1, 0, 0], [1, 0, 0, 1, 0]], dtype=np.int8)
    walk = factorized_counts(codes, 2, 5)
    assert (walk.entries, walk.additions, walk.multiplications) == (4, 4, 2)


def test_one_binary_filter_adds_every_input_and_multiplies_twice():
    codes = np.where(np.arange(12) % 3 == 0, 1, -1).astype(np.int8)[None, :]
    walk = factorized_counts(codes, 1, 12)
    assert (walk.entries, walk.additions, walk.multiplications) == (12, 10, 2)


def test_repetition_favours_signed_binary_over_ternary_of_the_same_density():
    """Few patterns where two filters walk together: signs that vary cost additions."""
    sparse = with_kind(conv(), ValueSet.SIGNED_BINARY, 0.4, seed=3)
    ternary = with_kind(conv(), ValueSet.TERNARY, 0.4, seed=3)
    ours, theirs = (counted("ucnn", layer, "ucnn-32-4") for layer in (sparse, ternary))
    assert ours[Action.INDEX_READ] == theirs[Action.INDEX_READ]
    assert ours[Action.ADD] < theirs[Action.ADD]
    assert ours[Action.MULTIPLY] < theirs[Action.MULTIPLY]


def test_intersection_multiplies_only_where_both_operands_are_nonzero():
    layer = conv(density=0.4, seed=1, activation_density=0.5)
    counts = counted("extensor", layer)
    weights = layer.drawn_density * layer.filters * layer.inputs
    assert counts[Action.MULTIPLY] == pytest.approx(weights * layer.out_pixels * 0.5)
    assert counts[Action.COMPARE] > counts[Action.MULTIPLY]


def test_lane_skipping_issues_as_often_as_the_busiest_lane_of_a_window():
    codes = np.zeros((16, 48), dtype=np.int8)
    codes[0, :5] = codes[1, :3] = codes[2, 30:] = 1  # windows of 24: 5 and 18
    layer = LayerWorkload("lanes", 16, 48, codes=codes)
    assert counted("save", layer)[Action.VECTOR_MULTIPLY] == 5 + 18


def test_lane_skipping_of_dense_weights_saves_nothing():
    layer = with_kind(conv(), ValueSet.BINARY)
    assert counted("save", layer)[Action.VECTOR_MULTIPLY] == layer.macs / 16


@pytest.mark.parametrize("name", ["save", "extensor"])
def test_zero_activations_save_work_where_they_are_tested(name):
    dense = conv(density=0.4, seed=1)
    (sparse,) = with_activations([dense], 0.25)
    assert counted(name, sparse).cycles < counted(name, dense).cycles


def test_the_cpu_adds_what_the_planner_counts():
    layer = conv(density=0.4, seed=1)
    counts = counted("cpu", layer)
    vectors = layer.out_pixels // 8
    kept = counts[Action.VECTOR_ADD] / vectors
    assert layer.drawn_density * layer.filters * layer.inputs > kept > layer.inputs
    assert counts[Action.L2_ACCESS] == (16 * 64 + 16 * 64) * 4 // 64


def test_a_plan_decides_how_the_cpu_runs_each_layer():
    def planned(strategy, parameters):
        entry = LayerPlan(
            "conv", "conv2d", "signed_binary", 0.4, 1, strategy, parameters, "chosen: test", ()
        )
        return Plan("test", (entry,))

    base = load_configuration(accelerator("cpu"))
    layer = conv(density=0.4, seed=1)
    dense = with_plan(base, planned(Strategy.DENSE, {}))
    tile = {"filters": 4, "vectors": 1, "chunk": 16}
    walked = with_plan(base, planned(Strategy.BUCKET, tile))
    generated = with_plan(base, planned(Strategy.BUCKET, {**tile, "generated": 1}))
    counts = accelerator("cpu").count
    assert counts(layer, dense)[Action.VECTOR_MULTIPLY] == layer.macs / 8
    assert counts(layer, walked)[Action.VECTOR_MULTIPLY] == 0
    assert counts(layer, walked)[Action.VECTOR_ADD] != counts(layer, base)[Action.VECTOR_ADD]
    assert counts(layer, walked)[Action.SCALAR] > counts(layer, generated)[Action.SCALAR] == 0
    assert counts(layer, walked)[Action.LANE_ADD] == counts(layer, generated)[Action.LANE_ADD]


def test_a_configuration_file_sets_fields(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text('accelerator = "systolic"\nrows = 4\ncolumns = 8\ngating = "weights"\n')
    configuration = load_configuration(accelerator("systolic"), path)
    assert (configuration.name, configuration.rows, configuration.columns) == ("mine", 4, 8)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("rows = 4\ncolumns = 8\nlanes = 3\n", "unknown field: got 'lanes'"),
        ("rows = 4\n", "missing field: got 'columns'"),
        ("rows = 0\ncolumns = 8\n", "mine: rows"),
        ("rows = 4.5\ncolumns = 8\n", "mine: rows"),
        ('rows = 4\ncolumns = 8\ngating = "some"\n', "mine: gating"),
        ('accelerator = "sigma"\nrows = 4\ncolumns = 8\n', "accelerator"),
    ],
)
def test_a_bad_configuration_file_is_refused_by_name(tmp_path: Path, text, word):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(SpecError, match=word):
        load_configuration(accelerator("systolic"), path)


def test_a_file_that_is_no_toml_is_a_format_error(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text("rows = = 4")
    with pytest.raises(FormatError, match=r"mine\.toml"):
        load_configuration(accelerator("systolic"), path)


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(SpecError, match="sigma, maeri, systolic"):
        accelerator("npu")
