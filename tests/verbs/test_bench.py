"""bench: a model raced against engines that are right, wrong, missing, or need preparing."""

import dataclasses
import json
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from signbin import measure, native
from signbin.artifact import Artifact, read, write
from signbin.calibrate import QuantizedActivations
from signbin.diagnose import exactness
from signbin.errors import ExecutionError, FormatError, SpecError
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.measure import Floor
from signbin.report.console import bench_table
from signbin.runtime import Program
from signbin.spec import ActivationSpec, LowBitWeight
from signbin.verbs import bench
from signbin.verbs.bench import race
from signbin.verbs.compile import quantize_program

QUICK = measure.Schedule(rounds=3, warm_up_s=0.01, turn_s=0.005)
# An engine that knows the right answer: ours, in a process that pretends to be another's.
RIGHT = """
import time
from signbin import Program
def open_model(request):
    time.sleep({load_s})
    program = Program.load({model!r})
    def run(images):
        time.sleep({call_s})
        return {answer}
    return run, {{"version": "1"}}
"""


def right(model: Path, call_s: float = 0.0, answer: str = "program(images)") -> str:
    return RIGHT.format(model=str(model), load_s=0, call_s=call_s, answer=answer)


@pytest.fixture(scope="module")
def coded(model: Path) -> Path:
    """The same with 8-bit activations."""
    program = Program.load(model)
    samples = bench.gather_images(program.artifact, 1).calibration
    path = model.with_name("coded.sbn")
    quantize_program(program, QuantizedActivations(samples)).save(path)
    return path


@pytest.fixture
def listed(engine, monkeypatch: pytest.MonkeyPatch):
    """Put an engine into the list of peers."""

    def add(source: str, **row):
        made = engine(source, **row)
        families = {**measure.FAMILIES, made.family.name: made.family}
        rows = MappingProxyType({**measure.peers.PEERS, made.name: made})
        monkeypatch.setattr("signbin.measure.peers.PEERS", rows)
        monkeypatch.setattr("signbin.measure.peers.FAMILIES", families)
        return made.name

    return add


def test_the_record_is_json_and_says_how_everything_was_measured(model: Path, listed) -> None:
    name = listed(right(model, call_s=0.002))
    request = bench.BenchRequest(model, (name,), batch=2, schedule=QUICK)
    found = json.loads(json.dumps(bench.bench(request).to_json(), allow_nan=False))
    peer = found["peers"][name]
    assert found["batch"] == 2
    assert found["threads"] == peer["threads"] == 1
    assert found["cores"] == peer["cores"]
    assert found["max_relative_error"] <= 1e-5
    assert (peer["images"], peer["max_relative_error"], peer["top1_agreement"]) == (16, 0.0, 1.0)
    for engine in (found, peer):
        assert 0 < engine["min_ms"] <= engine["median_ms"] <= engine["p90_ms"]
        assert engine["mean_ms"] >= engine["min_ms"]
        assert 1e6 < engine["baseline_bytes"] < engine["peak_bytes"] < 1e9
    assert 1 < peer["ratio_low"] <= peer["ratio"] <= peer["ratio_high"]
    assert peer["preparation"] is None
    assert (found["activations"], found["float_network"]) == ("f32", "the model itself")
    assert found["isa"] in set(native.isas())
    assert found["environment"]["cpu"]["architecture"]


def test_without_peers_ours_is_timed_alone(model: Path) -> None:
    found = bench.bench(bench.BenchRequest(model, isa="scalar", schedule=QUICK)).to_json()
    assert found["peers"] == {}
    assert found["isa"] == "scalar"


FAILING = {  # what its file does -> what the row says
    "disagrees": ("return 1.001 * program(images), 0", "does not compute the same network"),
    "has another shape": ("return program(images)[:, :4], 0", "shape of an output"),
    "raises": ("raise ValueError('no such layer')", "ValueError: no such layer"),
    "dies": ("os._exit(3)", "the process of failing ended"),
    "raises later": ("if len(calls) > 20: raise ValueError('worn out')", "worn out"),
    "dies later": ("if len(calls) > 20: os._exit(3)", "the process of failing ended"),
}
FAILS = """
import os
from signbin import Program
def open_model(request):
    program, calls = Program.load({model!r}), []
    def answer(images):
        calls.append(1)
        {does}
        return program(images), 0
    return (lambda images: answer(images)[0]), {{"version": "1"}}
"""


