"""The memory plan: sound, aligned, and small where lifetimes allow."""

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.layout import plan_memory
from signbin.layout.arena import ALIGNMENT_BYTES, Block, MemoryPlan, find_overlaps, tightest_gap
from signbin.passes import lower

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS)
def test_no_two_live_values_overlap(random_network, seed):
    graph = lower(random_network(seed))
    plan = plan_memory(graph)
    assert find_overlaps(plan) == ()
    assert set(plan.blocks) == {value.name for value in (*graph.inputs, *graph.nodes)}
    for name, block in plan.blocks.items():
        assert block.offset % ALIGNMENT_BYTES == block.size % ALIGNMENT_BYTES == 0
        assert block.size >= 4 * math.prod(graph.type_of(name).shape[1:])
        assert 0 <= block.offset <= plan.arena_bytes - block.size
        assert plan.offsets[name] == block.offset


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_values_are_live_from_their_node_to_their_last_reader(random_network, seed):
    graph = random_network(seed)
    blocks = plan_memory(graph).blocks
    for step, node in enumerate(graph.nodes):
        assert blocks[node.name].first == step
        for name in node.inputs:
            assert blocks[name].first < step <= blocks[name].last
    for name in graph.outputs:
        assert blocks[name].last == len(graph.nodes)
    for value in graph.inputs:
        assert blocks[value.name].first == -1


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_the_arena_lies_between_the_largest_step_and_the_sum(random_network, seed):
    graph = random_network(seed)
    plan = plan_memory(graph)
    blocks = plan.blocks.values()
    largest_step = max(
        sum(block.size for block in blocks if block.first <= step <= block.last)
        for step in range(-1, len(graph.nodes) + 1)
    )
    assert largest_step <= plan.arena_bytes <= sum(block.size for block in blocks)


def test_a_chain_needs_two_buffers(graph_builder):
    builder = graph_builder()
    value = builder.input(16, 4, 4)
    for _ in range(10):
        value = builder.add("relu", value)
    assert plan_memory(builder.graph(value)).arena_bytes == 2 * 4 * 16 * 4 * 4


def test_a_shortcut_stays_until_it_is_added(graph_builder):
    builder = graph_builder()
    x = builder.input(16, 4, 4)
    value = builder.add("relu", builder.add("relu", builder.add("relu", x)))
    graph = builder.graph(builder.add("add", value, x))
    assert plan_memory(graph).arena_bytes == 3 * 4 * 16 * 4 * 4


@pytest.mark.parametrize(("size", "offset"), [(64, 512), (128, 512), (192, 128), (320, 704)])
def test_the_tightest_gap_that_fits_is_taken(size, offset):
    """Gaps: 256 bytes from 128 and 128 bytes from 512; the end is 704."""
    occupied = [(384, 128), (0, 128), (640, 64), (0, 64)]
    neighbours = [Block(at, length, first=0, last=0) for at, length in occupied]
    assert tightest_gap(neighbours, size) == offset


def test_outputs_and_inputs_read_at_the_end_keep_their_memory(graph_builder):
    builder = graph_builder()
    big, small = builder.input(64, name="big"), builder.input(16, name="small")
    first, last = builder.add("relu", small), builder.add("relu", big)
    assert plan_memory(builder.graph(first, last)).arena_bytes == 4 * (64 + 64 + 16)


@pytest.mark.parametrize(
    ("change", "overlaps"),
    [({}, True), ({"offset": 64}, False), ({"first": 2, "last": 3}, False)],
)
def test_find_overlaps_sees_values_that_share_time_and_memory(change, overlaps):
    one = Block(offset=0, size=64, first=0, last=1)
    plan = MemoryPlan(128, {"a": one, "b": dataclasses.replace(one, **change)})
    assert bool(find_overlaps(plan)) == overlaps
