"""compile(fallback=): networks that are refused run all the same, in parts, and say why."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import signbin
from signbin.errors import CaptureError, SpecError
from signbin.hybrid import IN_EIGHT_BITS, Decision, Fallback, HybridProgram, PartEngine
from signbin.hybrid.build import Surroundings, in_8_bits
from signbin.hybrid.eight_bits import quantized_by_onnx_runtime
from signbin.hybrid.network import read_network
from signbin.hybrid.observe import with_observed_types
from signbin.verbs.compare import compare_source
from signbin.verbs.source import as_source, load_source
from tests.verbs.onnx_files import images, small_model

LARGE = (3, 40, 40)
SIGNBIN = Fallback(prefer="signbin")
QUICK = Fallback(rounds=3)


def cut_model(batch: int | str = "N") -> onnx.ModelProto:
    """Cosh between two convolutions: signbin has none."""
    return small_model(batch, LARGE, middle="Cosh")


def expected(model: onnx.ModelProto, given: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"image": given})[0]


def of_nodes(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], extents: tuple[int, ...]
) -> onnx.ModelProto:
    """From ``image`` (N, *extents) to ``scores``, whose shape is left to those who run it."""
    given = onnx.helper.make_tensor_value_info("image", 1, ["N", *extents])
    made = onnx.helper.make_tensor_value_info("scores", 1, None)
    held = [onnx.numpy_helper.from_array(each, name) for name, each in constants.items()]
    graph = onnx.helper.make_graph(nodes, "foreign", [given], [made], held)
    opsets = [onnx.helper.make_opsetid("", 23)]
    inferred = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=11)
    return onnx.shape_inference.infer_shapes(inferred)


def foreign_models() -> dict[str, onnx.ModelProto]:
    """Operators that no claim names, or an extent that none has: before a layer of ours."""
    node, random = onnx.helper.make_node, np.random.default_rng(0)

    def weight(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    last = node("MatMul", ["a", "last"], ["scores"], "/last/MatMul")
    heads = {"q_num_heads": 2, "kv_num_heads": 2}
    attention = node("Attention", ["image"] * 3, ["a"], "/mix/Attention", **heads)
    product = node("Einsum", ["image", "mixed"], ["a"], "/mix/Einsum", equation="ntc,cd->ntd")
    volume = [
        node("Conv", ["image", "cube"], ["c"], "/mix/Conv", pads=[1] * 6),
        node("Reshape", ["c", "flat"], ["r"], "/turn/Reshape"),
        node("Conv", ["r", "last"], ["scores"], "/last/Conv"),
    ]
    flat = np.array([0, 16, 12, 12], np.int64)
    cubes = {"cube": weight(4, 2, 3, 3, 3), "flat": flat, "last": weight(8, 16, 3, 3)}
    mixed = {"mixed": weight(16, 16), "last": weight(16, 5)}
    return {
        "Attention": of_nodes([attention, last], {"last": weight(16, 5)}, (6, 16)),
        "Einsum": of_nodes([product, last], mixed, (6, 16)),
        "Conv": of_nodes(volume, cubes, (2, 4, 12, 12)),
    }


@pytest.mark.parametrize("operator", foreign_models())
def test_operators_that_are_not_read_go_to_onnx_runtime_by_name(operator: str) -> None:
    model = foreign_models()[operator]
    with pytest.raises(CaptureError, match=f"node /mix/{operator}"):
        signbin.compile(model)
    program = signbin.compile(model, fallback=SIGNBIN)
    assert isinstance(program, HybridProgram)
    (foreign,) = (part for part in program.parts if f"/mix/{operator}" in part.nodes)
    assert foreign.engine.value == "onnxruntime"
    assert operator in foreign.why
    extents = [each.dim_value for each in model.graph.input[0].type.tensor_type.shape.dim[1:]]
    given = images(2, tuple(extents))
    assert error(program(given), expected(model, given)) < 1e-5


def test_a_network_of_floats_alone_is_never_slower_than_onnx_runtime_where_it_was_timed() -> None:
    """Whoever is faster here and now: the choice follows what was timed."""
    layers = {name: np.eye(256, dtype=np.float32) for name in ("a", "b")}
    nodes = [
        onnx.helper.make_node("MatMul", ["image", "a"], ["h"], "/a/MatMul"),
        onnx.helper.make_node("Relu", ["h"], ["r"], "/act/Relu"),
        onnx.helper.make_node("MatMul", ["r", "b"], ["scores"], "/b/MatMul"),
    ]
    program = signbin.compile(of_nodes(nodes, layers, (256,)), fallback=QUICK)
    if isinstance(program, HybridProgram):
        ways = {way.name: way.least_ms for way in program.network.decision.ways_timed}
        assert ways[program.network.decision.chosen] == min(ways.values())
        return
    said = program.artifact.provenance["fallback"]
    ours, theirs = (float(each) for each in re.findall(r"([0-9.]+) ms", said)[:2])
    assert ours <= theirs, said


def error(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("batch", ["N", 2])
def test_a_refused_network_runs_in_parts_that_say_why(batch: int | str) -> None:
    program = signbin.compile(cut_model(batch), fallback=SIGNBIN)
    assert isinstance(program, HybridProgram)
    engines = [part.engine.value for part in program.parts]
    assert engines == ["signbin", "onnxruntime", "signbin"]
    assert "Cosh: not supported" in program.parts[1].why
    assert program.parts[1].nodes == ("/act/Cosh",)
    given = images(2, LARGE)
    # float32 sums of up to 72 terms, in two orders
    assert error(program(given), expected(cut_model(batch), given)) < 1e-5


def test_the_fastest_way_is_kept_and_is_never_slower_than_onnx_runtime() -> None:
    program = signbin.compile(cut_model(), fallback=QUICK)
    decision = program.network.decision
    times = {way.name: way.least_ms for way in decision.ways_timed}
    assert times[decision.chosen] <= times["onnxruntime"]


def test_a_network_that_signbin_runs_is_one_program_and_says_what_was_timed() -> None:
    program = signbin.compile(small_model(extents=LARGE), fallback=SIGNBIN)
    assert isinstance(program, signbin.Program)
    assert program.graph.name == "small"
    assert program.artifact.provenance["fallback"] == "signbin alone: as it was asked"
    timed = signbin.compile(small_model(extents=LARGE), fallback=QUICK)
    said = (
        timed.artifact.provenance["fallback"]
        if isinstance(timed, signbin.Program)
        else timed.network.decision.why
    )
    assert "onnxruntime" in said
    assert " ms" in said


def test_parts_compute_on_codes_calibrated_by_what_reaches_them() -> None:
    asked = signbin.QuantizedActivations(images(32, LARGE))
    program = signbin.compile(cut_model(), fallback=SIGNBIN, activations=asked)
    ours = [
        program.program_of(n) for n, p in enumerate(program.parts) if p.engine.value == "signbin"
    ]
    assert len(ours) == 2
    assert all(each.graph.has_codes for each in ours)
    given = images(8, LARGE)
    assert error(program(given), expected(cut_model(), given)) < 0.1  # roundings to 8 bits


def test_onnx_runtimes_own_8_bits_are_timed_where_codes_are_asked_for(tmp_path: Path) -> None:
    """Depthwise layers of many channels: its int8 kernels may be the fastest of all."""
    asked = signbin.QuantizedActivations(images(8, LARGE))
    said: list[str] = []
    program = signbin.compile(
        small_model(extents=LARGE), fallback=QUICK, activations=asked, watch=said.append
    )
    assert any("ONNX Runtime's own tool" in line for line in said)
    alone = isinstance(program, signbin.Program)
    why = program.artifact.provenance["fallback"] if alone else program.network.decision.why
    assert "onnxruntime in 8 bits" in why


def test_what_onnx_runtime_quantised_is_kept_compared_and_says_what_it_keeps(
    tmp_path: Path,
) -> None:
    source = as_source(small_model(extents=LARGE), (images(2, LARGE),))
    network = with_observed_types(
        read_network(source.model), [{"image": images(count, LARGE)} for count in (2, 3)]
    )
    coded, _ = quantized_by_onnx_runtime(network, images(8, LARGE))
    assert coded is not None
    assert 0 < coded.error < 0.1
    program = in_8_bits(coded, Surroundings(0), {"image": images(1, LARGE)})
    decided = dataclasses.replace(program.network, decision=Decision(IN_EIGHT_BITS, "fastest"))
    program = program.with_content(dataclasses.replace(program.content, network=decided))
    assert f"{coded.error:.1%} from the float network" in program.parts[0].why
    program.save(tmp_path / "m.sbn")
    again = HybridProgram.load(tmp_path / "m.sbn")
    given = images(3, LARGE)
    np.testing.assert_array_equal(again(given), program(given))
    assert error(again(given), expected(source.model, given)) < 0.1  # roundings to 8 bits
    assert compare_source(source, again).within_tolerance


@pytest.mark.parametrize(
    ("samples", "why"), [(np.zeros((2, 3, 7, 7), np.float32), "Fail|Invalid|INVALID"), (None, "")]
)
def test_what_its_tool_cannot_make_is_said_and_left_out(samples, why: str) -> None:
    network = read_network(small_model(2, LARGE))  # takes two images, its tool gives one
    coded, said = quantized_by_onnx_runtime(
        network, images(2, LARGE) if samples is None else samples
    )
    assert coded is None
    assert re.search(why, said)


def test_layers_that_stay_float_are_those_of_the_parts_that_have_them() -> None:
    asked = signbin.QuantizedActivations(images(8, LARGE), float_layers=("body",))
    program = signbin.compile(cut_model(), fallback=SIGNBIN, activations=asked)
    assert isinstance(program, HybridProgram)
    unknown = signbin.QuantizedActivations(images(8, LARGE), float_layers=("nowhere",))
    with pytest.raises(SpecError, match="nowhere"):
        signbin.compile(cut_model(), fallback=SIGNBIN, activations=unknown)


def test_compare_holds_what_crosses_the_cuts_to_onnx_runtime() -> None:
    program = signbin.compile(cut_model(), fallback=SIGNBIN)
    found = compare_source(as_source(cut_model(), (images(5, LARGE),)), program)
    assert found.passes
    assert found.samples == 5
    assert [layer.name for layer in found.layers] == ["s", "r", "h"] or len(found.layers) == 3
    other = cut_model()
    bias = other.graph.initializer[1]
    bias.CopyFrom(onnx.numpy_helper.from_array(np.ones(8, np.float32), bias.name))
    differing = compare_source(as_source(other, (images(5, LARGE),)), program)
    assert not differing.passes
    assert differing.first_diverging == program.parts[0].outputs[0]


def test_what_is_asked_in_vain_is_refused_before_any_work() -> None:
    with pytest.raises(SpecError, match="fallback: got 'torch'"):
        signbin.compile(cut_model(), fallback="torch")
    with pytest.raises(SpecError, match=r"free sizes.*only without a fallback"):
        signbin.compile(cut_model(), fallback="onnxruntime", free_sizes=True)


def test_whole_numbers_and_branches_are_onnx_runtimes(tmp_path: Path) -> None:
    """An input of whole numbers chooses a row that is added to the classifier's."""
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 18]> g (float[N,3,40,40] image, int64 which) =>'
        " (float[N,8,38,38] y) <float[8,3,3,3] w, float[4,1,1,1] rows>"
        "{ c = Conv(image, w) r = Relu(c) row = Gather(rows, which) y = Mul(r, row) }"
    )
    random = np.random.default_rng(0)
    for name, shape in (("w", (8, 3, 3, 3)), ("rows", (4, 1, 1, 1))):
        array = random.standard_normal(shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    del model.graph.value_info[:]
    given = {"image": images(2, LARGE), "which": np.array(2)}
    program = signbin.compile(model, (given["image"], given["which"]), fallback=SIGNBIN)
    assert {part.engine for part in program.parts} == set(PartEngine)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    assert error(program(**given), session.run(None, given)[0]) < 1e-5


def test_a_module_that_is_refused_is_exported_and_its_results_keep_their_form() -> None:
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.first = torch.nn.Conv2d(3, 16, 3)
            self.second = torch.nn.Conv2d(16, 8, 3)

        def forward(self, x):
            y = self.second(torch.cos(self.first(x)))
            return {"map": y, "scores": y.mean((2, 3))}

    model, given = Net().eval(), images(2, LARGE)
    program = signbin.compile(model, (torch.zeros(1, *LARGE),), fallback=SIGNBIN)
    assert program.network.provenance["exporter"].startswith("torch.onnx")
    found = program(given)
    with torch.no_grad():
        wanted = model(torch.from_numpy(given))
    assert found.keys() == wanted.keys()
    for name in found:
        assert error(found[name], wanted[name].numpy()) < 1e-5
    assert compare_source(as_source(model, (torch.from_numpy(given),)), program).passes


def test_a_module_that_is_captured_needs_no_exporter() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layers = (torch.nn.Conv2d(3, 16, 3), torch.nn.ReLU(), torch.nn.Flatten())
    model = torch.nn.Sequential(*layers).eval()
    program = signbin.compile(model, (torch.zeros(1, *LARGE),), fallback=SIGNBIN)
    assert isinstance(program, signbin.Program)
    assert program.artifact.provenance["exporter"] == "signbin"
    assert "1" in {node.source for node in program.graph.nodes}


@pytest.mark.parametrize("captured", [True, False])
def test_a_network_that_signbin_runs_alone_keeps_the_form_of_its_results(captured: bool) -> None:
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Conv2d(3, 16, 3)

        def forward(self, x):
            y = self.first(x)
            more = y.relu() if captured else torch.log2(y.abs() + 1)
            return {"map": y, "more": [more]}

    model = Net().eval()
    program = signbin.compile(model, (torch.zeros(1, *LARGE),), fallback=SIGNBIN)
    found, wanted = program(images(2, LARGE)), model(torch.from_numpy(images(2, LARGE)))
    assert list(found) == ["map", "more"]
    assert isinstance(found["more"], list)
    assert error(found["more"][0], wanted["more"][0].detach().numpy()) < 1e-5


def test_results_that_are_no_tensors_are_refused_by_name() -> None:
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def forward(self, x):
            return torch.cos(x), None

    with pytest.raises(CaptureError, match="a result of the model: got 'NoneType'"):
        signbin.compile(Net(), (torch.zeros(1, *LARGE),), fallback=SIGNBIN)


def test_parts_are_kept_in_a_file_of_their_own_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    onnx.save(cut_model(), path)
    program = signbin.compile(path, fallback=SIGNBIN)
    program.save(tmp_path / "m.sbn")
    again = signbin.load(tmp_path / "m.sbn")
    assert again.network == program.network
    given = images(3, LARGE)
    np.testing.assert_array_equal(again(given), program(given))
    assert load_source(str(path)).card.provenance["source"] == again.network.provenance["source"]


def test_fewer_samples_than_the_network_takes_at_once_compare_nothing_and_are_refused() -> None:
    program = signbin.compile(cut_model(4), fallback=SIGNBIN)
    few, some = (as_source(cut_model(4), (images(count, LARGE),)) for count in (3, 6))
    with pytest.raises(SpecError, match=r"got 3; allowed: 4 or more"):
        compare_source(few, program)
    assert compare_source(some, program).samples == 4  # the rest is no whole batch
