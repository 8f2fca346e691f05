"""Tables of linear layers compete where they are measured, too."""

import numpy as np

from signbin import native
from signbin.artifact import Artifact
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.plan import Strategy, Target, make_plan
from signbin.spec import ActivationSpec, LowBitWeight
from signbin.tune import Autotune, autotune


def test_a_wide_linear_layer_on_codes_is_measured_with_tables():
    codes = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (96, 128))
    weight = LowBitWeight(codes, np.ones(96, np.float32))
    coded = TensorType("u8", (BATCH, 128), ActivationSpec(1.0, 0, 8))
    nodes = (
        Node("q", "quantize", ("x",), {}, coded),
        Node("y", "linear", ("q",), {"weight": ConstRef("w")}, TensorType("f32", (BATCH, 96))),
    )
    given = Value("x", TensorType("f32", (BATCH, 128)))
    graph = Graph("linear", (given,), nodes, ("y",), {"w": weight})
    isa = native.resolve_isa("auto")
    plan = make_plan(graph, native.kernels(), Target.from_cpu(native.cpu(), isa))
    tuned = autotune(Artifact(graph, plan), isa, Autotune(None)).for_layer("y")
    timed = [one for one in tuned.candidates if one.ms is not None]
    assert {Strategy.TABLE, Strategy.DENSE} <= {one.strategy for one in timed}
    assert tuned.strategy is min(timed, key=lambda one: one.ms).strategy
