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
    kinds = {"dense linear f32": (1e-6, 0.0, 0.0, 0.0, 0.0, 0.0)}
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


def test_energy_is_that_of_instructions_lanes_caches_and_weights_from_memory():
    """A dense layer of 512 x 512 in float32 at 45 nm: counted by hand, in picojoules."""
    layer = network.check_graph(graph_of(512)).of("float").layers[1]
    assert layer.strategy == "dense"
    products = 512 * 512
    instructions, lanes = 70.0 * products / 8, 4.6 * products
    first, second = 160.0 * products * 4 / 64, 800.0 * 2 * 512 * 4 / 64
    memory = 1950.0 / 64 * layer.size_bytes * 8
    expected = (instructions + lanes + first + second + memory) * 1e-6
    assert layer.energy_uj == pytest.approx(expected, rel=1e-12)  # one order of sums


def test_energy_falls_with_the_density_and_codes_take_less_than_floats():
    found = network.check_graph(graph_of(512))
    for end in ("", ", codes"):
        densities = (0.36, 0.2, 0.12, 0.07)
        falling = [found.of(f"signed_binary {one:g}{end}").energy_uj for one in densities]
        assert falling == sorted(falling, reverse=True)
    for scheme in found.schemes:
        assert scheme.energy_uj == pytest.approx(sum(one.energy_uj for one in scheme.layers))
    assert found.of("int8").energy_uj < found.of("float").energy_uj
    assert "45 nm" in found.prices
