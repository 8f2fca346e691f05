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
    floats = weighted_layers(graph, 1)[0]
    layer = dataclasses.replace(floats, activations="u8", top=255, output=(size, size))
    target = dataclasses.replace(Target.for_isa(isa, host=False), generation=MachineCode.ON)
    found = [option.parameters for option in Bucket().options(layer, kernels(isa), target)]
    assert found
    assert any("generated" in parameters for parameters in found) is generated
