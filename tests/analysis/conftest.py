"""A slow oracle of the SIGMA-like array: every packet, adder and bus line, cycle by cycle.

It shares no code with the model: the tree is configured from bit vectors, pair of adders by pair
of adders, and sums travel as tokens.
"""

from __future__ import annotations

import dataclasses
from collections import deque

import numpy as np
import pytest


@dataclasses.dataclass
class Observed:
    cycles: int = 0
    adds: int = 0
    reduce_wires: int = 0
    distribute_wires: int = 0
    routes: int = 0
    writes: int = 0


@dataclasses.dataclass
class Adder:
    level: int
    node: int
    sources: dict
    target: tuple = ()


@dataclasses.dataclass(frozen=True)
class Array:
    multipliers: int
    ports: int
    lines: int

    @property
    def levels(self):
        return self.multipliers.bit_length() - 1

    @property
    def behind(self):
        return self.multipliers // self.ports


class Tree:
    """The adders of every cluster, and what flows between them."""

    def __init__(self, spans, array):
        self.array = array
        self.adders = {}
        for cluster, span in enumerate(spans):
            self.configure(cluster, span)

    def configure(self, cluster, span):
        bits = [span[0] <= m < span[1] for m in range(self.array.multipliers)]
        senders = [("m", m) for m in range(self.array.multipliers)]
        for level in range(self.array.levels - 1, -1, -1):
            senders = self.place_level(cluster, level, bits, senders)
            bits = self.link_sideways(cluster, level, bits)
            if sum(bits) == 1:
                self.adders[cluster, level, bits.index(True)].target = ("bus",)
                return

    def place_level(self, cluster, level, bits, senders):
        parents = [None] * (len(bits) // 2)
        for node in range(len(parents)):
            inputs = [senders[c] for c in (2 * node, 2 * node + 1) if bits[c]]
            if inputs:
                parents[node] = (cluster, level, node)
                self.adders[parents[node]] = Adder(level, node, {key: deque() for key in inputs})
                for source in inputs:
                    if source in self.adders:
                        self.adders[source].target = parents[node]
        return parents

    def link_sideways(self, cluster, level, bits):
        """Which nodes of the level still hold a sum, after the links between odd and even."""
        size = len(bits) // 2
        weight = [bits[2 * node] + bits[2 * node + 1] for node in range(size)]
        kept = {node for node in range(size) if weight[node]}
        for odd in range(1, size - 2, 2):
            if odd not in kept or odd + 1 not in kept:
                continue
            left, right = span_sum(weight, kept, odd, -1), span_sum(weight, kept, odd + 1, 1)
            sender, receiver, beyond = (odd + 1, odd, odd + 2)
            if left < right:
                sender, receiver, beyond = (odd, odd + 1, odd - 1)
            if beyond not in kept:
                source, target = (cluster, level, sender), (cluster, level, receiver)
                self.adders[source].target = target
                self.adders[target].sources[source] = deque()
                kept.discard(sender)
        return [node in kept for node in range(size)]

    def step(self, observed):
        """Every adder that holds all its operands fires; returns what leaves for the bus."""
        ready = [key for key, adder in self.adders.items() if all(adder.sources.values())]
        for key in ready:
            for queue in self.adders[key].sources.values():
                queue.popleft()
            observed.adds += len(self.adders[key].sources) > 1
        leaving = []
        for key in ready:
            adder = self.adders[key]
            if adder.target == ("bus",):
                leaving.append(line_of(adder.level, adder.node, self.array))
            else:
                observed.reduce_wires += 1
                self.adders[adder.target].sources[key].append(1)
        return leaving


def span_sum(weight, kept, node, step):
    found = 0
    while node in kept:
        found += weight[node]
        node += step
    return found


def line_of(level, node, array):
    doubles, singles = [], []
    for depth in range(array.levels):
        for index in range(2**depth):
            if index and index % 2 == 0:
                doubles += [(depth, index - 1), (depth, index)]
            if index in (0, 2**depth - 1):
                singles.append((depth, index))
    if (level, node) in doubles:
        return doubles.index((level, node)) // 2 % array.lines
    return (singles.index((level, node)) + len(doubles)) % array.lines


class Ports:
    """Queues of packets; a packet is the list of multipliers it reaches."""

    def __init__(self, array, observed):
        self.array, self.observed = array, observed
        self.queues = [deque() for _ in range(array.ports)]
        self.urgent = deque()

    def load(self, multipliers):
        for m in multipliers:
            self.queues[m // self.array.behind].append(([m], "weight"))

    def stream(self, columns, first):
        if first:
            self.urgent.append(([0], "sum"))
        for column in sorted(set(columns[first:])):
            wanted = [m for m in range(first, len(columns)) if columns[m] == column]
            for port in sorted({m // self.array.behind for m in wanted}):
                below = [m for m in wanted if m // self.array.behind == port]
                self.queues[port].append((below, "input"))

    def step(self):
        reached = []
        for port, queue in enumerate(self.queues):
            source = self.urgent if port == 0 and self.urgent else queue
            if not source:
                continue
            below, kind = source.popleft()
            for reach in (1 << level for level in range(self.array.behind.bit_length())):
                passed = len({m // reach for m in below})
                self.observed.distribute_wires += passed
                self.observed.routes += passed if reach > 1 else 0
            reached += below if kind != "weight" else []
        return reached


def run_round(columns, spans, resumed, vectors, array, observed):
    tree, ports = Tree(spans, array), Ports(array, observed)
    owner = {m: c for c, (low, high) in enumerate(spans) for m in range(low, high)}
    bus = [deque() for _ in range(array.lines)]
    in_tree, to_bus, to_memory, waiting, written, cycle = [], [], 0, 0, 0, 0
    while written < len(spans) * vectors:
        cycle += 1
        waiting += to_memory
        accepted = (waiting + 1) // 2
        written, waiting = written + accepted, waiting - accepted
        if cycle == 2:
            ports.load(range(resumed, len(columns)))
        elif 2 < cycle <= 2 + vectors:
            ports.stream(columns, resumed)
        reached = ports.step()
        for line in to_bus:
            bus[line].append(1)
        to_memory = sum(1 for line in bus if line and line.popleft())
        to_bus = tree.step(observed)
        emitted, in_tree = (in_tree, reached) if array.behind > 1 else (reached, [])
        for m in emitted:
            observed.reduce_wires += 1
            tree.adders[owner[m], array.levels - 1, m // 2].sources["m", m].append(1)
    observed.cycles += cycle
    observed.writes += written


def simulate(nonzero, vectors, shape):
    """Pack rows greedily, fold long ones, and run every round."""
    array, observed, row = Array(*shape), Observed(), 0
    places = [np.flatnonzero(line).tolist() for line in nonzero]
    while row < len(places):
        columns, spans, rest, resumed = [], [], places[row], 0
        if len(rest) > array.multipliers:
            while rest:
                room = array.multipliers - resumed
                columns, rest = [-1] * resumed + rest[:room], rest[room:]
                run_round(columns, [(0, len(columns))], resumed, vectors, array, observed)
                resumed = 1
            row += 1
            continue
        while row < len(places) and len(columns) + len(places[row]) <= array.multipliers:
            spans.append((len(columns), len(columns) + len(places[row])))
            columns += places[row]
            row += 1
        run_round(columns, spans, 0, vectors, array, observed)
    return observed


@pytest.fixture(scope="session")
def slow_sigma():
    return simulate
