"""From a network to the program that runs it: parts tried, timed, chosen, and the reasons said."""

import dataclasses

import numpy as np
import onnx
import pytest

from signbin.artifact import Artifact
from signbin.errors import CaptureError, SpecError
from signbin.hybrid import Fallback, HybridProgram, Preference, as_fallback
from signbin.hybrid.build import Surroundings, ToRunInParts, build_program
from signbin.hybrid.choose import Trial, choose, difference, slower_parts
from signbin.hybrid.content import PartEngine
from signbin.hybrid.network import OnnxNetwork, read_network
from signbin.hybrid.observe import with_observed_types
from signbin.hybrid.search import NodesRefused, find_parts
from signbin.ir import BATCH, Graph, TensorType
from signbin.runtime import Program
from tests.hybrid.networks import run
from tests.hybrid.parts import FILTERS, IMAGE, content, low_bit_body, whole_model

SIGNBIN = Fallback(prefer=Preference.SIGNBIN)
REASONS = {0: "signbin has no Cos", 3: "signbin has no Sin"}


def feeds(batch: int) -> dict[str, np.ndarray]:
    shape = (batch, *IMAGE)
    return {"image": np.random.default_rng(batch).standard_normal(shape).astype(np.float32)}


def observed() -> OnnxNetwork:
    return with_observed_types(read_network(whole_model()), [feeds(2), feeds(3)])


def body_program(_piece, _model, graph: Graph | None = None) -> Program:
    return Program(Artifact(graph or low_bit_body()))


def subject(compile_part=body_program, reasons=None) -> ToRunInParts:
    said = REASONS if reasons is None else reasons
    return ToRunInParts(observed(), feeds(2), said, compile_part, Surroundings(0))


def quiet(_begins: str) -> None:
    pass


def test_a_network_is_cut_around_what_signbin_runs_and_every_part_says_why() -> None:
    program = build_program(subject(), SIGNBIN, quiet)
    assert [(part.engine.value, len(part.nodes), part.why) for part in program.parts] == [
        ("onnxruntime", 1, "signbin has no Cos (1)"),
        ("signbin", 2, "1 of 1 layers with low-bit weights"),
        ("onnxruntime", 1, "signbin has no Sin (1)"),
    ]
    assert program.network.decision.why == "as it was asked"
    expected = run(whole_model(), feeds(3))[0]
    # float32 sums of up to 27 terms of size 1, in two orders
    np.testing.assert_allclose(program(feeds(3)), expected, rtol=0, atol=1e-5)


def test_the_fastest_way_is_measured_and_the_reason_has_the_figures() -> None:
    program = build_program(subject(), Fallback(rounds=3), quiet)
    decision = program.network.decision
    by_name = {way.name: way.least_ms for way in decision.ways_timed}
    assert "onnxruntime" in by_name
    assert all(ms > 0 for ms in by_name.values())
    assert by_name[decision.chosen] <= by_name["onnxruntime"]
    assert f"{by_name[decision.chosen]:.3f} ms" in decision.why
    assert (len(program.parts) == 1) == (decision.chosen == "onnxruntime")


def test_a_part_whose_results_differ_is_given_back() -> None:
    wrong = low_bit_body()
    bias = wrong.array(wrong.nodes[0].attributes["bias"]) + 0.5
    wrong = dataclasses.replace(wrong, constants={**wrong.constants, "b": bias})
    program = build_program(
        subject(lambda piece, model: body_program(piece, model, wrong)), SIGNBIN, quiet
    )
    assert [part.engine for part in program.parts] == [PartEngine.ONNX_RUNTIME]
    assert "results differ from ONNX Runtime's by " in program.parts[0].why


def test_a_part_that_is_refused_runs_in_onnx_runtime_with_the_reason() -> None:
    def refuse(_piece, _model) -> Program:
        raise CaptureError("conv", value="odd")

    program = build_program(subject(refuse), SIGNBIN, quiet)
    assert [part.engine for part in program.parts] == [PartEngine.ONNX_RUNTIME]
    assert "signbin refuses it: conv: got 'odd' (2)" in program.parts[0].why
    assert program.network.decision.why == "no part that signbin could run faster"
    assert program.network.decision.chosen == "onnxruntime"


def test_a_reshape_at_the_end_of_a_refused_part_does_not_take_its_layers_along() -> None:
    model = whole_model()
    model.graph.node[3].CopyFrom(onnx.helper.make_node("Flatten", ["y"], ["scores"], name="flat"))
    tried = []

    def refuse_flat(piece, part) -> Program:
        tried.append([node.op_type for node in part.graph.node])
        if "Flatten" in tried[-1]:
            raise CaptureError("output", value="flat")
        return body_program(piece, part)

    found = find_parts(read_network(model), {0: "signbin has no Cos"}, refuse_flat)
    assert tried == [["Conv", "Relu", "Flatten"], ["Conv", "Relu"]]
    assert [piece.nodes for piece in found.programs] == [(1, 2)]
    assert found.reasons[3] == "signbin refuses it: output: got 'flat'"