@pytest.mark.parametrize("case", FAILING)
def test_a_peer_that_fails_is_a_row_that_says_why_and_the_race_goes_on(
    model: Path, listed, case: str
) -> None:
    does, why = FAILING[case]
    failing = listed(FAILS.format(model=str(model), does=does), name="failing")
    other = listed(right(model), name="other")
    found = bench.bench(bench.BenchRequest(model, (failing, other), schedule=QUICK))
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert set(document["peers"]) == {"other"}
    assert set(document["failures"]) == {"failing"}
    assert why in document["failures"]["failing"]
    assert len(found.peers["other"].engine.times.rounds) == QUICK.rounds


def test_our_own_failure_ends_the_race(model: Path, listed, monkeypatch) -> None:
    ours = listed(FAILS.format(model=str(model), does=FAILING["dies later"][0]), name="signbin")
    monkeypatch.setattr("signbin.verbs.bench.contenders.OURS", measure.find_peer(ours))
    with pytest.raises(ExecutionError, match="the process of signbin ended"):
        bench.bench(bench.BenchRequest(model, schedule=QUICK))


def test_a_quantised_peer_may_differ_down_to_its_floor(model: Path, listed) -> None:
    noisy = right(model, answer="program(images) * 0.8")
    name = listed(noisy, name="rough", demand=Floor(0.9, 6.0))
    found = bench.bench(bench.BenchRequest(model, (name,), schedule=QUICK))
    agreement = found.peers[name].agreement
    assert agreement.top1_agreement == 1.0
    assert 6.0 < agreement.snr_db < 12.0
    name = listed(noisy, name="rough", demand=Floor(0.9, 30.0))
    found = bench.bench(bench.BenchRequest(model, (name,), schedule=QUICK))
    assert "rough is no longer the network" in found.failures[name]


def test_a_missing_peer_says_what_to_install(model: Path, listed) -> None:
    name = listed("import no_such_engine", name="absent")
    found = bench.bench(bench.BenchRequest(model, (name,), schedule=QUICK))
    assert "signbin[some-extra]" in found.failures[name]


PREPARED = """
import pathlib, time
from signbin import Program
def open_model(request):
    name = pathlib.Path(request["model"]).read_text()
    program = Program.load({model!r})
    def run(images):
        time.sleep(0.004 if name == "slow" else 0.001)
        return program(images) * (0 if name == "broken" else 1)
    return run, {{"version": "1"}}
"""
WRITES = """
import pathlib
def prepare_model(request):
    pathlib.Path(request["output"]).write_text({name!r})
    return {{"version": "3"}}
"""


def test_of_several_preparations_the_fastest_that_still_computes_the_network_counts(
    model: Path, listed, preparation
) -> None:
    names = ("slow", "broken", "quick")
    preparations = tuple(preparation(WRITES.format(name=each), each) for each in names)
    name = listed(PREPARED.format(model=str(model)), preparations=preparations)
    found = bench.bench(bench.BenchRequest(model, (name,), schedule=QUICK))
    chosen = found.peers[name].to_json()["preparation"]
    assert chosen["name"] == "quick"
    assert chosen["facts"] == {"version": "3"}
    assert set(chosen["medians_ms"]) == {"slow", "quick"}
    assert chosen["medians_ms"]["quick"] == found.peers[name].engine.times.median_ms
    assert "double (broken) does not compute" in chosen["refused"]["broken"]


def test_a_preparation_that_fails_leaves_the_others_of_the_peer(
    model: Path, listed, preparation
) -> None:
    refuses = "def prepare_model(request):\n    raise ValueError('no calibration')"
    preparations = (
        preparation(refuses, "refuses"),
        preparation(WRITES.format(name="quick"), "quick"),
    )
    name = listed(PREPARED.format(model=str(model)), preparations=preparations)
    found = bench.bench(bench.BenchRequest(model, (name,), schedule=QUICK))
    chosen = found.peers[name].to_json()["preparation"]
    assert "ValueError: no calibration" in chosen["refused"]["refuses"]
    assert not found.failures


