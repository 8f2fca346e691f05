"""Where tables are planned: low-bit layers, large enough to pay for the tables."""

import dataclasses

import pytest

from signbin.plan import MachineCode, Strategy, Target
from signbin.plan.layer import weighted_layers
from signbin.plan.planner import _plan_layer
from signbin.plan.table import Table
from signbin.spec import Kernel

RULE = Table()
VNNI, AVX2 = Target.for_isa("avx512vnni", host=False), Target.for_isa("avx2", host=False)


def kernel(strategy, isa, filters, vectors, op="linear", *, generated=False):
    name = f"sb_u8_{strategy}_{op}_{'g' if generated else 'f'}{filters}v{vectors}__{isa}"
    together = 3 if generated else 0
    return Kernel(name, strategy, op, isa, True, filters, vectors, "u8", together)


KERNELS = (
    kernel("dense", "scalar", 1, 1),
    kernel("dense", "avx2", 16, 4),
    kernel("dense", "avx512vnni", 64, 6),
    kernel("bucket", "avx2", 8, 1),
    kernel("table", "scalar", 32, 1),
    kernel("table", "avx2", 64, 1),
    kernel("table", "avx512", 256, 2),
    kernel("dense", "avx2", 16, 4, "conv2d"),
    kernel("dense", "avx512vnni", 64, 6, "conv2d"),
    kernel("bucket", "avx2", 8, 1, "conv2d"),
    kernel("bucket", "avx2", 8, 2, "conv2d"),
    kernel("bucket", "avx2", 8, 1, "conv2d", generated=True),
    kernel("table", "avx2", 64, 1, "conv2d"),
    kernel("table", "avx512", 256, 2, "conv2d"),
)


@pytest.fixture
def layer_of(make_graph, make_weight):
    def build(shape, kind="signed_binary", **changed):
        layer = weighted_layers(make_graph(make_weight(kind, shape)), 1)[0]
        return dataclasses.replace(layer, **{"activations": "u8", "top": 255, **changed})

    return build


def planned(layer, target=VNNI, force=None):
    return _plan_layer(
        layer, KERNELS, dataclasses.replace(target, generation=MachineCode.OFF), force
    )


@pytest.mark.parametrize("target", [VNNI, AVX2])
@pytest.mark.parametrize("kind", ["signed_binary", "binary"])
@pytest.mark.parametrize("images", [1, 16, 64])
def test_wide_linear_layers_on_codes_take_tables(layer_of, target, kind, images):
    found = planned(layer_of((1024, 1024), kind, images=images), target)
    assert found.strategy is Strategy.TABLE
    assert found.parameters == {}
    assert "1 bit a weight" in found.why
    assert "cheaper than" in found.why


@pytest.mark.parametrize("target", [VNNI, AVX2])
def test_two_bits_a_weight_are_worth_tables_for_one_row_and_not_for_sixteen(layer_of, target):
    one, many = (planned(layer_of((512, 512), "ternary", images=rows), target) for rows in (1, 16))
    assert (one.strategy, many.strategy) == (Strategy.TABLE, Strategy.DENSE)


@pytest.mark.parametrize("target", [VNNI, AVX2])
def test_a_head_of_ten_classes_stays_dense(layer_of, target):
    found = planned(layer_of((10, 512)), target)
    assert found.strategy is Strategy.DENSE
    assert any(
        one.strategy is Strategy.TABLE and "x the predicted cost" in one.why
        for one in found.candidates
    )


def test_three_values_have_two_bits_a_weight_and_take_twice_as_long(layer_of):
    one, two = (planned(layer_of((512, 512), kind), AVX2) for kind in ("binary", "ternary"))
    assert "2 bits a weight" in two.why
    costs = [
        next(entry.cost for entry in found.candidates if entry.strategy is Strategy.TABLE)
        for found in (one, two)
    ]
    assert 1.7 < costs[1] / costs[0] < 2.0


def test_what_tables_cannot_serve_is_said(layer_of, make_graph, make_weight):
    assert "float" in RULE.applies(layer_of((8, 8), "float"))
    convolution = weighted_layers(make_graph(make_weight("binary", (8, 4, 3, 3))), 1)[0]
    assert "on 8-bit codes" in RULE.applies(convolution)
    assert RULE.counted(convolution) is None
    assert RULE.applies(dataclasses.replace(convolution, activations="u8")) is None
    assert RULE.applies(layer_of((8, 8))) is None


def test_a_layer_states_the_bytes_that_it_reads_and_the_sums_that_it_looks_up(layer_of):
    """33 filters fill up two vectors of 32, 17 inputs three bytes."""
    found = RULE.counted(layer_of((33, 17)))
    assert found is not None
    assert found.operations.size_bytes == 64 * 3
    assert found.operations.additions == 30 * 3 + 2 * 64 * 3
    assert RULE.counted(layer_of((33, 17), "ternary")).operations.size_bytes == 2 * 64 * 3


def test_no_parameter_is_allowed_and_other_processors_have_no_price(layer_of):
    layer = layer_of((64, 64))
    assert RULE.limits(layer) == {}
    other = dataclasses.replace(KERNELS[-1], isa="neon_dot")
    assert list(RULE.options(layer, [other], VNNI)) == []


@pytest.fixture
def convolution(make_graph, make_weight):
    def build(shape, output, kind="signed_binary", **changed):
        layer = weighted_layers(make_graph(make_weight(kind, shape)), 1)[0]
        stated = {"activations": "u8", "top": 255, "output": output, **changed}
        return dataclasses.replace(layer, **stated)

    return build


@pytest.mark.parametrize("kind", ["signed_binary", "binary"])
def test_deep_maps_of_few_pixels_take_tables_where_no_code_is_generated(convolution, kind):
    found = planned(convolution((256, 256, 3, 3), (7, 7), kind))
    assert found.strategy is Strategy.TABLE
    assert found.parameters == {}


def test_where_code_is_generated_a_table_must_be_better_by_what_code_gains_in_a_cache(convolution):
    layer = convolution((256, 256, 3, 3), (7, 7))
    on, off = (
        dataclasses.replace(VNNI, generation=code) for code in (MachineCode.ON, MachineCode.OFF)
    )
    costs = [next(iter(RULE.options(layer, [KERNELS[-1]], target))).cost for target in (on, off)]
    assert costs[0] == pytest.approx(1.25 * costs[1])


@pytest.mark.parametrize("target", [VNNI, AVX2])
def test_few_filters_of_one_pixel_are_not_worth_its_tables(convolution, target):
    assert planned(convolution((16, 256, 1, 1), (28, 28)), target).strategy is not Strategy.TABLE


def test_windows_of_one_pixel_read_no_pixels_between_them(convolution):
    one, nine = (convolution((64, 32, size, size), (7, 7), stride=2) for size in (1, 3))
    assert RULE.counted(one).operations.additions == 30 * 4 + 2 * 64 * 4
    assert RULE.counted(nine).operations.additions == 30 * 4 * 4 + 2 * 64 * 4 * 9


def test_each_convolution_group_fills_up_vectors_of_its_own(convolution):
    layer = convolution((66, 8, 3, 3), (7, 7), groups=2)
    assert RULE.counted(layer).operations.size_bytes == 2 * 64 * 9
