"""Which layers get walks that are machine code, and where."""

import dataclasses

import pytest

from signbin.plan import MachineCode, Target
from signbin.plan.layer import weighted_layers
from signbin.plan.strategies import Bucket
from signbin.spec import Kernel


def kernels(isa):
    make = "sb_u8_bucket_conv2d_{}__{}".format
    return [
        Kernel(make("f8v4", isa), "bucket", "conv2d", isa, True, 8, 4, "u8"),
        Kernel(make("g8v1", isa), "bucket", "conv2d", isa, True, 8, 1, "u8", 4),
    ]


def coded_layer(graph, size):
    """The graph's one layer, on 8-bit codes."""
    floats = weighted_layers(graph, 1)[0]
    return dataclasses.replace(floats, activations="u8", top=255, output=(size, size))


def generating(isa):
    return dataclasses.replace(Target.for_isa(isa, host=False), generation=MachineCode.ON)


def best_generated(layer, isa, target):
    """The cheapest option with walks that are machine code."""
    options = Bucket().options(layer, kernels(isa), target)
    return min(
        (option for option in options if "generated" in option.parameters),
        key=lambda option: option.cost,
    )


CASES = [
    ("neon", 56, True),
    ("neon", 14, True),
    ("neon", 13, True),
    ("neon", 8, False),
    ("neon", 7, False),
    ("avx2", 56, True),
    ("avx2", 7, True),
]


@pytest.mark.parametrize(("isa", "size", "generated"), CASES)
def test_a_function_of_arm_must_run_sixteen_times_per_image(
    make_graph, make_weight, isa, size, generated
):
    graph = make_graph(make_weight("signed_binary", (64, 64, 3, 3)), size=size)
    layer, target = coded_layer(graph, size), generating(isa)
    found = [option.parameters for option in Bucket().options(layer, kernels(isa), target)]
    assert found
    assert any("generated" in parameters for parameters in found) is generated


@pytest.mark.parametrize(("size", "pixels"), [(7, 16), (8, 16), (14, 12), (28, 12)])
def test_inputs_of_neighbouring_tiles_of_a_sparse_layer_stay_in_the_first_cache(
    make_graph, make_weight, size, pixels
):
    """On 16 lanes a block of 7x7 or 8x8 has 2x2 pixels and reads 4x4 ones; elsewhere tiles share
    all columns but one."""
    graph = make_graph(make_weight("signed_binary", (64, 512, 3, 3), density=0.12), size=size)
    target = generating("avx2")
    chunk = best_generated(coded_layer(graph, size), "avx2", target).parameters["chunk"]
    assert 0.5 * target.l1_bytes < chunk * pixels * 32 <= 0.85 * target.l1_bytes


def test_sums_that_all_have_registers_make_walks_cheaper_and_change_no_tile(
    make_graph, make_weight
):
    graph = make_graph(make_weight("signed_binary", (64, 64, 3, 3), density=0.35), size=56)
    layer, target = coded_layer(graph, 56), generating("avx512vnni")
    short, long = (best_generated(layer, isa, target) for isa in ("avx2", "avx512"))
    assert short.parameters == long.parameters
    assert 0.9 * short.cost < long.cost < short.cost
