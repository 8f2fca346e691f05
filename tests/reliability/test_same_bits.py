"""The harness runs every choice, counts what it compared, and finds a planted difference."""

import numpy as np
import pytest

from reliability import same_bits
from signbin.passes import lower
from signbin.plan import Strategy
from signbin.runtime import Program

SEED_WITH_A_BATCH_NORM = 1


def test_random_networks_keep_their_bits_whatever_is_chosen():
    outcome = same_bits.check_networks(2, first_seed=1)
    assert outcome.failures == []
    assert outcome.networks == 4
    assert outcome.codes > 1000
    assert {"three threads", "image by image", "strategy dense"} <= set(outcome.by_run)
    assert "without fold batch norm" in outcome.by_run


@pytest.mark.wide
def test_many_random_networks_keep_their_bits_whatever_is_chosen():
    outcome = same_bits.check_networks(40, first_seed=5000)
    assert outcome.failures == []
    assert {f"strategy {strategy.value}" for strategy in Strategy} <= set(outcome.by_run)


@pytest.mark.parametrize("where", ["codes", "float32"])
def test_a_single_wrong_value_is_found_and_the_run_is_named(monkeypatch, where):
    """One element of one value of programs that make no machine code is changed."""
    traced = Program.trace

    def wrong(program, *images):
        values = traced(program, *images)
        name = program.graph.nodes[0].name
        if program._asked["jit"] is False:
            values[name] = values[name].copy()
            values[name].flat[0] += np.array(1, values[name].dtype)
        return values

    monkeypatch.setattr(Program, "trace", wrong)
    made = same_bits.random_networks()
    graph = made.random_quantized_network(0) if where == "codes" else lower(made.random_network(0))
    given = made.random_inputs(graph, images=3, seed=0)
    outcome = same_bits.Outcome()
    images = [given[value.name] for value in graph.inputs]
    same_bits.check_network(graph, images, outcome, "planted", searches=False)
    assert outcome.failures
    assert all("no machine code" in failure for failure in outcome.failures)


def test_a_pass_that_changes_an_output_is_found_and_named(monkeypatch):
    """Programs in which a batch norm stands by itself give another output."""
    traced = Program.trace

    def wrong(program, *images):
        values = traced(program, *images)
        if any(node.op == "batch_norm" for node in program.graph.nodes):
            name = program.graph.outputs[0]
            values[name] = values[name] * 2 + 1
        return values

    monkeypatch.setattr(Program, "trace", wrong)
    made = same_bits.random_networks()
    original = made.random_network(SEED_WITH_A_BATCH_NORM)
    given = made.random_inputs(original, images=3, seed=0)
    outcome = same_bits.Outcome()
    images = [given[value.name] for value in original.inputs]
    same_bits.check_passes(original, images, outcome, "planted")
    assert outcome.failures
    assert all("without fold batch norm" in failure for failure in outcome.failures)
