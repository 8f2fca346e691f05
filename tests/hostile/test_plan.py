"""A plan in a file asks for no more work than the planner would, whatever it states."""

import dataclasses
import time
import tracemalloc

import numpy as np
import pytest

from signbin import native
from signbin.artifact import Artifact, encode
from signbin.errors import ExecutionError, PlanError
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.plan import STRATEGIES, MachineCode, Plan, Strategy, Target, make_plan, weighted_layers
from signbin.runtime import Program
from signbin.spec import ActivationSpec, LowBitWeight
from signbin.sums import (
    ActivationGroups,
    BinaryForm,
    Budget,
    OverBudget,
    PairMerging,
    Sparse,
    layer_sums,
)
from tests.patience import soon


def weight_of(filters, inputs, values=(-1, 0, 1)):
    codes = np.random.default_rng(0).choice(np.array(values, np.int8), (filters, inputs))
    return LowBitWeight(codes, np.ones(filters, np.float32))


def linear(filters, inputs):
    node = Node(
        "y", "linear", ("x",), {"weight": ConstRef("w")}, TensorType("f32", (BATCH, filters))
    )
    given = (Value("x", TensorType("f32", (BATCH, inputs))),)
    return Graph("g", given, (node,), ("y",), {"w": weight_of(filters, inputs)})


def saved(folder, graph, strategy, parameters):
    """A file whose plan states this of its layer, as if it had been made on this machine."""
    target = Target.from_cpu(native.cpu(), native.resolve_isa("auto"))
    (layer,) = make_plan(graph, native.kernels(), target).layers
    asked = dataclasses.replace(layer, strategy=strategy, parameters=parameters)
    path = folder / "asking.sbn"
    path.write_bytes(encode(Artifact(graph, Plan(str(target), (asked,)))))
    return path


BLOCK = {"filters": 8, "inputs": 32, "vectors": 1}
ASKING = {
    "seconds of a search": (Strategy.QGYM, {**BLOCK, "seconds": 2**31 - 1}),
    "steps of a search": (Strategy.QGYM, {**BLOCK, "steps": 2**31 - 1}),
    "rounds of a search": (Strategy.QGYM, {**BLOCK, "rounds": 2**31 - 1}),
    "a whole layer's pairs": (Strategy.CSE, {"filters": 512, "inputs": 2048, "vectors": 1}),
    "many filters' pairs": (Strategy.SUMMERGE, {"filters": 512, "inputs": 64, "vectors": 1}),
    "many groups": (Strategy.AGR, {"filters": 9, "inputs": 64, "vectors": 1}),
    "a chunk per channel": (Strategy.BUCKET, {"filters": 5, "vectors": 1, "chunk": 1}),
    "vectors": (Strategy.BITSERIAL, {"vectors": 2**31 - 1}),
    "what nobody reads": (Strategy.DENSE, {"colour": 1}),
}


@pytest.mark.parametrize("name", ASKING)
def test_what_no_planner_would_ask_for_is_refused_at_once(tmp_path, name):
    path = saved(tmp_path, linear(64, 128), *ASKING[name])

    def refused():
        with pytest.raises(PlanError, match=r"of layer y in the plan: got .*plan the graph again"):
            Program.load(path)

    soon(refused, 5)


@pytest.mark.parametrize("activations", [None, ActivationSpec(0.25, 0, 8)])
@pytest.mark.parametrize("rule", STRATEGIES, ids=lambda rule: rule.strategy.value)
def test_whatever_the_planner_tries_a_plan_may_state(rule, activations):
    (layer,) = weighted_layers(linear(24, 100), 1)
    if activations:
        layer = dataclasses.replace(layer, activations="u8", top=activations.top)
    target = dataclasses.replace(
        Target.from_cpu(native.cpu(), native.resolve_isa("auto")), generation=MachineCode.ON
    )
    serving = [
        kernel
        for kernel in native.kernels()
        if (kernel.strategy, kernel.op, kernel.activations)
        == (rule.family, "linear", layer.activations)
    ]
    limits = rule.limits(layer)
    if rule.strategy is Strategy.QGYM:  # its options are SumMerge's tiles, found the long way
        tiles = list(rule.tiles(layer))
    else:
        tiles = [option.parameters for option in rule.options(layer, serving, target)]
    assert tiles or rule.applies(layer)
    for tile in tiles:
        assert all(value in limits[name] for name, value in tile.items()), tile


