"""Cutting: any network, cut anywhere, computes what it computed whole."""

import itertools

import numpy as np
import onnx
import pytest

from signbin.errors import CaptureError
from signbin.hybrid.content import PartEngine
from signbin.hybrid.cut import Cut, CutLimits, cut_network
from signbin.hybrid.extract import extract
from signbin.hybrid.network import OnnxNetwork, read_network
from tests.hybrid.networks import feeds_of, random_model, run

SINGLE = CutLimits(1, 1)


def run_cut(network: OnnxNetwork, cut: Cut, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    values = dict(feeds)
    for piece in cut.pieces:
        model = extract(network, piece)
        onnx.checker.check_model(model)
        given = {name: values[name] for name in piece.inputs}
        values |= dict(zip(piece.outputs, run(model, given), strict=True))
    return [values[name] for name in network.outputs]


def reaches(network: OnnxNetwork, start: int) -> set[int]:
    found = {start}
    for node in network.moving:
        if found & set(network.needs[node]):
            found.add(node)
    return found


def random_cut(seed: int, limits: CutLimits) -> tuple[OnnxNetwork, Cut, set[int]]:
    network = read_network(random_model(seed))
    random = np.random.default_rng(seed + 1)
    share = random.uniform(0.2, 0.95)
    ours = {node for node in range(len(network.nodes)) if random.random() < share}
    return network, cut_network(network, ours, limits), ours


@pytest.mark.parametrize("limits", [CutLimits(), SINGLE], ids=["any", "single"])
@pytest.mark.parametrize("seed", [*range(24), pytest.param(range(24, 500), marks=pytest.mark.wide)])
def test_the_cut_network_computes_the_bits_of_the_whole_one(seed, limits) -> None:
    for number in seed if isinstance(seed, range) else [seed]:
        network, cut, _ = random_cut(number, limits)
        feeds = feeds_of(network.model, number + 2)
        whole = run(network.model, feeds)
        for expected, actual in zip(whole, run_cut(network, cut, feeds), strict=True):
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("seed", range(40))
def test_every_node_that_counts_is_in_one_piece_and_no_other_engines_than_asked(seed) -> None:
    network, cut, ours = random_cut(seed, CutLimits())
    placed = [node for piece in cut.pieces for node in piece.nodes]
    assert sorted(placed) == sorted(network.moving)
    for piece in cut.pieces:
        assert (piece.engine is PartEngine.SIGNBIN) == (set(piece.nodes) <= ours)
        assert (piece.engine is PartEngine.ONNX_RUNTIME) == ours.isdisjoint(piece.nodes)


@pytest.mark.parametrize("seed", range(40))
def test_pieces_are_convex_and_no_two_of_onnx_runtime_could_be_one(seed) -> None:
    network, cut, _ = random_cut(seed, CutLimits())
    after = {node: reaches(network, node) for node in network.moving}
    for piece in cut.pieces:
        inside = set(piece.nodes)
        for first, last in itertools.product(piece.nodes, repeat=2):
            between = {node for node in after[first] if last in after[node]}
            assert between <= inside
    theirs = cut.of(PartEngine.ONNX_RUNTIME)
    for one, two in itertools.pairwise(theirs):
        # A node of ours lies on some way from the earlier piece, or from the inputs, to the later.
        ours = {node for piece in cut.of(PartEngine.SIGNBIN) for node in piece.nodes}
        assert any(after[node] & set(two.nodes) for node in ours), (one, two)


@pytest.mark.parametrize("seed", range(40))
def test_pieces_of_signbin_keep_within_the_limits(seed) -> None:
    _, cut, _ = random_cut(seed, SINGLE)
    for piece in cut.of(PartEngine.SIGNBIN):
        assert len(piece.inputs) == len(piece.outputs) == 1


def test_a_chain_with_one_foreign_node_in_it_has_three_pieces() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 18]> chain (float[N,4] x) => (float[N,4] y)'
        "{ a = Relu(x) b = Relu(a) c = Cos(b) d = Relu(c) y = Relu(d) }"
    )
    network = read_network(model)
    cut = cut_network(network, {0, 1, 3, 4})
    assert [(piece.engine.value, piece.nodes) for piece in cut.pieces] == [
        ("signbin", (0, 1)),
        ("onnxruntime", (2,)),
        ("signbin", (3, 4)),
    ]
    assert [(piece.inputs, piece.outputs) for piece in cut.pieces] == [
        (("x",), ("b",)),
        (("b",), ("c",)),
        (("c",), ("y",)),
    ]


def test_a_model_the_checker_refuses_is_refused_by_name() -> None:
    model = random_model(3)
    model.graph.node[0].op_type = "Nonsense"
    with pytest.raises(CaptureError, match=r"ONNX model random: .*Nonsense"):
        read_network(model)