def test_a_peer_none_of_whose_preparations_computes_the_network_says_so(
    model: Path, listed, preparation
) -> None:
    broken = preparation(WRITES.format(name="broken"), "broken")
    name = listed(PREPARED.format(model=str(model)), preparations=(broken,))
    found = bench.bench(bench.BenchRequest(model, (name,), schedule=QUICK))
    assert "double (broken) does not compute" in found.failures[name]


LIMITED = """
import os
from signbin import Program
def open_model(request):
    program = Program.load({model!r})
    return program, {{"version": "1", "limit": os.environ.get("NARROW"), **{told}}}
"""


def test_a_limit_reaches_peers_that_have_a_switch_and_is_recorded(model: Path, listed) -> None:
    plain = LIMITED.format(model=str(model), told={})
    switched = listed(plain, name="switched", limits={"avx2": {"NARROW": "yes"}})
    fixed = listed(plain, name="fixed")
    request = bench.BenchRequest(model, (switched, fixed), schedule=QUICK, peer_isa="avx2")
    found = bench.bench(request).to_json()["peers"]
    assert (found["switched"]["limit"], found["fixed"]["limit"]) == ("yes", None)
    assert found["switched"]["variables"] == {"NARROW": "yes"}
    assert found["fixed"]["variables"] == {}
    assert (found["switched"]["isa_limit"], found["fixed"]["isa_limit"]) == ("avx2", None)
    free = bench.bench(dataclasses.replace(request, peer_isa="auto")).to_json()["peers"]
    assert (free["switched"]["limit"], free["switched"]["isa_limit"]) == (None, None)


WIDE = ["avx2", "avx512f", "avx512_vnni"]


