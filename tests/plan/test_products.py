import dataclasses
import math

import pytest

from signbin import native
from signbin.plan import Target
from signbin.plan.cost import relayout_cycles, vector_lanes
from signbin.plan.layer import weighted_layers
from signbin.plan.planner import least_cost
from signbin.plan.products import has_product_kernels, product_cost

AVX2, VNNI = Target.for_isa("avx2"), Target.for_isa("avx512vnni")


@pytest.fixture
def layer_of(make_graph, make_weight):
    """A layer on codes; stride: said to the layer, whose output stays ``size`` pixels wide."""

    def build(shape=(64, 64, 3, 3), kind="signed_binary", size=28, groups=1, stride=1):
        graph = make_graph(make_weight(kind, shape), size=size, groups=groups)
        floats = weighted_layers(graph, 1)[0]
        return dataclasses.replace(
            floats, activations="u8", top=255, output=(size, size), stride=stride
        )

    return build


def cycles(layer, target):
    vectors = layer.images * math.prod(layer.output) / vector_lanes(layer, target)
    return product_cost(layer, target) * vectors / target.add_per_cycle


def test_products_are_priced_for_codes_where_the_instruction_set_has_kernels(layer_of):
    layer = layer_of()
    assert has_product_kernels(layer, VNNI)
    assert has_product_kernels(layer, Target.portable())
    assert not has_product_kernels(layer, Target.for_isa("scalar"))
    assert not has_product_kernels(dataclasses.replace(layer, activations="f32"), VNNI)


def test_vnni_multiplies_a_large_layer_half_again_as_fast_as_avx2(layer_of):
    layer = layer_of((256, 256, 3, 3), size=14)
    assert 1.4 < cycles(layer, AVX2) / cycles(layer, VNNI) < 2.0
    assert 1.0 < cycles(layer, VNNI) * 64 / layer.macs < 1.25  # 64 products a cycle, and the rest


def test_on_arm_a_step_takes_sixteen_bytes_whatever_is_in_them(layer_of):
    arm = Target.for_isa("neon", host=False)
    one, full, more = (cycles(layer_of((64, count, 1, 1)), arm) for count in (1, 16, 17))
    assert more - full > 5 * (full - one)


@pytest.mark.parametrize(
    ("isa", "chosen"), [("neon", "bucket"), ("neon_dot", "bucket"), ("neon_i8mm", "dense")]
)
def test_arm_walks_deep_layers_unless_it_has_products_of_matrices(layer_of, isa, chosen):
    layer = layer_of((512, 512, 3, 3), size=7)
    target = Target.for_isa(isa, host=False)
    costs = {
        strategy: least_cost(layer, [k for k in native.kernels() if k.strategy == strategy], target)
        for strategy in ("bucket", "dense")
    }
    assert min(costs, key=costs.__getitem__) == chosen


def test_dense_products_take_the_same_time_whatever_the_weights_are(layer_of):
    for kind in ("signed_binary", "binary", "ternary"):
        assert product_cost(layer_of(kind=kind), VNNI) == product_cost(layer_of(kind="float"), VNNI)


def test_filters_fill_up_whole_vectors_in_every_group(layer_of):
    last, full, one_more = (cycles(layer_of((count, 16, 3, 3)), VNNI) for count in (15, 16, 17))
    assert one_more - full > 5 * (full - last)
    assert cycles(layer_of((64, 4, 3, 3), groups=16), VNNI) > 2 * cycles(
        layer_of((64, 4, 3, 3)), VNNI
    )


def test_a_depthwise_layer_pays_per_tap_and_channel(layer_of):
    small, large = layer_of((32, 1, 3, 3), groups=32), layer_of((64, 1, 3, 3), groups=64)
    assert cycles(large, AVX2) / cycles(small, AVX2) == pytest.approx(2, rel=0.15)
    assert cycles(small, AVX2) == cycles(small, VNNI)


@pytest.mark.parametrize(("size", "moved"), [(28, False), (14, True), (7, True)])
def test_codes_are_laid_out_again_where_blocks_do_not_match_the_stride(layer_of, size, moved):
    """On 16 lanes 56x56 is cut into 14x14 and 28x28 into 7x7, but 14x14 into 7x2."""
    layer = layer_of((64, 32, 3, 3), size=size, stride=2)
    assert relayout_cycles(layer, AVX2) == (12.0 * 4 * 32 if moved else 0.0)
    assert relayout_cycles(dataclasses.replace(layer, stride=1), AVX2) == 0.0
