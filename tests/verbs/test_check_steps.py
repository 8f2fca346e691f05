"""What ``check`` says of steps whose speed nobody measured, and of layers that look sums up."""

import numpy as np
import pytest

from signbin.analysis.latency import Rates
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.plan import Target
from signbin.verbs.check import network


@pytest.fixture(autouse=True)
def other_cpu(monkeypatch):
    """Planned for AVX2 wherever this runs."""
    target = Target.for_isa("avx2", host=False)
    monkeypatch.setattr(network, "machine_of", lambda isa, name: target)


def graph_of(width):
    """Three linear layers: the middle one may have low-bit weights."""
    rng = np.random.default_rng(0)
    nodes, constants, last = [], {}, "x"
    for number in range(3):
        constants[f"w{number}"] = rng.standard_normal((width, width)).astype(np.float32)
        kind = TensorType("f32", (BATCH, width))
        nodes.append(
            Node(f"y{number}", "linear", (last,), {"weight": ConstRef(f"w{number}")}, kind)
        )
        last = f"y{number}"
    given = Value("x", TensorType("f32", (BATCH, width)))
    return Graph("linear", (given,), tuple(nodes), (last,), constants)


def test_a_kind_of_step_without_rates_leaves_its_scheme_without_a_time(monkeypatch):
    graph = graph_of(512)
    kinds = {"dense linear f32": (1e-6, 0.0, 0.0, 0.0, 0.0)}
    monkeypatch.setattr(
        network, "rates_for", lambda machine: Rates("", machine.isa, "those of a test", kinds)
    )
    found = {one.scheme: one for one in network.check_graph(graph).schemes}
    assert found["float"].ms > 0
    low_bit = [one for one in found.values() if one.layers[1].strategy == "table"]
    assert low_bit
    assert all(one.ms is None for one in low_bit)
    assert all(layer.ms is None for one in low_bit for layer in one.layers)


def test_a_layer_of_tables_states_its_own_additions():
    found = network.check_graph(graph_of(512)).schemes
    planned = [layer for one in found for layer in one.layers if layer.strategy == "table"]
    assert planned
    for layer in planned:
        assert layer.multiplications == 512
        assert layer.additions < 512 * 511