def test_a_part_of_little_work_is_not_worth_a_program() -> None:
    body = low_bit_body()
    small = dataclasses.replace(body.inputs[0], type=TensorType("f32", (BATCH, 3, 4, 4)))
    node = dataclasses.replace(body.nodes[0], type=TensorType("f32", (BATCH, FILTERS, 4, 4)))
    made = dataclasses.replace(body, inputs=(small,), nodes=(node,))
    found = find_parts(observed(), REASONS, lambda piece, model: body_program(piece, model, made))
    assert not found.programs
    assert found.reasons[1] == "no layer of any size among those around it"


def test_a_part_with_float_layers_competes_by_its_time() -> None:
    body = low_bit_body()
    weight = np.random.default_rng(0).standard_normal((FILTERS, 3, 3, 3)).astype(np.float32)
    floats = dataclasses.replace(body, constants={**body.constants, "w": weight})
    found = find_parts(observed(), REASONS, lambda piece, model: body_program(piece, model, floats))
    assert [piece.nodes for piece in found.programs] == [(1, 2)]


def test_nodes_that_are_refused_go_alone_and_the_others_are_tried_again() -> None:
    tried = []

    def compile_part(piece, _model) -> Program:
        tried.append(piece.nodes)
        if 0 in piece.nodes:
            raise NodesRefused({0: "no Cos"})
        if 3 in piece.nodes:
            raise NodesRefused({3: "no Sin"})
        return body_program(None, None)

    found = find_parts(observed(), {}, compile_part)
    assert tried == [(0, 1, 2, 3), (1, 2, 3), (1, 2)]
    assert found.reasons == {0: "no Cos", 3: "no Sin"}


def test_nodes_without_weights_are_not_even_compiled() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 18]> g (float[2,3] x) => (float[2,3] y)'
        "{ a = Relu(x) y = Relu(a) }"
    )
    asked = []
    found = find_parts(read_network(model), {}, lambda piece, _: asked.append(piece))
    assert not asked
    assert not found.programs


def test_slower_parts_are_named_with_their_times_and_wrong_ones_with_their_error() -> None:
    program, piece = body_program(None, None), "piece"
    assert slower_parts({piece: Trial(1e-6, 1.0, 2.0)}, {piece: program}) == ({}, {})
    _, slower = slower_parts({piece: Trial(1e-6, 2.0, 1.0)}, {piece: program})
    assert slower == {piece: "measured slower: 2.000 ms, ONNX Runtime 1.000 ms"}
    wrong, slower = slower_parts({piece: Trial(2e-3, 1.0, 2.0)}, {piece: program})
    assert wrong == {piece: "results differ from ONNX Runtime's by 2.0e-03"}
    assert not slower
    not_a_number = slower_parts({piece: Trial(float("nan"), 1.0, 2.0)}, {piece: program})
    assert not_a_number[0]


class Slept(HybridProgram):
    """A program that takes its time, so that the clock has something to tell apart."""

    seconds = 0.0

    def __call__(self, *inputs, **named):
        import time

        time.sleep(self.seconds)
        return super().__call__(*inputs, **named)


@pytest.mark.parametrize("faster", ["onnxruntime", "signbin's parts"])
def test_the_way_with_the_least_time_is_chosen(faster) -> None:
    ways = {name: Slept(content()) for name in ("onnxruntime", "signbin's parts")}
    for name, program in ways.items():
        program.seconds = 0.0 if name == faster else 0.02
    assert choose(ways, feeds(1), Fallback(rounds=3).schedule).chosen == faster


def test_a_fallback_is_named_by_its_engine() -> None:
    assert as_fallback("onnxruntime") == Fallback()
    assert Fallback(prefer="signbin").prefer is Preference.SIGNBIN
    for wrong in ("torch", 3, None):
        with pytest.raises(SpecError, match=r"fallback: got .*allowed: None or 'onnxruntime'"):
            as_fallback(wrong)
    with pytest.raises(SpecError, match="fallback prefer: got 'luck'; allowed: fastest, signbin"):
        Fallback(prefer="luck")
    with pytest.raises(SpecError, match="rounds"):
        Fallback(rounds=1)


def test_the_batch_stays_free_and_other_extents_are_what_was_seen() -> None:
    network = observed()
    shape = [d.dim_param or d.dim_value for d in network.types["y"].type.tensor_type.shape.dim]
    assert shape == ["N", FILTERS, *IMAGE[1:]]


def test_numbers_near_zero_are_held_to_what_functions_are_right_to() -> None:
    """A sigmoid of -16 is 1e-7 here, and twice that there: neither is wrong."""
    ours, theirs = np.full((1, 4), 1e-7, np.float32), np.full((1, 4), 2e-7, np.float32)
    assert difference(theirs, ours) < 1e-4
    assert difference(np.full(3, 0.5, np.float32), np.full(3, 0.501, np.float32)) > 1e-3
    assert difference(np.zeros(2, np.float32), np.zeros(3, np.float32)) == np.inf
