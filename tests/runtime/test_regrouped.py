"""Walks of regrouped filters: the same sums, with any number of threads."""

import dataclasses

import numpy as np
import pytest

from signbin import native
from signbin.artifact import Artifact
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.plan import GroupSearch, Plan, Strategy, Target, make_plan
from signbin.plan.grouping import regroup
from signbin.plan.layer import weighted_layers
from signbin.runtime import Program
from signbin.spec import LowBitWeight


def graph_of(codes, groups, size):
    weight = LowBitWeight(codes, np.ones(len(codes), np.float32))
    shape = (BATCH, len(codes), size, size)
    attributes = {"weight": ConstRef("w"), "padding": (1, 1), "groups": groups}
    node = Node("y", "conv2d", ("x",), attributes, TensorType("f32", shape))
    given = Value("x", TensorType("f32", (BATCH, codes.shape[1] * groups, size, size)))
    return Graph("g", (given,), (node,), ("y",), {"w": weight})


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("size", [3, 19])
def test_whole_numbers_have_the_same_sums_in_any_company(shared, groups, size):
    rng = np.random.default_rng(size)
    codes = (rng.random((24, 40, 3, 3)) < 0.3).astype(np.int8)
    codes[1::2] *= -1
    graph = graph_of(codes, groups, size)
    plan = make_plan(graph, native.kernels(), Target.from_cpu(native.cpu()), Strategy.BUCKET)
    (layer,) = weighted_layers(graph, 1)
    tile = {**plan.layers[0].parameters, "chunk": 16, "filters": 5}
    order = regroup(layer, 5, 16, GroupSearch(), shared=shared).order
    assert len(order) == groups * (1 if shared else 3)
    x = rng.integers(-99, 99, (2, 40 * groups, size, size)).astype(np.float32)
    rows = [dataclasses.replace(plan.layers[0], parameters=tile, order=one) for one in ((), order)]
    plans = [Plan(plan.target, (row,)) for row in rows]
    own, *others = (
        Program(Artifact(graph, one), threads=threads)
        for one, threads in ((plans[0], 1), (plans[1], 1), (plans[1], 3))
    )
    for other in others:
        assert other.plan.layers[0].order == order
        assert "bucket" in other.kernels["y"]
        np.testing.assert_array_equal(other(x), own(x))