LIMITS = {"max_seconds": 0.0, "max_memory": 2**18}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("strategy", [Strategy.SPARSE, Strategy.AGR, Strategy.SUMMERGE])
def test_a_layer_past_the_budget_runs_as_the_planner_says(tmp_path, strategy, limit):
    graph = linear(64, 128)
    tile = {"filters": 1, "inputs": 16, "vectors": 1}
    path = saved(tmp_path, graph, strategy, tile)
    as_asked = Program.load(path)
    assert as_asked.plan.layers[0].strategy is strategy
    again = Program.load(path, **{limit: LIMITS[limit]})
    (layer,) = again.plan.layers
    assert layer.strategy not in (strategy, None)
    assert f"not {strategy.value}, as was planned" in layer.why
    assert f"({limit})" in layer.why
    images = np.random.default_rng(1).normal(size=(3, 128)).astype(np.float32)
    np.testing.assert_allclose(again(images), as_asked(images), rtol=1e-5, atol=1e-5)


def test_time_is_looked_at_between_sub_blocks():
    """Of a search that takes seconds, what is past the time is not begun."""
    weight = weight_of(512, 1024)

    def begun():
        budget = Budget(until=time.monotonic() + 0.2)
        with pytest.raises(OverBudget, match="max_seconds"):
            layer_sums(weight, ActivationGroups(8, 16), budget=budget)

    soon(begun, 2)


SEARCHES = (
    *(Sparse(inputs) for inputs in (1, 2**20)),
    *(ActivationGroups(8, inputs) for inputs in (1, 32, 2**20)),
    *(PairMerging(*tile) for tile in ((1, 1), (2, 2), (64, 128))),
    PairMerging(64, 128, zeros=True),
    PairMerging(64, 128, leaves=False, signed=True),
)


@pytest.mark.parametrize("form", BinaryForm)
@pytest.mark.parametrize("search", SEARCHES, ids=str)
def test_no_search_takes_the_memory_beyond_its_estimate(search, form):
    shape = (32, 64) if search.inputs < 16 else (64, 256)
    weight = weight_of(*shape, (-1, 1))
    filters = getattr(search, "filters", 64)
    tracemalloc.start()
    layer_sums(weight, search, form)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    with pytest.raises(OverBudget, match="max_memory"):
        Budget(memory=peak).check_memory(shape, filters, search.inputs)


def claiming(type_, *ops):
    nodes, given = [], "x"
    for op, attributes, made in ops:
        nodes.append(Node(f"v{len(nodes)}", op, (given,), attributes, made))
        given = nodes[-1].name
    return Graph("g", (Value("x", type_),), tuple(nodes), (given,), {})


def branching(type_, branches):
    """All branches are there before the first is added to another."""
    nodes = [Node(f"b{n}", "relu", ("x",), {}, type_) for n in range(branches)]
    for number in range(1, branches):
        before = f"s{number - 1}" if number > 1 else "b0"
        nodes.append(Node(f"s{number}", "add", (before, f"b{number}"), {}, type_))
    return Graph("g", (Value("x", type_),), tuple(nodes), (nodes[-1].name,), {})


HUGE = TensorType("f32", (BATCH, 3, 2**13, 2**13))
WIDE = TensorType("f32", (BATCH, 2**28))
CODES = TensorType("u8", (BATCH, 2**28), ActivationSpec(0.25, 128, 8))


@pytest.mark.parametrize(
    "graph",
    [
        branching(HUGE, 12),
        claiming(
            WIDE,
            ("quantize", {}, CODES),
            ("leaky_relu", {"slope": 0.5}, CODES),
            ("dequantize", {}, WIDE),
        ),
    ],
    ids=["values", "constants of codes"],
)
def test_claimed_values_are_refused_before_anything_is_made(tmp_path, graph):
    path = tmp_path / "wide.sbn"
    path.write_bytes(encode(Artifact(graph)))
    assert path.stat().st_size < 2048
    tracemalloc.start()
    with pytest.raises(ExecutionError, match=r"memory of graph g.*max_memory"):
        Program.load(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_the_working_memory_of_a_call_is_within_the_budget():
    image = TensorType("f32", (BATCH, 8, 32, 32))
    graph = claiming(image, *[("relu", {}, image)] * 3)
    needed = Program(Artifact(graph)).arena_bytes
    Program(Artifact(graph), budget=Budget(memory=needed))
    with pytest.raises(ExecutionError, match="memory of graph g"):
        Program(Artifact(graph), budget=Budget(memory=needed - 1))


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("value", [-1, float("nan"), "60", True])
def test_a_budget_is_a_number(tmp_path, limit, value):
    path = tmp_path / "small.sbn"
    path.write_bytes(encode(Artifact(linear(4, 8))))
    with pytest.raises(ExecutionError, match=limit):
        Program.load(path, **{limit: value})