def test_an_engine_without_a_switch_is_not_compared_where_the_cpu_has_more(
    model: Path, listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CPU's features are injected: what is decided must not depend on where this runs."""
    plain = LIMITED.format(model=str(model), told={})
    sets = {"instruction_sets": ("avx512_vnni", "avx2")}
    switched = listed(plain, name="switched", limits={"avx2": {"NARROW": "yes"}}, **sets)
    fixed = listed(plain, name="fixed", **sets)
    narrow = listed(plain, name="narrow", instruction_sets=("avx2",))
    request = bench.BenchRequest(model, (switched, fixed, narrow), schedule=QUICK, peer_isa="avx2")
    monkeypatch.setattr(race, "cpu_flags", lambda: WIDE)
    found = bench.bench(request).to_json()
    why = {name: peer["not_comparable"] for name, peer in found["peers"].items()}
    assert why["switched"] == why["narrow"] == ""
    assert why["fixed"].startswith("fixed has no switch that limits it to avx2")
    assert why["fixed"].endswith("the CPU has avx512f, avx512_vnni: it ran avx512_vnni")
    cells = list(bench_table(found).columns[4].cells)
    assert [str(cell) for cell in cells][2] == "not comparable"
    monkeypatch.setattr(race, "cpu_flags", lambda: ["avx2"])
    found = bench.bench(request).to_json()["peers"]
    assert {peer["not_comparable"] for peer in found.values()} == {""}


def test_onnx_runtime_is_the_peer_that_has_no_switch() -> None:
    for name, engine in measure.PEERS.items():
        told = {"isa": "avx2"} if engine.limits else {}
        limit = "avx2" if engine.limits else ""
        ran = measure.instruction_set(engine, told, WIDE, limit)
        why = measure.not_comparable(engine, ran, "avx2", WIDE)
        assert bool(why) == name.startswith("onnxruntime")
        assert not measure.not_comparable(engine, ran, "auto", WIDE)


def test_the_instruction_set_is_what_the_engine_says_or_the_widest_it_has_code_for(engine) -> None:
    row = engine(instruction_sets=("avx512f", "avx2"))
    told = measure.instruction_set(row, {"isa": "avx2", "isa_from": "its log"}, ["avx512f"])
    assert (told.name, told.source) == ("avx2", "its log")
    flags = measure.instruction_set(row, {}, ["sse4_1", "avx2"])
    assert (flags.name, flags.source) == ("avx2", "the CPU's flags")
    assert measure.instruction_set(row, {"isa": 7}, []).name == "unknown"


def test_what_an_engine_says_of_itself_cannot_replace_what_was_measured(model, listed) -> None:
    claims = {"median_ms": 0.0, "ratio": 99.0, "snr_db": 99.0, "peak_bytes": 1}
    name = listed(LIMITED.format(model=str(model), told=claims))
    found = bench.bench(bench.BenchRequest(model, (name,), schedule=QUICK)).to_json()
    peer = found["peers"][name]
    assert peer["median_ms"] > 0
    assert peer["ratio"] < 99
    assert peer["snr_db"] == 150.0
    assert peer["peak_bytes"] > 1e6


def test_a_code_that_the_last_bit_of_a_float_turns_is_no_error(tmp_path: Path) -> None:
    """x / 7 lies on the middle between two codes; x times the float32 next to 1/7 may not."""
    image = TensorType("f32", (BATCH, 1, 16, 16))
    spec = ActivationSpec(2.0**-4, 0, 8)
    codes = TensorType("u8", image.shape, spec)
    constants = {
        **{name: np.ones(1, np.float32) for name in ("scale", "variance")},
        **{name: np.zeros(1, np.float32) for name in ("bias", "mean")},
        "w": LowBitWeight(np.ones((1, 1, 1, 1), np.int8), np.ones(1, np.float32)),
    }
    constants["variance"] *= 49
    statistics = {name: ConstRef(name) for name in ("scale", "bias", "mean", "variance")}
    nodes = (
        Node("n", "batch_norm", ("x",), {**statistics, "epsilon": 0.0}, image),
        Node("q", "quantize", ("n",), {}, codes),
        Node("y", "conv2d", ("q",), {"weight": ConstRef("w")}, image),
    )
    graph = Graph("ties", (Value("x", image),), nodes, ("y",), constants)
    write(tmp_path / "ties.sbn", Artifact(graph))
    middles = (np.arange(256, dtype=np.float32) % 200 + 0.5) * spec.scale
    np.save(tmp_path / "ties.npy", (7 * middles).reshape(1, 1, 16, 16))
    request = bench.BenchRequest(
        tmp_path / "ties.sbn", calibration=tmp_path / "ties.npy", schedule=QUICK
    )
    found = bench.bench(request)
    assert found.nodes.differing == 0
    assert found.nodes.values == 2 * 256
    assert found.nodes.max_relative_error <= 1e-6
    assert found.tolerance == 0.05
    assert 1e-4 < found.accuracy.max_relative_error < found.tolerance


@pytest.mark.parametrize("broken", ["c", "y"])
def test_a_node_that_computes_something_else_is_an_error(
    model: Path, coded: Path, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interpreter is made to differ in one node by one part in a thousand, or one code."""
    path = model if broken == "y" else coded
    real = exactness.interpret_node

    def other(graph, node, operands):
        found = real(graph, node, operands)
        if node.name != broken:
            return found
        return found + np.uint8(1) if found.dtype == np.uint8 else found * np.float32(1.001)

    monkeypatch.setattr(exactness, "interpret_node", other)
    with pytest.raises(ExecutionError, match=f"node {broken}"):
        bench.bench(bench.BenchRequest(path, schedule=QUICK))


def test_peers_of_an_8_bit_model_get_its_float_network(model: Path, coded: Path, listed) -> None:
    """With --float exactly the float model; without, its dense weights are rounded to 7 bits."""
    name = listed(right(model), demand=Floor(0.9, 20.0))
    request = bench.BenchRequest(coded, (name,), schedule=QUICK)
    rounded = bench.bench(request)
    given = bench.bench(dataclasses.replace(request, float_model=model))
    assert rounded.to_json()["activations"] == "u8"
    assert rounded.accuracy.max_relative_error == 0.0  # integers: exactly the interpreter's
    assert (rounded.float_network, given.float_network) == (
        *("the model, its activations dequantised", "the float model it was made from"),
    )
    assert 20 < rounded.peers[name].agreement.snr_db < 100
    assert given.peers[name].agreement.snr_db == 150.0
    for found in (rounded, given):
        assert 20 < found.against_float.snr_db < 80


def test_a_float_network_that_does_not_fit_is_refused(model, coded, tmp_path) -> None:
    opened = read(model)
    with pytest.raises(SpecError, match="only for a model with 8-bit"):
        bench.float_network(opened, model)
    with pytest.raises(SpecError, match="8-bit activations"):
        bench.float_network(read(coded), coded)
    wider = dataclasses.replace(
        opened.graph, inputs=(Value("x", TensorType("f32", (BATCH, 4, 9, 11))),)
    )
    nodes = [dataclasses.replace(node) for node in wider.nodes]
    nodes[0] = dataclasses.replace(nodes[0], type=TensorType("f32", (BATCH, 8, 9, 11)))
    other = tmp_path / "other.sbn"
    write(other, Artifact(dataclasses.replace(wider, nodes=tuple(nodes))))
    with pytest.raises(SpecError, match="9,11"):
        bench.float_network(read(coded), other)


def test_another_network_of_the_same_shape_is_not_the_float_network(
    model: Path, coded: Path, tmp_path: Path
) -> None:
    opened = read(model)
    rng = np.random.default_rng(9)
    other = {**opened.graph.constants, "v": rng.normal(0, 1, (5, 8)).astype(np.float32)}
    write(tmp_path / "other.sbn", Artifact(dataclasses.replace(opened.graph, constants=other)))
    request = bench.BenchRequest(
        coded, ("onnxruntime",), float_model=tmp_path / "other.sbn", schedule=QUICK
    )
    with pytest.raises(ExecutionError, match="signbin is no longer the network"):
        bench.bench(request)
    alone = bench.bench(dataclasses.replace(request, against=()))
    assert alone.against_float.snr_db < 6  # said, and with nobody to be compared with no error


def test_samples_are_held_out_or_given(model: Path, tmp_path: Path) -> None:
    opened = read(model)
    found = bench.gather_images(opened, 3)
    assert found.timed.shape == (3, 4, 9, 9)
    assert (len(found.calibration), len(found.checked)) == (32, 16)
    assert not (found.calibration[:16] == found.checked).all()
    np.save(tmp_path / "some.npy", found.calibration[:5])
    given = bench.gather_images(opened, 1, tmp_path / "some.npy")
    assert np.array_equal(given.calibration, found.calibration[:5])
    assert np.array_equal(given.checked, given.calibration)
    assert given.described["calibration"] == "5 given images"


def test_inputs_that_are_no_images_get_normal_noise() -> None:
    row = Value("x", TensorType("f32", (BATCH, 6)))
    weight = np.ones((2, 6), np.float32)
    node = Node("y", "linear", ("x",), {"weight": ConstRef("w")}, TensorType("f32", (BATCH, 2)))
    graph = Graph("row", (row,), (node,), ("y",), {"w": weight})
    found = bench.gather_images(Artifact(graph), 2)
    assert (found.timed.shape, found.calibration.shape) == ((2, 6), (32, 6))
    assert not np.array_equal(found.calibration[:16], found.checked)


@pytest.mark.parametrize(
    "wrong",
    [
        {"against": ("no-such-engine",)},
        {"against": ("onnxruntime", "onnxruntime")},
        {"peer_python": {"onnxruntime": Path("python3")}},
        {"against": ("mnn",), "peer_python": {"openvino": Path("python3")}},
        {"against": ("mnn",), "peer_isa": "avx1024"},
        {"peer_isa": ""},
    ],
)
def test_a_request_that_makes_no_sense_is_refused(model: Path, wrong) -> None:
    with pytest.raises(SpecError):
        bench.BenchRequest(model, **wrong)


def test_an_interpreter_may_be_named_for_a_preparation_of_another_family(model: Path) -> None:
    python = {"onnxruntime": Path("python3"), "openvino": Path("python3")}
    bench.BenchRequest(model, ("openvino-int8",), peer_python=python)


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"threads": 0}, {"isa": "avx1024"}])
def test_a_setting_out_of_range_is_refused_before_anything_starts(
    model: Path, wrong, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "signbin.verbs.bench.contenders.WorkerProcess", lambda *_: pytest.fail("ran")
    )
    with pytest.raises((SpecError, ExecutionError)):
        bench.bench(bench.BenchRequest(model, **wrong))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.sbn").write_bytes(b"nothing")
    with pytest.raises(FormatError):
        bench.bench(bench.BenchRequest(tmp_path / "model.sbn"))


def test_an_interpreter_is_given_by_family_and_path() -> None:
    assert bench.parse_peer_python("openvino=/opt/python") == (*("openvino", Path("/opt/python")),)
    for wrong in ("/opt/python", "onnxruntime=", "other=/opt/python", "openvino-int8=/opt/python"):
        with pytest.raises(SpecError):
            bench.parse_peer_python(wrong)
