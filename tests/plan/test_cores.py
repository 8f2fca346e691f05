"""Modelled cores of ARM: the planner computes with the rates that the model of the ports gave."""

import math

import numpy as np
import pytest

from signbin import native
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.passes import quantize_activations
from signbin.plan import Strategy, Target, make_plan
from signbin.plan.cores import CORES, MODELLED, WALK_SHARE
from signbin.spec import ActivationSpec, LowBitWeight

# Multiply-accumulates a cycle of walks as compiled, four vectors of 16 codes at once: from a
# bucket left by a mispredicted branch in 0.8 of all cases to one in 0.2. In-order cores: as
# compiled to unrolled. A vector's way to the output is not in these.
WALKS = {
    "cortex-a53": (17, 23),
    "cortex-a55": (18, 25),
    "cortex-a72": (40, 48),
    "cortex-a76": (63, 79),
    "neoverse-n1": (63, 79),
    "cortex-a710": (63, 79),
    "neoverse-n2": (63, 79),
}
PRODUCTS = {
    "cortex-a53": 3.6,
    "cortex-a55": 11.5,
    "cortex-a72": 8.0,
    "cortex-a76": 31.9,
    "neoverse-n1": 31.9,
    "cortex-a710": 63.5,
    "neoverse-n2": 63.5,
}


def layer_on_codes(channels: int, size: int) -> Graph:
    """A signed-binary 3x3 convolution of a density of 0.35, from codes to codes."""
    rng = np.random.default_rng(0)
    shape = (channels, channels, 3, 3)
    signs = np.where(rng.random(channels) < 0.5, -1, 1)[:, None, None, None]
    codes = ((rng.random(shape) < 0.35) * signs).astype(np.int8)
    weight = LowBitWeight(codes, np.full(channels, 0.05, np.float32))
    kind = TensorType("f32", (BATCH, channels, size, size))
    attributes = {"weight": ConstRef("w"), "stride": (1, 1), "padding": (1, 1), "groups": 1}
    nodes = (
        Node("a", "relu", ("x",), {}, kind),
        Node("layer", "conv2d", ("a",), attributes | {"activation": "relu"}, kind),
        Node("b", "relu", ("layer",), {}, kind),
    )
    graph = Graph("one", (Value("x", kind),), nodes, ("b",), {"w": weight})
    specs = dict.fromkeys(("x", "a", "layer", "b"), ActivationSpec(2.0**-6, 0, 8))
    return quantize_activations(graph, specs)


GRAPH = layer_on_codes(64, 56)


def rates(name: str) -> dict[Strategy, float]:
    """Multiply-accumulates a cycle of the best walk and of products."""
    target = Target.named(name)
    plan = make_plan(GRAPH, native.kernels(), target)
    planned = plan.for_layer("layer")
    cycles = {}
    for candidate in planned.candidates:
        if math.isfinite(candidate.cost):
            found = candidate.cost / target.add_per_cycle * 56 * 56 / target.lanes
            cycles[candidate.strategy] = min(found, cycles.get(candidate.strategy, math.inf))
    return {strategy: planned.macs / spent for strategy, spent in cycles.items()}


@pytest.mark.parametrize("name", CORES)
def test_walks_run_at_the_modelled_rate_but_for_their_share_and_the_way_out(name):
    low, high = WALKS[name]
    core, found = CORES[name], rates(name)[Strategy.BUCKET]
    way_out = core.result_cycles / (16 * 64 * 9)  # cycles per multiply-accumulate
    steady = 1 / (WALK_SHARE / found - way_out)
    assert low <= steady <= high


@pytest.mark.parametrize("name", CORES)
def test_products_run_at_the_modelled_rate(name):
    assert rates(name)[Strategy.DENSE] == pytest.approx(PRODUCTS[name], rel=0.12)


@pytest.mark.parametrize("name", CORES)
def test_cores_with_products_of_matrices_multiply_and_all_others_walk(name):
    planned = make_plan(GRAPH, native.kernels(), Target.named(name)).for_layer("layer")
    multiplies = CORES[name].isa == "neon_i8mm"
    assert planned.strategy is (Strategy.DENSE if multiplies else Strategy.BUCKET)
    if multiplies:
        assert f"63.5 a cycle by SMMLA ({MODELLED})" in planned.why
    assert "cheaper than" in planned.why
